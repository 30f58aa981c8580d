"""The slots of running transfers, and the order of the queue."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.engine.transfers.transfer_steps import a_job, ended
from tests.engine.world import World
from tests.support import eventually
from tui.client.client import ControlError
from tui.engine.transfers.worker import TransferSlots


async def test_slots_are_assigned_in_order_and_one_per_target() -> None:
    order = {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5}
    slots, granted, stop = TransferSlots(2, lambda name: order[name]), [], asyncio.Event()
    ends = {name: asyncio.Event() for name in order}

    async def run(name: str, target_key: str) -> None:
        async with slots.slot(name, target_key, stop) as has_slot:
            granted.append((name, has_slot))
            await ends[name].wait()

    targets = {"a": "hub", "b": "hub", "c": "s3", "d": "folder", "e": "other"}
    tasks = [asyncio.create_task(run(name, target_key)) for name, target_key in targets.items()]
    await eventually(lambda: len(granted) == 2)
    assert granted == [("a", True), ("c", True)]  # b would go to the same place as a
    order["e"] = 0
    ends["c"].set()
    await eventually(lambda: len(granted) == 3)
    ends["a"].set()
    await eventually(lambda: len(granted) == 4)
    assert granted[2:] == [("e", True), ("b", True)]
    for event in ends.values():
        event.set()
    await asyncio.gather(*tasks)


async def test_a_stopped_transfer_leaves_the_queue_at_once() -> None:
    slots, first = TransferSlots(1, lambda _name: 0), asyncio.Event()
    stop, never = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with slots.slot("a", "x", never):
            await first.wait()

    async def wait() -> bool:
        async with slots.slot("b", "y", stop) as has_slot:
            return has_slot

    holding, waiting = asyncio.create_task(hold()), asyncio.create_task(wait())
    await asyncio.sleep(0)
    stop.set()
    assert not await waiting
    first.set()
    await holding
    async with slots.slot("c", "x", never) as has_slot:
        assert has_slot


async def test_the_order_can_be_changed_and_is_kept(world: World, tmp_path: Path) -> None:
    job_id = await a_job(world)
    calls = world.client.publishing
    world.engine.live.change("publishing", {"bandwidth": 2000})
    names = []
    for number in range(5):
        transfer = await calls.publish(job_id, f"dir:{tmp_path}/{number}")
        names.append(transfer["transfer_id"])
    first, second, third, fourth, fifth = names
    await ended(world, first, "running")
    await ended(world, second, "running")

    async def order() -> list[str]:
        rows = [row for row in await calls.transfers() if row["ahead"] is not None]
        assert [row["ahead"] for row in rows] == list(range(len(rows)))
        return [row["transfer_id"] for row in rows]

    assert await order() == names
    await calls.act(fifth, "up")
    assert await order() == [first, second, third, fifth, fourth]
    await calls.act(third, "down")
    assert await order() == [first, second, fifth, third, fourth]
    await calls.act(fourth, "top")
    assert await order() == [fourth, first, second, fifth, third]
    assert (await calls.act(fourth, "up"))["state"] == "queued"  # it is the first already
    await calls.act(third, "cancel")
    await ended(world, third, "cancelled")  # at once, although others run
    with pytest.raises(ControlError, match="cannot be moved"):
        await calls.act(third, "up")
    # The one that was put first goes next, and the two that run were not interrupted.
    await calls.act(first, "cancel")
    await ended(world, fourth, "running")
    (row,) = [transfer for transfer in await calls.transfers() if transfer["transfer_id"] == fifth]
    assert row["state"] == "queued"
    world.engine.live.change("publishing", {"bandwidth": 0})
    for name in (second, fourth, fifth):
        assert (await ended(world, name))["state"] == "done"


async def test_companions_are_deleted_when_a_transfer_ends(world: World) -> None:
    await world.use_hub()
    job_id = await a_job(world)
    transfer = await world.client.publishing.publish(job_id, "hub:sandbox/a-cat")
    row = await ended(world, transfer["transfer_id"])
    assert row["state"] == "done", row
    assert "README.md" in {file["name"] for file in row["files"]}
    cards = world.home.root / "cards"
    assert cards.is_dir()
    assert not list(cards.iterdir())
