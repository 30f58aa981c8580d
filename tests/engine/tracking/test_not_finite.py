"""A run whose loss is not a number goes on: marks, one notice, valid JSON, no endless writes."""

from __future__ import annotations

import json

from tests.engine.world import World
from tests.support import eventually
from tui.base.formatting import loss_text
from tui.base.job_status import JobStatus
from tui.engine.tracking.not_finite import new_names, with_points
from tui.simpletuner.log.model import MetricPoint
from tui.store.annotations import NONE
from tui.store.job_json import job_json
from tui.store.job_json_query import jobs_json
from tui.store.records import JobRecord

NAN = float("nan")


def test_marks_join_in_any_order() -> None:
    first = with_points((), [MetricPoint("loss", 3, 0.1), MetricPoint("grad_norm", 7, NAN)])
    assert first == [{"name": "grad_norm", "first_step": 7, "last_step": 7}]
    both = with_points(
        first, [MetricPoint("loss", 9, float("inf")), MetricPoint("grad_norm", 5, -float("inf"))]
    )
    assert both == [
        {"name": "grad_norm", "first_step": 5, "last_step": 7},
        {"name": "loss", "first_step": 9, "last_step": 9},
    ]
    assert new_names(first, both) == ["loss"]
    assert with_points(both, []) == both


async def test_a_run_that_goes_on_without_a_loss_is_marked_and_told_once(world: World) -> None:
    world.fault("nan-runs-on=6", "stall=10")
    with world.engine.bus.subscribe() as events:
        job_id = await world.submit(steps=12)
        job = await eventually(lambda: _marked(world, job_id), within=30)
        assert job.status is JobStatus.RUNNING
        (mark,) = job.submit["not_finite"]
        assert (mark["name"], mark["first_step"]) == ("loss", 6)
        row = world.engine.reader.rows([job_id])[job_id]
        assert (row.not_finite, row.loss, loss_text(row.loss, row.not_finite)) == (
            ("loss",), None, "nan",
        )  # fmt: skip
        still = world.job(job_id).rev
        await world.engine.monitor.poll(job_id)
        assert world.job(job_id).rev == still  # NaN is unlike itself: it was written for ever
        folder = world.sandbox.core.config.work_dir
        assert folder is not None
        (folder / "runs" / job.prediction_id / "go-on").touch()
        ended = await world.ended(job_id)
    told = []
    while not events.empty():
        kind, data = events.get_nowait()
        told += [data["message"]] if kind == "notice" and data["job_id"] == job_id else []
    assert told == [f"{ended.name}: loss is not a number since step 6."]
    assert {"name": "loss", "first_step": 6, "last_step": 12} in ended.submit["not_finite"]
    shown = job_json(ended, (), world.home.outputs, annotation=NONE)["progress"]
    assert (shown["loss"], shown["not_finite"]) == (None, ended.submit["not_finite"])
    text = jobs_json(str(world.home.database), str(world.home.outputs))
    assert text is not None
    (listed,) = json.loads(b"".join(text[0]), parse_constant=_refused)
    assert listed["progress"] == shown


def _marked(world: World, job_id: str) -> JobRecord | None:
    job = world.job(job_id)
    return job if job.submit.get("not_finite") and job.step == 9 else None


def _refused(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")
