"""Jobs that wait for a machine: when the wait is unusual, and the move to other hardware."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.engine.staging.folders import picture, use_datasets
from tests.engine.world import SPEED, World, edit_config, running_engine
from tests.support import eventually
from tests.wished import wished
from tui.api.jobs import JobCancelled
from tui.base.clock import utc_now
from tui.base.job_status import JobStatus
from tui.client.client import ControlClient
from tui.client.errors import ControlError
from tui.engine.engine import Engine
from tui.engine.submission.history import QueueWait
from tui.engine.submission.moves import draft_for
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
    await world.client.cloud.set_limit(enabled=True, amount="0.01", action="block")
    with pytest.raises(ControlError, match=r"could not be started on H100.*over") as refused:
        await world.client.move(job.job_id, "h100")
    assert (refused.value.status, refused.value.code) == (429, "cost_limit_exceeded")
    assert refused.value.details["over_micros"] > 0
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


async def waiting_staged_job(world: World, folder: Path) -> JobRecord:
    """A job whose datasets are staged to the Hub, and that never gets its machine."""
    for number in range(3):
        picture(folder / f"{number}.png", number).with_suffix(".txt").write_text(f"cat {number}")
    use_datasets(
        world,
        {"id": "photos", "type": "local", "instance_data_dir": str(folder),
         "caption_strategy": "textfile", "resolution": 512},
    )  # fmt: skip
    world.fault("queue-forever*1")
    job_id = await world.submit(8, hardware="l40s", data="staged", delivery={"kind": "none"})
    job = await world.until(job_id, JobStatus.QUEUED, JobStatus.FAILED)
    assert job.status is JobStatus.QUEUED, job.error
    return job


def uploaded(world: World) -> int:
    """Bytes that the sandbox's Hub has received so far."""
    assert world.sandbox.hub is not None
    return world.sandbox.hub.hub.received_bytes


def hold_posts(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Keep an engine from submitting; the event is set when it is about to."""
    about_to = asyncio.Event()

    async def never(*_arguments: object) -> dict[str, object]:
        about_to.set()
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(engine.jobs, "submit", never)
    return about_to


async def test_a_moved_job_reads_the_data_that_were_staged_for_the_first(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.use_hub()
    job = await waiting_staged_job(world, tmp_path / "photos")
    assert uploaded(world)
    about_to = hold_posts(world.engine, monkeypatch)
    await world.client.move(job.job_id, "h100")
    await about_to.wait()
    await world.engine.staging.remove_unread()  # as at the end of any other job
    (row,) = await world.client.staged()
    assert row["readers"] == [job.job_id]
    with pytest.raises(ControlError, match="reads it"):
        await world.client.remove_staged(row["key"])


async def test_a_move_sends_nothing_again(world: World, tmp_path: Path) -> None:
    await world.use_hub()
    job = await waiting_staged_job(world, tmp_path / "photos")
    sent = uploaded(world)
    await world.client.move(job.job_id, "h100")
    other = await eventually(lambda: moved_to(world, job), within=30)
    ended = await world.ended(other.job_id)
    assert ended.status is JobStatus.COMPLETED, ended.error
    assert uploaded(world) == sent
    check_never_two(world)
    await eventually(lambda: not world.engine.staging.rows(), within=30)  # the last reader ended


async def test_a_move_over_a_restart_sends_nothing_again(
    home: Home, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = await serve(wished(speed=SPEED, work_dir=project.parent / "sandbox"))
    config = write_demo_project(project)
    try:
        async with running_engine(home) as (engine, _):
            client = ControlClient(home.socket, sandbox.base_url)
            await client.set_session({"replicate_token": sandbox.token})
            world = World(home, sandbox, engine, client, config)
            await world.use_hub()
            job = await waiting_staged_job(world, tmp_path / "photos")
            sent = uploaded(world)
            about_to = hold_posts(engine, monkeypatch)
            await client.move(job.job_id, "h100")
            await about_to.wait()
            assert world.job(job.job_id).status is JobStatus.CANCELLED
        async with running_engine(home) as (engine, _):
            world.engine = engine
            await client.set_session({"replicate_token": sandbox.token})
            await world.use_hub()
            other = await eventually(lambda: moved_to(world, job), within=60)
            await world.ended(other.job_id)
            check_never_two(world)
            assert uploaded(world) == sent
    finally:
        await sandbox.aclose()


async def test_staged_data_go_when_the_move_fails(world: World, tmp_path: Path) -> None:
    await world.use_hub()
    job = await waiting_staged_job(world, tmp_path / "photos")
    world.fault("server-error@/cancel")
    await world.client.move(job.job_id, "h100")
    await world.client.cloud.set_limit(enabled=True, amount="0.01", action="block")
    world.clear_faults()
    await eventually(lambda: not world.engine.staging.rows(), within=60)
    assert moved_to(world, job) is None


async def test_a_move_keeps_the_place_of_the_data_and_the_version(
    world: World, tmp_path: Path
) -> None:
    await world.use_hub()
    job = await waiting_staged_job(world, tmp_path / "photos")  # the place was chosen for it
    assert draft_for(job, "h100")["staging"] == "hub"
    assert draft_for(job, "h100")["data"] == "staged"
    pinned = replace(job, submit={"draft": {"version": "a" * 64}})
    assert "version" not in draft_for(pinned, "h100")  # a version is of one model alone
    same_model = replace(pinned, model="simpletuner/advanced-trainer-h100")
    assert draft_for(same_model, "h100")["version"] == "a" * 64


async def test_a_moved_job_keeps_its_config_when_the_file_has_changed(world: World) -> None:
    job = await waiting_job(world)
    edit_config(world.config, learning_rate=0.5)
    await world.client.move(job.job_id, "h100")
    other = await eventually(lambda: moved_to(world, job), within=30)
    assert other.config == job.config
    await world.ended(other.job_id)
    check_never_two(world)
