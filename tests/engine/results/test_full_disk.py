"""A download of unknown length cannot fill the disk that the engine's records are on."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.engine.file_host import FileHost, serve_files
from tests.engine.results.collector_world import (
    MIB,
    CollectorWorld,
    ended_job,
    running_collector_world,
)
from tests.support import small_disk
from tui.settings import Home
from tui.store.records import JobRecord

SPARE = 8 * MIB
"""Half of what is kept: the engine's own records may have taken some of it."""


@pytest.fixture
async def file_host() -> AsyncIterator[FileHost]:
    """A file host with an endless file, without ranges."""
    async with serve_files() as made:
        made.ranges = False
        made.files = {"big.bin": os.urandom(64 * 1024)}
        made.endless = {"big.bin"}
        yield made


async def check_room(
    collector_world: CollectorWorld, file_host: FileHost, free: Callable[[], int]
) -> JobRecord:
    """Check that the endless file is given up in time, leaves nothing and is not tried again."""
    least = free()

    def look() -> None:
        nonlocal least
        least = min(least, free())
        if free() <= MIB:
            file_host.endless.clear()  # it failed; do not go on for ever

    file_host.on_sent = look
    job = collector_world.insert(ended_job(file_host, file_host.url("big.bin")))
    room = least
    for most in (room, room // 2):
        before = file_host.total_sent
        (item,) = (await collector_world.client.collect(job.job_id))["missing"]
        assert "free" in item["why"]
        assert item["again"]
        assert least > SPARE
        assert list(collector_world.folder(job).iterdir()) == []
        assert file_host.total_sent - before < most
    file_host.endless.clear()
    return job


async def test_a_small_disk_keeps_some_room(home: Home, file_host: FileHost) -> None:
    with small_disk(home.root, "96m"):
        async with running_collector_world(home, file_host) as collector_world:
            job = await check_room(
                collector_world, file_host, lambda: shutil.disk_usage(home.root).free
            )
            again = ["mount", "-o", "remount,size=256m", str(home.root)]
            subprocess.run(again, check=True)
            assert (await collector_world.client.collect(job.job_id))["missing"] == []
            assert (collector_world.folder(job) / "big.bin").read_bytes() == file_host.files[
                "big.bin"
            ]


async def test_free_space_is_checked_during_the_download(
    home: Home, file_host: FileHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same without a mount: free space is computed as 96 MiB minus the folder's content."""
    real = shutil.disk_usage

    def free() -> int:
        used = [file.stat().st_size for file in home.outputs.rglob("*") if file.is_file()]
        return 96 * MIB - sum(used)

    def little(path: Any) -> Any:
        return real(path)._replace(free=free())

    monkeypatch.setattr(shutil, "disk_usage", little)
    async with running_collector_world(home, file_host) as collector_world:
        await check_room(collector_world, file_host, free)


async def test_more_bytes_than_announced_fail_the_download(home: Home, file_host: FileHost) -> None:
    """The first answer announces a length, the second is endless."""
    file_host.promise = {"big.bin"}
    file_host.on_sent = lambda: (
        file_host.endless.clear() if file_host.total_sent > 64 * MIB else None
    )
    async with running_collector_world(home, file_host) as collector_world:
        job = collector_world.insert(ended_job(file_host, file_host.url("big.bin")))
        (item,) = (await collector_world.client.collect(job.job_id))["missing"]
        assert "bytes instead of" in item["why"]
        assert file_host.total_sent < 32 * MIB
        assert list(collector_world.folder(job).iterdir()) == []
