"""A far end that tells no length cannot fill the disk that the engine's own records are on."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.engine.file_host import Shelf, serve_shelf
from tests.engine.results.test_collector import MIB, Desk, ended_job, running_desk
from tests.support import small_disk
from tui.settings import Home
from tui.store.records import JobRecord

SPARE = 8 * MIB
"""Half of what is kept: the engine's own records may have taken some of it."""


@pytest.fixture
async def shelf() -> AsyncIterator[Shelf]:
    """One with a file that has no end, and no ranges."""
    async with serve_shelf() as made:
        made.ranges = False
        made.files = {"big.bin": os.urandom(64 * 1024)}
        made.endless = {"big.bin"}
        yield made


async def check_room(desk: Desk, shelf: Shelf, free: Callable[[], int]) -> JobRecord:
    """The endless file is given up in time, leaves nothing, and is not fetched only to see that."""
    least = free()

    def look() -> None:
        nonlocal least
        least = min(least, free())
        if free() <= MIB:
            shelf.endless.clear()  # it failed; do not go on for ever

    shelf.on_sent = look
    job = desk.insert(ended_job(shelf, shelf.url("big.bin")))
    room = least
    for most in (room, room // 2):
        before = shelf.total_sent
        (item,) = (await desk.client.collect(job.job_id))["missing"]
        assert "free" in item["why"]
        assert item["again"]
        assert least > SPARE
        assert list(desk.folder(job).iterdir()) == []
        assert shelf.total_sent - before < most
    shelf.endless.clear()
    return job


async def test_a_small_disk_keeps_some_room(home: Home, shelf: Shelf) -> None:
    with small_disk(home.root, "96m"):
        async with running_desk(home, shelf) as desk:
            job = await check_room(desk, shelf, lambda: shutil.disk_usage(home.root).free)
            again = ["mount", "-o", "remount,size=256m", str(home.root)]
            subprocess.run(again, check=True)
            assert (await desk.client.collect(job.job_id))["missing"] == []
            assert (desk.folder(job) / "big.bin").read_bytes() == shelf.files["big.bin"]


async def test_room_is_looked_at_on_the_way(
    home: Home, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same for those who may not mount: what the folder holds is taken from 96 MiB."""
    real = shutil.disk_usage

    def free() -> int:
        used = [one.stat().st_size for one in home.outputs.rglob("*") if one.is_file()]
        return 96 * MIB - sum(used)

    def little(path: Any) -> Any:
        return real(path)._replace(free=free())

    monkeypatch.setattr(shutil, "disk_usage", little)
    async with running_desk(home, shelf) as desk:
        await check_room(desk, shelf, free)


async def test_more_than_was_promised_is_no_download(home: Home, shelf: Shelf) -> None:
    """The first answer told a length, the second has no end."""
    shelf.promise = {"big.bin"}
    shelf.on_sent = lambda: shelf.endless.clear() if shelf.total_sent > 64 * MIB else None
    async with running_desk(home, shelf) as desk:
        job = desk.insert(ended_job(shelf, shelf.url("big.bin")))
        (item,) = (await desk.client.collect(job.job_id))["missing"]
        assert "bytes instead of" in item["why"]
        assert shelf.total_sent < 32 * MIB
        assert list(desk.folder(job).iterdir()) == []
