"""A cancel that meets a POST, and a look-up that meets a removed prediction."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engine.submission.held_answers import post_with_late_answer, posted
from tests.engine.world import World, running_world
from tests.support import eventually
from tui.base.job_status import JobStatus
from tui.engine.submission.post_once import UnknownOutcomeError
from tui.settings import Home


@pytest.fixture
async def silent(home: Home, project: Path) -> AsyncIterator[World]:
    """A world whose predictions stay in the queue and send no webhooks."""
    async with running_world(home, project, faults=["webhook-lost", "queue-forever"]) as world:
        yield world


async def test_a_job_that_is_posted_while_its_task_is_stopped_is_not_called_cancelled(
    silent: World,
) -> None:
    job_id, held = await post_with_late_answer(silent)
    submitter, recorder = silent.engine._submitter, silent.engine.recorder
    await silent.engine._tasks.aclose()
    job = recorder.writer.job(job_id)
    earlier = {**job.submit, "phase": "uploaded"}
    recorder.note(job_id, "local", "old", "Uploaded.", submit=earlier)

    async def post_when_stopped() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            recorder.note(job_id, "local", "posting", "Posted.", submit=job.submit)

    submitter._running[job_id] = asyncio.create_task(post_when_stopped())
    await asyncio.sleep(0)
    assert await submitter.cancel(recorder.writer.job(job_id)) is False
    fresh = recorder.writer.job(job_id)
    assert fresh.cancel_requested
    assert fresh.cost_micros is None
    assert not fresh.status.is_terminal
    held.release()
    await eventually(lambda: silent.predictions[0].status in {"canceled", "aborted"})
    ended = await silent.until(job_id, JobStatus.CANCELLED)
    assert ended.prediction_id == silent.predictions[0].id


async def test_the_whole_one_of_two_candidates_is_taken(silent: World) -> None:
    job_id, held = await post_with_late_answer(silent)
    client = await silent.engine.clients.get(silent.job(job_id).api_base)
    poster = silent.engine._submitter._poster
    whole = await client.get_prediction(silent.predictions[0].id)
    removed = whole.model_copy(update={"id": "removed", "input": {}, "data_removed": True})
    job = silent.engine.recorder.writer.job(job_id)
    for candidates in ([removed, whole], [whole, removed]):
        found = await poster._select(client, job, candidates)
        assert found is not None
        assert found.id == whole.id
    with pytest.raises(UnknownOutcomeError):
        await poster._select(client, job, [removed])
    assert await poster._select(client, job, []) is None
    held.release()
    await posted(silent, job_id)
