"""Jobs that wait for a machine: when the wait is unusual, and the move to other hardware."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.engine.world import SPEED, World, running_engine
from tests.support import eventually
from tests.wished import wished
from tui.api.jobs import JobCancelled
from tui.base.clock import utc_now
from tui.base.job_status import JobStatus
from tui.client.client import ControlClient
from tui.client.errors import ControlError
from tui.engine.submission.history import QueueWait
from tui.engine.submission.queue_standing import stuck_after
from tui.engine.submission.queue_watch import QueueWatch
from tui.sandbox.demo import write_demo_project
from tui.sandbox.record import Record
from tui.sandbox.server import serve
from tui.settings import Home
from tui.store.records import JobRecord


async def waiting_job(world: World, **more: object) -> JobRecord:
    """A job on an L40S that never gets its machine."""
    world.fault("queue-forever*1")
    archive = {"data": "hosted", "images_url": "https://example.com/a.zip", "accept_data": True,
               "delivery": {"kind": "none"}}  # fmt: skip
    job_id = await world.submit(8, hardware="l40s", **archive, **more)
    return await world.until(job_id, JobStatus.QUEUED)


def moved_to(world: World, job: JobRecord) -> JobRecord | None:
    """The job that a move has made."""
    reader = world.reader
    try:
        others = [other for other in reader.records() if other.job_id != job.job_id]
    finally:
        reader.close()
    assert len(others) < 2
    return others[0] if others else None


def check_never_two(world: World) -> tuple[Record, Record]:
    """The second prediction began after the first was canceled, and there is no third."""
    first, second = world.predictions
    assert first.status == "canceled"
    assert first.completed_at is not None
    assert second.created_at >= first.completed_at
    return first, second


async def test_a_waiting_job_is_moved_once_it_is_seen_canceled(world: World) -> None:
    job = await waiting_job(world)
    answer = await world.client.move(job.job_id, "H100")
    assert answer == {"success": True, "job_id": job.job_id, "hardware": "h100"}
    other = await eventually(lambda: moved_to(world, job), within=30)
    assert other.hardware == "h100"
    assert other.name == job.name
    await world.ended(other.job_id)
    assert world.job(job.job_id).status is JobStatus.CANCELLED
    check_never_two(world)


@pytest.mark.parametrize(
    "fault",
    ["cut*1@/cancel", "cut-request*2@/cancel", "bad-gateway*2@/cancel", "garbage*1@/cancel",
     "slow=2*1@/cancel"],
)  # fmt: skip
async def test_a_lost_or_late_answer_to_the_cancel_never_makes_two_runs(
    world: World, fault: str
) -> None:
    job = await waiting_job(world)
    world.fault(fault)
    await world.client.move(job.job_id, "h100")
    await world.client.move(job.job_id, "h100")  # the key pressed twice
    other = await eventually(lambda: moved_to(world, job), within=60)
    await world.ended(other.job_id)
    check_never_two(world)


async def test_nothing_is_posted_while_the_cancel_fails(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await waiting_job(world)
    asked: list[str] = []
    cancel = world.engine.jobs.cancel

    async def counted(job_id: str) -> JobCancelled:
        asked.append(job_id)
        return await cancel(job_id)

    monkeypatch.setattr(world.engine.jobs, "cancel", counted)
    world.fault("server-error@/cancel")
    await world.client.move(job.job_id, "h100")

    await eventually(lambda: len(asked) >= 3 or len(world.predictions) > 1, within=60)
    assert moved_to(world, job) is None
    assert len(world.predictions) == 1
    world.clear_faults()
    other = await eventually(lambda: moved_to(world, job), within=60)
    await world.ended(other.job_id)
    check_never_two(world)


async def test_a_move_goes_on_with_the_next_engine(home: Home, project: Path) -> None:
    sandbox = await serve(wished(speed=SPEED, work_dir=project.parent / "sandbox"))
    config = write_demo_project(project)
    try:
        async with running_engine(home) as (engine, _):
            client = ControlClient(home.socket, sandbox.base_url)
            await client.set_session({"replicate_token": sandbox.token})
            world = World(home, sandbox, engine, client, config)
            job = await waiting_job(world)
            world.fault("server-error@/cancel")
            await client.move(job.job_id, "h100")
        assert len(world.predictions) == 1
        world.clear_faults()
        async with running_engine(home):
            await client.set_session({"replicate_token": sandbox.token})
            other = await eventually(lambda: moved_to(world, job), within=60)
            await world.ended(other.job_id)
            check_never_two(world)
    finally:
        await sandbox.aclose()


async def test_only_a_job_that_waits_is_moved(world: World) -> None:
    job = await world.ended(await world.submit(8))
    with pytest.raises(ControlError, match="does not wait"):
        await world.client.move(job.job_id, "h100")
    waiting = await waiting_job(world)
    for hardware, words in (("l40s", "already"), ("zx80", "hardware called"), ("a100", "public")):
        with pytest.raises(ControlError, match=words):
            await world.client.move(waiting.job_id, hardware)
    assert world.job(waiting.job_id).status is JobStatus.QUEUED
    assert not world.job(waiting.job_id).cancel_requested


async def test_a_job_that_could_not_start_there_stays_where_it_is(world: World) -> None:
    job = await waiting_job(world)
    world.config.unlink()
    with pytest.raises(ControlError):
        await world.client.move(job.job_id, "h100")
    assert not world.job(job.job_id).cancel_requested
    assert len(world.predictions) == 1


@pytest.mark.parametrize(
    ("wait", "seconds"),
    [(None, 900), (QueueWait(9, 4, 10), 120), (QueueWait(9, 60, 400), 800)],
)
def test_when_a_wait_is_unusual(wait: QueueWait | None, seconds: int) -> None:
    assert stuck_after(wait) == seconds


async def test_an_unusual_wait_is_told_with_state_and_prices(world: World) -> None:
    done = await world.ended(await world.submit(8))
    assert done.started_at is not None
    job = await waiting_job(world)
    standing = await world.client.queue_standing(job.job_id)
    assert not standing["stuck"]
    assert standing["runs"] == 1
    watch = QueueWatch(world.engine.queue.standings, world.engine.recorder, world.engine.bus)
    with world.engine.bus.subscribe() as events:
        await watch.look()
        world.engine.recorder.note(
            job.job_id, "local", "test", "Waits.", queued_at=utc_now() - timedelta(hours=1)
        )
        await watch.look()
        await watch.look()
        notices = []
        while not events.empty():
            kind, data = events.get_nowait()
            if kind == "notice":
                notices.append(data)
    assert len(notices) == 1
    assert "waits unusually long" in str(notices[0]["message"])
    standing = await world.client.queue_standing(job.job_id)
    assert standing["stuck"]
    assert standing["service"] in ("operational", "unknown")
    prices = {other["id"]: other["estimate_micros"] for other in standing["others"]}
    assert prices["h100"] > 0
    assert "l40s" not in prices
    assert "status page" in str(notices[0]["advice"])
    assert "would cost about $" in str(notices[0]["advice"])
