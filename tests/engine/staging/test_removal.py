"""Staged data that could not be removed are listed with the reason, and are looked at again."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from tests.engine.staging.folders import entries_of
from tests.engine.world import World
from tests.support import eventually
from tui.api.staging import StagedData
from tui.base.clock import utc_now
from tui.base.job_status import LOST, JobStatus
from tui.client.errors import ControlError
from tui.engine.staging.watch import StagingWatch


def is_there(world: World, job_id: str) -> bool:
    """Whether the repository that a job was sent with is on the sandbox's Hub."""
    assert world.sandbox.hub is not None
    names = [row["dataset_name"] for row in entries_of(world, job_id).values() if "revision" in row]
    assert names
    return all(world.sandbox.hub.hub.repos.get("dataset", name) for name in names)


async def with_problem(world: World) -> StagedData:
    """Wait until the one staged row says why it was not removed."""

    def found() -> StagedData | None:
        rows = world.engine.staging.rows()
        assert rows, "it was forgotten"
        return rows[0] if rows[0]["problem"] else None

    return await eventually(found, within=30)


async def test_data_whose_list_cannot_be_read_stay_listed_until_it_can(world: World) -> None:
    await world.use_hub()
    world.fault("stall=5")  # it runs until it is cancelled
    job_id = await world.submit(data="staged")
    await world.until(job_id, JobStatus.RUNNING)
    (row,) = await world.client.staged()
    listed = world.home.root / "staged" / f"{row['key']}.manifest.json"
    content = listed.read_bytes()
    listed.write_bytes(b"{")
    await world.client.cancel(job_id)
    kept = await with_problem(world)
    assert "cannot be read" in kept["problem"]
    assert is_there(world, job_id)
    with pytest.raises(ControlError, match="cannot be read"):
        await world.client.remove_staged(row["key"])
    listed.write_bytes(content)
    await world.engine.staging.remove_unread()
    assert world.engine.staging.rows() == []
    assert not is_there(world, job_id)


async def test_a_removal_that_failed_is_tried_again_by_the_timer(world: World) -> None:
    due: asyncio.Queue[None] = asyncio.Queue()
    watch = StagingWatch(world.engine.staging.remove_unread, due.get)
    watch.start()
    try:
        await world.use_hub()
        world.fault("stall=5")  # it runs until it is cancelled
        job_id = await world.submit(data="staged")
        await world.until(job_id, JobStatus.RUNNING)
        assert world.sandbox.hub is not None
        faults = world.sandbox.hub.hub.faults
        faults.failures["/api/"] = 1000
        await world.client.cancel(job_id)
        assert (await with_problem(world))["readers"] == []
        assert is_there(world, job_id)
        faults.failures.clear()
        due.put_nowait(None)
        await eventually(lambda: not world.engine.staging.rows(), within=30)
        assert not is_there(world, job_id)
    finally:
        await watch.aclose()


async def test_data_of_a_job_that_was_lost_sight_of_go_after_a_day(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    due: asyncio.Queue[None] = asyncio.Queue()
    looked = asyncio.Event()
    staging = world.engine.staging

    async def look() -> None:
        await staging.remove_unread()
        looked.set()

    watch = StagingWatch(look, due.get)
    watch.start()
    try:
        await world.use_hub()
        world.fault("stall=5")  # it never ends
        job_id = await world.submit(data="staged")
        await world.until(job_id, JobStatus.RUNNING)
        world.engine.recorder.note(
            job_id, "local", "state", "Lost.", status=JobStatus.FAILED, provider_status=LOST,
            completed_at=utc_now(),
        )  # fmt: skip
        due.put_nowait(None)
        await looked.wait()
        (row,) = staging.rows()
        assert row["readers"] == [job_id]
        monkeypatch.setattr(staging.removal, "_now", lambda: utc_now() + timedelta(days=2))
        due.put_nowait(None)
        await eventually(lambda: not staging.rows(), within=30)
        assert not is_there(world, job_id)
    finally:
        await watch.aclose()


async def test_an_engine_watches_its_staged_data(world: World) -> None:
    assert "staging: watch" in {task.get_name() for task in asyncio.all_tasks()}
