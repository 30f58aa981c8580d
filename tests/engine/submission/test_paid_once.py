"""A prediction is assigned to the job that posted it, and no job is posted twice."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.engine.listener.webhook_sender import send
from tests.engine.submission.held_answers import (
    LIST,
    POST,
    hold_answers,
    post_with_late_answer,
    posted,
)
from tests.engine.world import World, running_world
from tests.support import eventually
from tui.base.job_status import LOST, JobStatus
from tui.engine.submission.run_names import run_name_of, sent_settings, with_run_name
from tui.engine.tracking.monitor import snapshot_of
from tui.engine.tracking.prediction_claims import is_imported
from tui.engine.tracking.reconcile import lost_values
from tui.engine.tracking.sync import import_prediction
from tui.replicate.lookup import input_fingerprint
from tui.replicate.models import Prediction
from tui.sandbox.record import Record
from tui.settings import Home
from tui.store.records import JobRecord
from tui.store.schema import DuplicateError
from tui.store.submit_state import SubmitState


@pytest.fixture
async def silent(home: Home, project: Path) -> AsyncIterator[World]:
    """A world whose predictions stay in the queue and send no webhooks."""
    async with running_world(home, project, faults=["webhook-lost", "queue-forever"]) as world:
        yield world


def records(world: World) -> list[JobRecord]:
    reader = world.reader
    try:
        return reader.records()
    finally:
        reader.close()


def check_single_prediction(world: World, job_id: str) -> None:
    assert [job.job_id for job in records(world)] == [job_id]
    assert [prediction.id for prediction in world.predictions] == [world.job(job_id).prediction_id]


# -- whoever sees it first --------------------------------------------------------------------


async def test_a_sync_assigns_a_prediction_to_the_job_being_posted(silent: World) -> None:
    job_id, held = await post_with_late_answer(silent)
    assert (await silent.client.sync())["synced"] == 0
    check_single_prediction(silent, job_id)
    held.release()
    await posted(silent, job_id)
    check_single_prediction(silent, job_id)
    assert silent.kinds(job_id).count("accepted") == 1


async def test_a_webhook_without_a_key_assigns_it_to_the_job_being_posted(silent: World) -> None:
    silent.engine._api_base = silent.sandbox.base_url
    job_id, held = await post_with_late_answer(silent)
    body = silent.sandbox.core.views.record(silent.predictions[0], "get")
    assert (await send(silent, body)).status_code == 200
    await eventually(lambda: silent.job(job_id).prediction_id)
    check_single_prediction(silent, job_id)
    held.release()
    await posted(silent, job_id)
    check_single_prediction(silent, job_id)


async def test_a_sync_after_a_restart_finds_the_job_that_was_being_posted(silent: World) -> None:
    """The engine ends while the answer is late; the next one syncs before it can look up."""
    job_id, held = await post_with_late_answer(silent)
    writer, base = silent.engine.recorder.writer, silent.sandbox.base_url
    await silent.engine._tasks.aclose()  # what a kill leaves: a record that says "posting"
    assert (await silent.client.sync())["synced"] == 0
    check_single_prediction(silent, job_id)
    silent.engine._take_up()
    held.release()
    await posted(silent, job_id)
    check_single_prediction(silent, job_id)
    assert writer.by_prediction(base, silent.predictions[0].id) is not None


TWIN: dict[str, Any] = {
    "data": "hosted", "images_url": "https://example.com/a.zip", "name": "twin"
}  # fmt: skip


async def test_equal_jobs_with_lost_answers_find_their_own_predictions(silent: World) -> None:
    """The same draft with the same name, twice at once: two predictions, each job its own."""
    silent.fault(f"cut=0*2@{POST}")
    jobs = await asyncio.gather(silent.submit(**TWIN), silent.submit(**TWIN))
    for job_id in jobs:
        await posted(silent, job_id)
    assert len(silent.predictions) == 2
    for job_id in jobs:
        job = silent.job(job_id)
        sent = run_name_of(silent.prediction_of(job).input)
        assert sent == run_name_of(job.inputs) == f"twin-{job_id}"
        assert len(str(job.inputs["images"])) > 0


# -- records of former versions ---------------------------------------------------------------


def remove_run_name(world: World, job_id: str) -> None:
    """Make a job look like one posted before requests carried a unique run name."""
    job = world.engine.recorder.writer.job(job_id)
    prediction = world.predictions[-1]
    config = json.dumps(
        {f"--{k}": v for k, v in sent_settings(job.inputs).items() if k != "tracker_run_name"}
    )
    inputs = {**job.inputs, "config_json": config}
    prediction.input = {**prediction.input, "config_json": config}
    prediction.encoded.clear()
    submit: SubmitState = {**job.submit}
    submit.pop("mark", None)
    submit.pop("clock_offset", None)
    submit["fingerprint"] = input_fingerprint(inputs, submit["secret_names"])
    world.engine.recorder.note(job_id, "local", "old", "As before.", inputs=inputs, submit=submit)


def import_record(world: World, record: Record, logs: str = "") -> str:
    """Import a prediction as a former version did when it did not recognise it."""
    row = Prediction.read(world.sandbox.core.views.record(record, "list"))
    recorder, claims = world.engine.recorder, world.engine._submitter._poster._claims
    job = import_prediction(
        row, world.sandbox.base_url, recorder, world.engine.live.now, claims, source="sync"
    )
    assert job is not None
    assert is_imported(job)
    recorder.apply_snapshot(
        job.job_id, replace(snapshot_of(row), status="processing", logs=logs), "sync"
    )
    return job.job_id


LOG = "".join(
    f"[TRAINING] Step {n}/12 (8.3%) loss=0.{n:02d} lr=1e-04 epoch=1 (0.5s/step)\n"
    for n in range(1, 6)
)


@pytest.mark.parametrize("marked", [True, False])
async def test_an_imported_record_of_the_same_prediction_is_merged(
    silent: World, *, marked: bool
) -> None:
    job_id, held = await post_with_late_answer(silent)
    await silent.engine._tasks.aclose()
    if not marked:
        remove_run_name(silent, job_id)
    other = import_record(silent, silent.predictions[0], LOG)
    metrics = {name: silent.steps_of(other, name) for name in silent.reader.metric_names(other)}
    assert silent.log(other) == LOG
    assert silent.job(other).status is JobStatus.RUNNING
    silent.engine._take_up()
    await posted(silent, job_id)
    held.release()
    check_single_prediction(silent, job_id)
    assert silent.log(job_id) == LOG
    assert not silent.home.log_file(other).exists()
    names = silent.reader.metric_names(job_id)
    assert {name: silent.steps_of(job_id, name) for name in names} == metrics
    assert silent.job(job_id).status is JobStatus.RUNNING
    assert silent.job(job_id).name != silent.predictions[0].id[:10]
    assert "created" in silent.kinds(job_id)


async def test_a_deleted_import_does_not_cause_another_post(silent: World) -> None:
    job_id, held = await post_with_late_answer(silent)
    await silent.engine._tasks.aclose()
    other = import_record(silent, silent.predictions[0])
    silent.engine.recorder.delete(other)
    silent.engine._take_up()
    await posted(silent, job_id)
    held.release()
    check_single_prediction(silent, job_id)
    spent = silent.engine.recorder.writer._read("SELECT COUNT(*) FROM ledger")
    assert spent == [(0,)]  # the job's own record counts it now


async def test_equal_jobs_without_a_run_name_get_different_predictions(
    silent: World,
) -> None:
    first = await silent.submit(**TWIN)
    await posted(silent, first)
    remove_run_name(silent, first)
    second, held = await post_with_late_answer(silent, **TWIN)
    await silent.engine._tasks.aclose()
    remove_run_name(silent, second)
    mine = silent.predictions.pop()  # the second POST did not arrive, as it turns out
    silent.sandbox.core.jobs.by_id.pop(mine.id)
    since = silent.predictions[0].created_at.isoformat()
    job = silent.engine.recorder.writer.job(second)
    silent.engine.recorder.note(
        second, "local", "old", "At the same time.", submit={**job.submit, "since": since}
    )
    silent.engine._take_up()
    held.release()
    await posted(silent, second)
    owners = {silent.job(name).prediction_id for name in (first, second)}
    assert owners == {prediction.id for prediction in silent.predictions}
    assert len(silent.predictions) == 2


# -- nothing is posted again ------------------------------------------------------------------


async def test_a_prediction_of_another_job_ends_the_submission(silent: World) -> None:
    """The answer names a prediction of another job: a DuplicateError, which is not retried."""
    job_id, held = await post_with_late_answer(silent)
    writer = silent.engine.recorder.writer
    other = replace(
        writer.job(job_id), job_id="another", prediction_id=silent.predictions[0].id,
        status=JobStatus.RUNNING,
    )  # fmt: skip
    silent.engine.recorder.insert(other)
    held.release()
    job = await posted(silent, job_id)
    assert (job.status, job.provider_status) == (JobStatus.FAILED, LOST)
    assert "another job" in job.error
    assert len(silent.predictions) == 1
    assert job.completed_at is not None
    assert job.cost_micros == lost_values(job, job.completed_at)["cost_micros"]
    assert (job.cost_micros or 0) > 0
    with pytest.raises(DuplicateError):
        silent.engine.recorder.note(job_id, "local", "x", "x", prediction_id=other.prediction_id)


async def test_an_unreadable_page_of_the_list_proves_nothing(silent: World) -> None:
    """The prediction is on the second page of the list, which breaks at first."""
    silent.fault(f"cut=0*1@{POST}")
    pages: list[str] = []
    broken = True

    async def second_page(request: httpx.Request) -> httpx.Response | None:
        if request.method != "GET" or not request.url.path.endswith("/predictions"):
            return None
        rows = [
            silent.sandbox.core.views.record(prediction, "list")
            for prediction in silent.predictions
        ]
        if "cursor" not in request.url.params:
            pages.append("first")
            other_prediction = {**rows[0], "id": "s", "input": {"config_json": "{}"}}
            link = f"{request.url.copy_with(query=b'cursor=2')}"
            return httpx.Response(200, json={"next": link, "results": [other_prediction]})
        pages.append("second")
        body = {"results": ["?"]} if broken else {"next": None, "results": rows}
        return httpx.Response(200, json=body)

    answer_by(silent, await silent.engine.clients.get(silent.sandbox.base_url), second_page)
    job_id = await silent.submit()
    await eventually(lambda: pages.count("second") > 2, within=20)
    assert silent.job(job_id).stage == "looking for it at Replicate"
    assert len(silent.predictions) == 1
    broken = False
    await posted(silent, job_id)
    check_single_prediction(silent, job_id)


def answer_by(_world: World, client: Any, answer: Any) -> None:
    """Let a function answer requests of a client instead of the sandbox."""
    http = client._session._http
    real = http.send

    async def send(request: httpx.Request, **how: Any) -> httpx.Response:
        answered = await answer(request)
        if answered is None:
            return await real(request, **how)
        answered.request = request
        return answered

    http.send = send


async def test_a_refused_token_does_not_end_the_look_up(silent: World) -> None:
    silent.fault(f"cut=0*1@{POST}", f"expired-token*2@{LIST}")
    job_id = await silent.submit()
    await posted(silent, job_id)
    check_single_prediction(silent, job_id)


async def test_a_look_up_starts_at_the_first_of_several_posts(silent: World) -> None:
    """The first POST is carried out unseen; the second one's look-up finds it."""
    silent.fault(f"cut=0*1@{POST}")
    hidden: list[Record] = []
    recorder = silent.engine.recorder
    noted = recorder.note

    def note(job_id: str, source: str, kind: str, message: str, **values: Any) -> JobRecord:
        if kind == "uncertain" and not hidden:  # a list that lags behind
            hidden.append(silent.predictions.pop())
            hidden[0].created_at -= timedelta(seconds=30)
            hidden[0].encoded.clear()
            silent.fault(f"cut-request*1@{POST}")
            job = recorder.writer.job(job_id)
            since = job.submit["since"]
            back = (hidden[0].created_at - timedelta(seconds=1)).isoformat()
            values["submit"] = {**job.submit, "since": back}
            assert since > back
        elif kind == "uncertain":
            silent.predictions.append(hidden[0])
        return noted(job_id, source, kind, message, **values)

    recorder.note = note  # type: ignore[method-assign]
    job_id = await silent.submit()
    job = await posted(silent, job_id)
    assert silent.kinds(job_id).count("uncertain") == 2
    assert [prediction.id for prediction in silent.predictions] == [job.prediction_id]


async def test_a_look_up_uses_the_clock_offset_of_the_post(silent: World) -> None:
    """Our clock was an hour ahead at the POST and has been set since."""
    job_id, held = await post_with_late_answer(silent)
    await silent.engine._tasks.aclose()
    job = silent.engine.recorder.writer.job(job_id)
    since = datetime.fromisoformat(job.submit["since"])
    assert abs(since - silent.predictions[0].created_at) < timedelta(seconds=60)
    assert abs(job.submit["clock_offset"]) < 60
    ahead = {"since": (since + timedelta(hours=1)).isoformat(), "clock_offset": -3600.0}
    silent.engine.recorder.note(job_id, "local", "clock", "Set.", submit={**job.submit, **ahead})
    silent.engine._take_up()
    held.release()
    await posted(silent, job_id)
    check_single_prediction(silent, job_id)


async def test_a_second_prediction_of_one_submit_is_cancelled(silent: World) -> None:
    """A webhook tells of the first POST's prediction while the second POST is under way."""
    held = hold_answers(silent.sandbox)
    silent.fault(f"cut=0*1@{POST}")
    hidden: list[Record] = []
    recorder = silent.engine.recorder
    noted = recorder.note

    def note(job_id: str, source: str, kind: str, message: str, **values: Any) -> JobRecord:
        if kind == "uncertain":
            hidden.append(silent.predictions.pop())
            silent.fault(f"slow*1@{POST}")
        return noted(job_id, source, kind, message, **values)

    recorder.note = note  # type: ignore[method-assign]
    job_id = await silent.submit()
    await eventually(lambda: hidden and silent.predictions, within=20)
    silent.predictions.insert(0, hidden[0])
    body = silent.sandbox.core.views.record(hidden[0], "get")
    await send(silent, body, key=silent.engine.keys.hook_key(job_id))
    await eventually(lambda: silent.job(job_id).prediction_id)
    held.release()
    job = await posted(silent, job_id)
    assert job.prediction_id == hidden[0].id
    assert [prediction.status for prediction in silent.predictions] == ["starting", "canceled"]
    assert "surplus" in silent.kinds(job_id)


# -- given up too early -----------------------------------------------------------------------


@pytest.mark.parametrize("cancelled", [True, False])
async def test_a_job_given_up_is_reopened_when_its_prediction_appears(
    silent: World, *, cancelled: bool
) -> None:
    """The look-up found nothing, so the job ended; then its prediction appears."""
    held = hold_answers(silent.sandbox)
    job_id, _ = await post_with_late_answer(silent)
    await silent.engine._tasks.aclose()
    job = silent.engine.recorder.writer.job(job_id)
    ended = lost_values(job, job.created_at)
    if cancelled:
        ended = {"status": JobStatus.CANCELLED, "cost_micros": 0, "completed_at": job.created_at,
                 "cancel_requested": True}  # fmt: skip
    silent.engine.recorder.note(job_id, "local", "state", "It ended.", **ended)
    assert (await silent.client.sync())["synced"] == 0
    held.release()
    await posted(silent, job_id)
    check_single_prediction(silent, job_id)
    if cancelled:
        job = await silent.ended(job_id)
        assert silent.predictions[0].status == "canceled"
        assert job.status is JobStatus.CANCELLED
    else:
        assert silent.job(job_id).status is JobStatus.QUEUED
        assert silent.job(job_id).cost_micros is None


async def test_a_failed_cancel_does_not_end_a_running_job(
    silent: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A prediction that cannot be cancelled is still followed, since it costs money."""
    monkeypatch.setattr("tui.engine.submission.post_once.CANCEL_PAUSES", (0.0, None))
    silent.fault("no-credit@/cancel", "expired-token@/cancel")
    job_id, held = await post_with_late_answer(silent)
    await silent.client.cancel(job_id)
    held.release()
    job = await posted(silent, job_id)
    assert job.status is JobStatus.QUEUED
    assert job.cost_micros is None
    assert silent.engine.monitor.following == 1
    silent.clear_faults()
    await silent.client.cancel(job_id)
    assert (await silent.ended(job_id)).status is JobStatus.CANCELLED


async def test_a_pending_cancel_is_passed_on_after_a_restart(home: Home, project: Path) -> None:
    faults = ["webhook-lost", "queue-forever"]
    async with running_world(home, project, faults=faults) as world:
        job_id = await world.submit()
        await posted(world, job_id)
        world.engine.recorder.note(job_id, "local", "cancel", "Asked.", cancel_requested=True)
        await world.engine._tasks.aclose()
        world.engine.monitor._followed.clear()
        world.engine._take_up()
        assert (await world.ended(job_id)).status is JobStatus.CANCELLED
        assert world.predictions[0].status == "canceled"


async def test_a_cancel_ignored_by_a_step_reaches_the_prediction(
    silent: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step goes on to the POST although its task was cancelled."""
    upload = silent.engine._submitter._archives.upload
    reached = asyncio.Event()

    async def stubborn(*args: Any) -> None:
        reached.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await upload(*args)

    monkeypatch.setattr(silent.engine._submitter._archives, "upload", stubborn)
    job_id = await silent.submit()
    await reached.wait()
    answer = await silent.client.cancel(job_id)
    assert answer["status"] != "cancelled"
    job = await silent.ended(job_id)
    assert [prediction.status for prediction in silent.predictions] == ["canceled"]
    assert job.prediction_id == silent.predictions[0].id
    assert job.status is JobStatus.CANCELLED


# -- removed data -----------------------------------------------------------------------------


async def left_uncertain(world: World) -> str:
    """A job as a former version left it while posting."""
    job_id, held = await post_with_late_answer(world)
    await world.engine._tasks.aclose()
    remove_run_name(world, job_id)
    held.release()
    return job_id


def removed(record: Record, name: str) -> Record:
    """An older prediction of the same version whose data Replicate has removed."""
    before = record.created_at - timedelta(milliseconds=10)
    twin = Record("prediction", record.version, {}, before, id=name)
    twin.finish("succeeded", record.created_at)
    twin.remove_data()
    return twin


async def test_a_candidate_with_data_is_preferred_to_one_without(silent: World) -> None:
    job_id = await left_uncertain(silent)
    whole = silent.predictions[0]
    half = removed(whole, "half")
    half.input = whole.input  # said to be removed, and still there
    silent.sandbox.core.jobs.keep_past([removed(whole, "gone"), half])
    silent.engine._take_up()
    job = await posted(silent, job_id)
    assert job.prediction_id == whole.id
    assert job.status is JobStatus.QUEUED


async def test_a_job_of_unknown_outcome_counts_its_maximum_cost(silent: World) -> None:
    job_id = await left_uncertain(silent)
    gone = removed(silent.predictions.pop(), "gone")
    silent.sandbox.core.jobs.keep_past([gone])
    silent.engine._take_up()
    job = await posted(silent, job_id)
    assert (job.status, job.provider_status) == (JobStatus.FAILED, LOST)
    assert job.completed_at is not None
    assert job.cost_micros == lost_values(job, job.completed_at)["cost_micros"]
    assert job.cost_micros
    assert silent.predictions == [gone]


async def test_removed_inputs_are_compared_by_the_imported_record(silent: World) -> None:
    """An ended prediction of another program, imported with its input, does not match the job."""
    job_id = await left_uncertain(silent)
    mine = silent.predictions.pop()
    other_prediction = Record(
        "prediction", mine.version, {"config_json": "{}", "max_train_steps": 7}, mine.created_at
    )
    silent.sandbox.core.jobs.keep(other_prediction)
    import_record(silent, other_prediction)
    other_prediction.finish("succeeded", mine.created_at)
    other_prediction.remove_data()
    silent.engine._take_up()
    await posted(silent, job_id)
    assert silent.job(job_id).prediction_id == silent.predictions[-1].id != other_prediction.id


# -- the mark ---------------------------------------------------------------------------------


async def test_a_returned_webhook_address_identifies_the_job(silent: World) -> None:
    """Some of Replicate's answers contain it, even when the data are removed."""
    job_id, held = await post_with_late_answer(silent)
    claims, base = silent.engine.jobs._claims, silent.sandbox.base_url
    body = silent.sandbox.core.views.record(silent.predictions[0], "get")
    url = f"https://t.example/api/webhooks/replicate?key={silent.engine.keys.hook_key(job_id)}"
    gone = {**body, "input": {}, "data_removed": True}
    assert claims.job_for(base, Prediction.read(gone)) is None
    owner = claims.job_for(base, Prediction.read(gone | {"webhook": url}))
    assert owner is not None
    assert owner.job_id == job_id
    for wrong in (f"{url}0", "https://[", 7, "https://t.example/?key=ä"):
        assert claims.job_for(base, Prediction.read(gone | {"webhook": wrong})) is None
    assert claims.job_for("https://other.example/v1", Prediction.read(body)) is None
    held.release()


def test_the_run_name_is_put_into_every_form_of_config() -> None:
    text = json.dumps({"tracker_run_name": "mine", "--seed": 1})
    coded = f"data:application/json;base64,{base64.b64encode(text.encode()).decode()}"
    for given in (text, coded):
        sent = with_run_name({"config_json": given, "x": 1}, "mine-abc")
        assert run_name_of(sent) == "mine-abc"
        assert sent_settings(sent) == {"seed": 1, "tracker_run_name": "mine-abc"}
        assert sent["x"] == 1
        assert str(sent["config_json"]).startswith("data:") == given.startswith("data:")
    for odd in ({}, {"config_json": "/config.json"}, {"config_json": "[1]"}, {"config_json": 3}):
        assert with_run_name(odd, "mine-abc") == odd
        assert run_name_of(odd) == ""
