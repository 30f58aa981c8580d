"""Three jobs, delivered to the Hub, to a bucket and here, each published to the two other places.

In the middle of every transfer the network is cut, then the engine is killed. A window is open all
the time, and has to show at every moment what is so.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.destinations.hosting import BUCKET
from tests.engine.keyrings import secret_service
from tests.engine.watcher import Watcher, watching
from tests.engine.wire import Wire, wire_to
from tests.engine.world import sha256
from tests.listener.conftest import ACCESS_KEY, SECRET, Storage, grant, serve_storage
from tests.support import eventually
from tests.wished import wished
from tui.api.submission import Draft, DraftDelivery
from tui.client.client import ControlClient
from tui.client.engine_process import OwnedEngine, own_engine
from tui.sandbox.demo import write_demo_project
from tui.sandbox.server import RunningSandbox, serve
from tui.settings import Home
from tui.store.reader import StoreReader
from tui.store.records import JobRecord

SLOW = 500_000
OVERHEAD = 400_000


class TransferWorld:
    """A sandbox, a bucket, proxies to both, and an engine that can be killed."""

    def __init__(self, home: Home, sandbox: RunningSandbox, hub: Wire, s3: Wire) -> None:
        self.home, self.sandbox, self.hub, self.s3 = home, sandbox, hub, s3
        self.reader = StoreReader(home.database)
        self.environ = {
            **os.environ, "SIMPLETUNER_TUI_HOME": str(home.root),
            "SIMPLETUNER_TUI_API_BASE": sandbox.base_url,
            "REPLICATE_API_TOKEN": sandbox.token, "HF_TOKEN": "hf_write",
            "HF_ENDPOINT": hub.url,
        }  # fmt: skip
        self.engine: OwnedEngine | None = None
        self.window: Watcher | None = None

    async def sees(self, pattern: str) -> None:
        assert self.window is not None
        await self.window.sees(pattern)

    @property
    def client(self) -> ControlClient:
        return ControlClient(self.home.socket, self.sandbox.base_url)

    async def start(self) -> None:
        self.engine = await asyncio.to_thread(
            own_engine, self.home, self.environ, lambda: self.environ
        )

    async def kill(self) -> None:
        assert self.engine is not None
        process = self.engine.process
        process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(process.wait)
        assert process.stdin is not None
        process.stdin.close()

    async def run_job(self, config: Path, name: str, delivery: DraftDelivery) -> JobRecord:
        draft: Draft = {
            "config": str(config), "name": name, "delivery": delivery, "consent": True,
            "overrides": {"max_train_steps": 12, "lora_rank": 8},
        }  # fmt: skip
        job_id = (await self.client.submit(draft))["job_id"]

        def ended() -> JobRecord | None:
            job = self.reader.job(job_id)
            return job if job is not None and job.status.is_terminal else None

        job = await eventually(ended, within=60)
        assert job.status.value == "completed", job.error
        await eventually(lambda: self.weights(job) and not self.reader.fetches(job_id), within=60)
        return job

    def weights(self, job: JobRecord) -> set[str]:
        """The hashes of the weights that are here."""
        return {
            file.sha256
            for file in self.reader.files(job.job_id)
            if file.path.endswith(".safetensors")
        }

    async def row(self, transfer_id: str) -> dict[str, Any]:
        rows = await self.client.publishing.transfers()
        return next(row for row in rows if row["transfer_id"] == transfer_id)

    async def publish(self, job: JobRecord, to: str, wire: Wire | None) -> dict[str, Any]:
        """Publish, with the line cut and the engine killed on the way."""
        name = (await self.client.publishing.publish(job.job_id, to))["transfer_id"]
        before = wire.sent if wire is not None else 0

        async def moving() -> bool:
            row = await self.row(name)
            assert row["state"] in ("queued", "running"), row
            return 0 < row["done_bytes"] < row["total_bytes"]

        await eventually(moving, within=60)
        line = rf"{re.escape(job.name)} → "
        await self.sees(rf"● {line}.*\d+ %.*/s")
        cut_at = 0
        if wire is not None:
            wire.cut()
            cut_at = wire.sent - before

            async def noticed() -> bool:
                row = await self.row(name)
                assert row["state"] in ("queued", "running"), row
                return row["kind"] == "network" and row["retry_at"] is not None

            await eventually(noticed, within=60)
            await self.sees(rf"◌ {line}")
        await self.kill()
        await self.sees("engine: not running")
        if wire is not None:
            wire.restore()
        await self.start()
        await self.sees("● api")

        async def done() -> dict[str, Any] | None:
            row = await self.row(name)
            assert row["state"] in ("queued", "running", "done"), row
            return row if row["state"] == "done" else None

        row = await eventually(done, within=120)
        await self.sees(rf"✓ {line}.*verified")
        assert all(file["state"] == "verified" for file in row["files"]), row
        if wire is not None:
            # All of it once, and what was on the line when it broke.
            assert wire.sent - before <= row["total_bytes"] + cut_at + OVERHEAD
        return row


@pytest.mark.timeout(400)
async def test_each_job_reaches_all_three_places(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.create()
    home.settings_file.write_text(
        f'[listener]\nlisten = "127.0.0.1:0"\n[publishing]\nbandwidth = {SLOW}\n'
    )
    config = write_demo_project(tmp_path / "project")
    async with AsyncExitStack() as stack:
        keyring = stack.enter_context(secret_service())
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", keyring.address)
        rights = grant(prefix="user", may_delete=True)
        storage: Storage = await stack.enter_async_context(
            serve_storage(tmp_path / "s3", grants={ACCESS_KEY: rights})
        )
        sandbox = await serve(wished(speed=40, work_dir=tmp_path / "sandbox"))
        stack.push_async_callback(sandbox.aclose)
        assert sandbox.hub is not None
        hub_wire = await stack.enter_async_context(wire_to(_port(sandbox.hub.url)))
        s3_wire = await stack.enter_async_context(wire_to(_port(storage.endpoint)))
        sandbox.hub.hub.url = hub_wire.url  # where it sends uploads of large files
        world = TransferWorld(home, sandbox, hub_wire, s3_wire)
        stack.callback(world.reader.close)
        await world.start()
        try:
            async with watching(home, sandbox.base_url) as world.window:
                await _tour(world, storage, config, tmp_path)
        finally:
            if world.engine is not None:
                await asyncio.to_thread(world.engine.stop)


async def _tour(world: TransferWorld, storage: Storage, config: Path, tmp_path: Path) -> None:
    endpoint = storage.endpoint.replace(str(_port(storage.endpoint)), str(world.s3.port))
    await world.client.publishing.add_destination(
        name="mine", kind="s3", bucket=BUCKET, endpoint=endpoint, prefix="runs",
        access_key=ACCESS_KEY, secret_key=SECRET,
    )  # fmt: skip
    jobs = {
        "hub": await world.run_job(
            config, "by-hub", {"kind": "hub", "hub_model_id": "sandbox/by-hub"}
        ),
        "s3": await world.run_job(config, "by-s3", {"kind": "s3", "destination": "mine"}),
        "local": await world.run_job(config, "here", {"kind": "local"}),
    }
    delivered = len(storage.received)
    assert world.window is not None
    for (kind, job), size in zip(jobs.items(), ((120, 40), (80, 24), (100, 30)), strict=True):
        hashes = world.weights(job)
        assert hashes
        await world.window.resize(*size)
        if kind != "hub":
            await world.publish(job, f"hub:sandbox/pub-{kind}", world.hub)
            assert sandbox_hashes(world, f"sandbox/pub-{kind}") == hashes
        if kind != "s3":
            await world.publish(job, f"s3:mine/pub-{kind}", world.s3)
            there = tmp_path / "s3"
            stored = {sha256(p) for p in there.rglob("*.safetensors") if f"pub-{kind}" in str(p)}
            assert stored == hashes
        if kind != "local":
            await world.publish(job, f"dir:{tmp_path}/there-{kind}", None)
            folder = tmp_path / f"there-{kind}"
            assert {sha256(p) for p in folder.rglob("*.safetensors")} == hashes
    arrivals = Counter(object_.key for object_ in storage.received[delivered:])
    assert arrivals
    assert set(arrivals.values()) == {1}, "nothing that had arrived was sent again"


def sandbox_hashes(world: TransferWorld, repo_id: str) -> set[str]:
    assert world.sandbox.hub is not None
    hub = world.sandbox.hub.hub
    repo = hub.repos.get("model", repo_id)
    assert repo is not None
    tree = repo.head.tree
    return {str(tree[name].sha256) for name in tree if name.endswith(".safetensors")}


def _port(url: str) -> int:
    return int(url.split("/")[2].rpartition(":")[2])
