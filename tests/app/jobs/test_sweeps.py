"""Sweeps in the list: one line for all jobs, and keys that act on all of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.app.conftest import opened, text_of, wait_for
from tests.app.stand_in_engine import StandInEngine
from tests.app.world import NOW, job
from tui.app.compare.screen import CompareScreen
from tui.app.jobs.groups import best_words, sweep_cost, sweep_words
from tui.app.jobs.screen import JobsScreen
from tui.app.publishing.publish_form import PublishForm
from tui.base.job_status import WAITS_FOR_TURN, JobStatus
from tui.settings import Home
from tui.store.filter import parse_filter
from tui.store.reader import StoreReader
from tui.store.sweep_standing import read_standings
from tui.store.sweeps import MemberRecord, SweepRecord
from tui.store.writer import StoreWriter

DONE, LOW, RUNS, WAITS = "job00001", "job00002", "job00003", "job00004"
SWEEP = SweepRecord("cats", "https://api.replicate.com/v1", "running", "", "", 2, NOW, NOW)


@pytest.fixture
def swept(home: Home) -> Home:
    """A home with a job of its own, and a sweep of four: two done, one runs, one waits."""
    writer = StoreWriter(home)
    writer.insert(job(0, JobStatus.COMPLETED))
    states = (JobStatus.COMPLETED, JobStatus.COMPLETED, JobStatus.RUNNING, JobStatus.PENDING)
    members = []
    for number, status in enumerate(states, start=1):
        loss = None if status is JobStatus.PENDING else 0.2 / number
        record = replace(
            job(number, status), name=f"cats-r{number}", loss_smoothed=loss, loss_best=loss,
            file_count=2, prediction_id="" if status is JobStatus.PENDING else f"p{number}",
            stage=WAITS_FOR_TURN if status is JobStatus.PENDING else "",
        )  # fmt: skip
        writer.insert(record)
        turn = None if status is JobStatus.PENDING else NOW
        members.append(
            MemberRecord(record.job_id, "cats", number, turn, {"lora_rank": f"{number}"})
        )
    writer.sweeps.insert(SWEEP, members)
    writer.close()
    return home


async def test_a_sweep_is_one_line_that_unfolds_and_is_compared_cancelled_and_published(
    swept: Home, engine: StandInEngine
) -> None:
    cancelled = {"sweep": {}, "ended": [WAITS], "stopping": [RUNS], "failed": []}
    engine.answers["POST", "/api/cloud/sweeps/cats/cancel"] = (200, cancelled)
    async with opened(swept, engine) as (app, pilot):
        screen = app.screen
        assert isinstance(screen, JobsScreen)
        assert screen.list.count == 2
        await pilot.press("j")
        await pilot.pause()
        text = text_of(app)
        assert "sweep · 2 done · 1 running · 1 waiting · best r2 0.1000" in text
        assert "cats-r1" not in text
        assert screen.list.job_id is None
        await pilot.press("enter")
        assert screen.list.count == 6
        assert screen.list.groups.position(RUNS) == 4
        await wait_for(pilot, lambda: "○ waits" in text_of(app))
        await pilot.press("j", "j")
        assert screen.list.job_id == LOW
        await pilot.press("k", "k", "d")  # only what is about all of it
        assert "cats is a sweep" in app.notices[-1].message
        await pilot.press("space")
        assert app.model.marks == {DONE, LOW, RUNS, WAITS}
        await pilot.press("space", "c")
        await wait_for(pilot, lambda: "Cancel all 2 jobs of cats?" in text_of(app))
        await pilot.press("y")
        await wait_for(pilot, lambda: engine.calls("POST") == ["/api/cloud/sweeps/cats/cancel"])
        await pilot.press("equals_sign")
        await wait_for(pilot, lambda: isinstance(app.screen, CompareScreen))
        assert isinstance(app.screen, CompareScreen)
        assert app.screen.job_ids == [LOW, DONE, RUNS]  # the best first; what waits has no curve
        await wait_for(pilot, lambda: isinstance(app.screen, CompareScreen) and app.screen.runs)
        await pilot.press("j", "p")  # of the run under the cursor
        await wait_for(pilot, lambda: "the best checkpoint of cats-r1" in text_of(app))
        await pilot.press("escape", "escape")
        await wait_for(pilot, lambda: app.screen is screen)
        await pilot.press("p")
        await wait_for(pilot, lambda: isinstance(app.screen, PublishForm))
        assert isinstance(app.screen, PublishForm)
        request = app.screen.model.request
        assert ([one.job_id for one in request.jobs], request.what) == ([LOW], "best")
        assert "the best checkpoint of cats-r2" in text_of(app)
        await pilot.press("escape")
        await wait_for(pilot, lambda: app.screen is screen)
        app.model.marks.add(WAITS)  # one that is folded away stays marked
        await pilot.press("enter")
        screen.list.reload()
        assert app.model.marks == {WAITS}
        assert screen.list.count == 2


def test_a_sweep_that_stopped_says_why_and_what_goes_on(swept: Home) -> None:
    writer = StoreWriter(swept)
    writer.sweeps.set_state("cats", "paused", "2 runs in a row have failed", "Look.")
    writer.close()
    reader = StoreReader(swept.database)
    (sweep,) = read_standings(reader, NOW)
    found = {text: reader.job_ids("name", False, parse_filter(text))
             for text in ("sweep:Cats", "sweep:cats loss<0.15", "sweep:cat")}  # fmt: skip
    assert [*found.values()] == [[DONE, LOW, RUNS, WAITS], [LOW, RUNS], []]
    reader.close()
    assert sweep_words(sweep) == (
        "stopped, r goes on: 2 runs in a row have failed · 2 done · 1 running · 1 waiting"
    )
    assert best_words(sweep) == "r2 0.1000"
    assert " of $8.56" in sweep_cost(sweep)
