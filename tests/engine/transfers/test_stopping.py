"""Stopping a transfer: the request survives a restart, and incomplete parts are removed."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.engine.transfers.transfer_steps import add, ended, half_sent, random_file
from tests.engine.world import World, running_engine, write_quick_settings
from tests.support import eventually
from tui.api.destinations import DestinationChange
from tui.client.client import ControlError
from tui.destinations.common.contract import LocalFile
from tui.destinations.common.errors import PublishError, Trouble
from tui.engine.transfers.transfer_progress import Stop, TransferProgress
from tui.engine.transfers.worker import TransferWorker
from tui.settings import Home
from tui.store.transfer_records import TransferState
from tui.store.writer import StoreWriter


@dataclass
class SlowBucket:
    """A server that answers each request with a set answer, once it is released.

    Attributes:
        requests: method and path of each request.
        bytes: content that it has read.
        release: requests are answered while it is set.
        answer: the answer to each request.
    """

    requests: list[str] = field(default_factory=list)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    answer: bytes = b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"
    port: int = 0
    bytes: int = 0

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                content_length = re.search(rb"(?i)content-length: *(\d+)", head)
                if b"100-continue" in head:
                    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                self.bytes += len(
                    await reader.readexactly(int(content_length[1]) if content_length else 0)
                )
                self.requests.append(head.partition(b" HTTP")[0].decode())
                await self.release.wait()
                writer.write(self.answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def bucket() -> AsyncIterator[SlowBucket]:
    slow_bucket = SlowBucket()
    server = await asyncio.start_server(slow_bucket.serve, "127.0.0.1", 0)
    slow_bucket.port = server.sockets[0].getsockname()[1]
    try:
        yield slow_bucket
    finally:
        slow_bucket.release.set()
        server.close()


async def add_destination(world: World, server: SlowBucket, **more: Any) -> None:
    options: dict[str, Any] = {
        "name": "mine", "kind": "s3", "bucket": "buck", "endpoint": server.endpoint,
        "access_key": "k", "secret_key": "not-a-real-secret-but-long", "session_only": True,
    }  # fmt: skip
    await world.client.publishing.add_destination(**options | more)


@pytest.mark.parametrize(
    ("stop_option", "state", "end"),
    [
        ("cancelled", TransferState.RUNNING, "cancelled"),
        ("cancelled", TransferState.PAUSED, "cancelled"),
        ("paused", TransferState.RUNNING, "paused"),
    ],
)
async def test_a_requested_stop_survives_a_kill(
    home: Home, tmp_path: Path, stop_option: str, state: TransferState, end: str
) -> None:
    write_quick_settings(home)
    writer = StoreWriter(home)
    half_sent(writer, random_file(tmp_path / "a.bin", 100), state, stop=stop_option)
    writer.close()
    async with running_engine(home) as (engine, _):
        queue = engine.recorder.writer.transfers
        await eventually(lambda: queue.get("0123456789").state.value == end)
        assert "stop" not in queue.get("0123456789").options


async def test_a_requested_stop_is_stored_before_the_server_answers(
    world: World, tmp_path: Path
) -> None:
    source = random_file(tmp_path / "a.bin", 1000)
    tables = world.engine.recorder.writer.transfers
    async with bucket() as server:
        await add_destination(world, server)
        name = add(world, "s3:mine/runs", LocalFile(source, "a.bin"))
        await eventually(lambda: server.requests)
        await world.client.publishing.act(name, "pause")
        assert tables.get(name).options["stop"] == "paused"
        row = await world.client.publishing.act(name, "cancel")
        assert tables.get(name).options["stop"] == "cancelled"
        assert "being cancelled" in row["message"]
        await world.client.publishing.act(name, "pause")
        assert tables.get(name).options["stop"] == "cancelled"
        server.release.set()
        row = await ended(world, name)
        assert (row["state"], row["message"]) == ("cancelled", "")
        assert "stop" not in tables.get(name).options


@pytest.mark.parametrize("status", ["204 No Content", "400 Bad Request", "500 Internal Error"])
async def test_a_failure_after_the_cancel_is_not_shown(
    world: World, tmp_path: Path, status: str
) -> None:
    """A cancelled transfer never becomes failed or queued for another attempt."""
    source = random_file(tmp_path / "a.bin", 1000)
    async with bucket() as server:
        server.answer = f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()
        await add_destination(world, server)
        with world.engine.bus.subscribe() as events:
            name = add(world, "s3:mine/runs", LocalFile(source, "a.bin"))
            await eventually(lambda: server.requests)
            await world.client.publishing.act(name, "cancel")
            server.release.set()
            states: list[str] = []
            while states[-1:] != ["cancelled"]:
                kind, data = await events.get()
                if kind == "transfer":
                    states.append(str(data["state"]))
        assert states == ["queued", "running", "running", "cancelled"]


@pytest.mark.parametrize(
    ("stop", "kind", "shown"),
    [
        ("cancelled", Trouble.CREDENTIALS, ["running", "cancelled"]),
        ("cancelled", Trouble.CHANGED, ["running", "cancelled"]),
        ("cancelled", Trouble.NETWORK, ["running", "cancelled"]),
        ("paused", Trouble.CREDENTIALS, ["running", "failed"]),
    ],
)
async def test_a_cancel_while_a_failure_is_written_down_is_not_overtaken(
    home: Home, tmp_path: Path, stop: Stop, kind: Trouble, shown: list[str]
) -> None:
    loop, writer = asyncio.get_running_loop(), StoreWriter(home)
    record = half_sent(writer, random_file(tmp_path / "a.bin", 100), TransferState.QUEUED)
    states: list[str] = []
    progress = TransferProgress(lambda: None)

    def forget(_name: str) -> None:
        asked = threading.Event()

        def ask() -> None:
            progress.stop(stop)
            asked.set()

        loop.call_soon_threadsafe(ask)
        assert asked.wait(10)

    def refuse(_target: str) -> Any:
        if kind is Trouble.NETWORK:  # nothing is waited for: it is tried again
            progress.stop(stop)
        raise PublishError("no", "", kind)

    worker = TransferWorker(
        tables=writer.transfers, destinations=cast("Any", SimpleNamespace(read=refuse)),
        bus=cast("Any", SimpleNamespace(publish=lambda _kind, **row: states.append(row["state"]))),
        now=lambda: datetime.now(UTC), prepare=cast("Any", None), forget=forget,
    )  # fmt: skip
    await worker.run(record.transfer_id, progress)
    worker.close()
    writer.close()
    assert states == shown


async def test_a_transfer_being_cancelled_cannot_be_changed(world: World, tmp_path: Path) -> None:
    source = random_file(tmp_path / "a.bin", 100)
    tables = world.engine.recorder.writer.transfers
    async with bucket() as server:
        await add_destination(world, server)
        half_sent(world.engine.recorder.writer, source, TransferState.PAUSED)
        await world.client.publishing.act("0123456789", "cancel")
        await eventually(lambda: server.requests)
        for action in ("resume", "retry", "pause"):
            with pytest.raises(ControlError, match="cannot be"):
                await world.client.publishing.act("0123456789", action)
        await world.client.publishing.act("0123456789", "cancel")
        server.release.set()
        await ended(world, "0123456789", "cancelled")
        assert [request.partition("?")[0] for request in server.requests] == [
            "DELETE /buck/runs/a.bin"
        ]
        assert tables.items("0123456789")[0].resume == {}
        with pytest.raises(ControlError, match="cannot be cancelled"):
            await world.client.publishing.act("0123456789", "cancel")


async def test_parts_that_could_not_be_removed_can_be_removed_later(
    world: World, tmp_path: Path
) -> None:
    source = random_file(tmp_path / "a.bin", 100)
    calls = world.client.publishing
    async with bucket() as server:
        server.release.set()
        server.answer = b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n"
        await add_destination(world, server)
        half_sent(world.engine.recorder.writer, source, TransferState.PAUSED)
        await calls.act("0123456789", "cancel")
        row = await ended(world, "0123456789", "cancelled")
        assert "could not be removed" in row["notes"][0]
        changes: tuple[DestinationChange, ...] = (
            {"bucket": "other"},
            {"endpoint": "http://127.0.0.1:1"},
        )
        for options in changes:
            with pytest.raises(ControlError, match="Half-sent parts") as refused:
                await calls.change_destination(
                    "mine", **options, access_key="k", secret_key="not-a-real-secret-but-long",
                    session_only=True,
                )  # fmt: skip
            assert refused.value.code == "in_use"
            with pytest.raises(ControlError, match="Half-sent parts"):
                await add_destination(world, server, **options)
        await calls.change_destination("mine", prefix="else")  # what is not moved may change
        with pytest.raises(ControlError, match="Half-sent parts"):
            await calls.remove_destination("mine")
        server.answer = SlowBucket.answer
        await calls.act("0123456789", "cancel")

        async def clean() -> bool:
            rows = await calls.transfers()
            return rows[0]["notes"] == []

        await eventually(clean)
        await calls.remove_destination("mine")


async def test_a_destination_with_parts_can_be_removed_with_force(
    world: World, tmp_path: Path
) -> None:
    async with bucket() as server:
        await add_destination(world, server)
        source = random_file(tmp_path / "a.bin", 100)
        half_sent(world.engine.recorder.writer, source, TransferState.PAUSED)
        await world.client.publishing.remove_destination("mine", force=True)
        assert await world.client.publishing.destinations() == []


async def test_refused_bytes_do_not_count_as_progress(world: World, tmp_path: Path) -> None:
    """A bucket reads the whole body and answers 503: pauses grow, and the tries are limited."""
    source = random_file(tmp_path / "a.bin", 4096)
    async with bucket() as server:
        server.release.set()
        server.answer = b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n"
        await add_destination(world, server)
        name = add(world, "s3:mine/runs", LocalFile(source, "a.bin"))
        tables = world.engine.recorder.writer.transfers
        await eventually(lambda: tables.get(name).attempts >= 3, within=40)
        record = tables.get(name)
        assert record.retry_at is not None
        assert (record.retry_at - datetime.now(UTC)).total_seconds() > 2.0
        await world.client.publishing.act(name, "cancel")
        await ended(world, name, "cancelled")


async def test_parts_of_a_file_that_changed_are_removed(world: World, tmp_path: Path) -> None:
    source = random_file(tmp_path / "a.bin", 100)
    async with bucket() as server:
        server.release.set()
        server.answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        await add_destination(world, server)
        half_sent(world.engine.recorder.writer, source, TransferState.PAUSED)
        source.write_bytes(b"another")
        await world.client.publishing.act("0123456789", "resume")
        row = await ended(world, "0123456789", "failed")
        assert (row["kind"], "not the file that was collected" in row["message"]) == (
            "changed", True,
        )  # fmt: skip
        assert "DELETE /buck/runs/a.bin" in [
            request.partition("?")[0] for request in server.requests
        ]
        items = world.engine.recorder.writer.transfers.items("0123456789")
        assert [item.resume for item in items] == [{}]


async def test_cleared_transfers_still_record_published_files(world: World, tmp_path: Path) -> None:
    calls, source = world.client.publishing, random_file(tmp_path / "a.bin", 100)
    done = add(world, f"dir:{tmp_path}/one", LocalFile(source, "a.bin"))
    await ended(world, done, "done")
    half_sent(world.engine.recorder.writer, source, TransferState.PAUSED)
    with pytest.raises(ControlError, match="cannot be taken off"):
        await calls.clear_list("0123456789")
    assert await calls.clear_list() == [done]
    assert [row["transfer_id"] for row in await calls.transfers()] == ["0123456789"]
    assert await calls.clear_list() == []
    (there,) = world.engine.recorder.writer.transfers.published("job")
    assert there.name == "a.bin"
    # One with something half sent stays, or nobody could remove it.
    world.engine.recorder.writer.transfers.update("0123456789", state=TransferState.CANCELLED)
    assert await calls.clear_list() == []
