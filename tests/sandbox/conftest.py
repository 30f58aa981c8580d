"""Sandboxes on real loopback ports, clients for them, and a receiver for deliveries."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web

from tests.support import eventually
from tests.wished import wished
from tui.listener.storage import ReceivedObject, StorageGrant, StorageReceiver
from tui.sandbox.releases import SUMMER, WISHED, Release
from tui.sandbox.server import RunningSandbox, serve

PHOTOS = Path(__file__).parents[2] / "tui/sandbox/demo/project/datasets/photographs"
TRAINER = "simpletuner/advanced-trainer-l40s"
FAST: dict[str, Any] = {"speed": 2000.0, "run_limit_seconds": 1e6, "retention_seconds": 1e6}
"""Fast enough that nothing waits, with limits that slow test machines do not reach."""

Start = Callable[..., Awaitable[RunningSandbox]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    running: list[RunningSandbox] = []

    async def start_sandbox(**settings: Any) -> RunningSandbox:
        values = FAST | {"work_dir": tmp_path / f"sandbox-{len(running)}"} | settings
        running.append(await serve(wished(**values)))
        return running[-1]

    yield start_sandbox
    for sandbox in running:
        await sandbox.aclose()


@dataclass
class SandboxClient:
    """A sandbox with an httpx client for it."""

    sandbox: RunningSandbox
    http: httpx.AsyncClient

    @property
    def work_dir(self) -> Path:
        folder = self.sandbox.core.config.work_dir
        assert folder is not None
        return folder

    def version(self, release: Release = WISHED, model: str = TRAINER) -> str:
        versions = self.sandbox.core.registry.models[model].versions
        return next(item.id for item in versions if item.release is release)

    async def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        return await self.http.post(path, json=body, headers=headers)

    async def create(self, version: str, given: dict[str, Any], **more: Any) -> dict[str, Any]:
        answer = await self.post("predictions", {"version": version, "input": given, **more})
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def hello(self, text: str = "you", **more: Any) -> dict[str, Any]:
        version = self.version(SUMMER, "replicate/hello-world")
        return await self.create(version, {"text": text}, **more)

    async def get(self, prediction_id: str) -> dict[str, Any]:
        return (await self.http.get(f"predictions/{prediction_id}")).json()

    async def ended(self, prediction: dict[str, Any], within: float = 30.0) -> dict[str, Any]:
        async def look() -> dict[str, Any] | None:
            now = await self.get(prediction["id"])
            return now if now["status"] not in {"starting", "processing"} else None

        return await eventually(look, within=within)

    async def reaches(
        self, prediction: dict[str, Any], test: Callable[[dict[str, Any]], bool]
    ) -> dict[str, Any]:
        async def look() -> dict[str, Any] | None:
            now = await self.get(prediction["id"])
            return now if test(now) else None

        return await eventually(look)

    async def upload(self, data: bytes, name: str = "images.zip") -> str:
        files = {"content": (name, data, "application/zip")}
        answer = await self.http.post("files", files=files)
        assert answer.status_code == 201, answer.text
        return answer.json()["urls"]["get"]

    async def fault(self, text: str) -> None:
        root = self.sandbox.base_url.removesuffix("/v1")
        answer = await self.http.post(f"{root}/_sandbox/faults", json=text)
        assert answer.status_code == 201, answer.text


@pytest.fixture
async def open_client(start: Start) -> AsyncIterator[Callable[..., Awaitable[SandboxClient]]]:
    clients: list[httpx.AsyncClient] = []

    async def connect(**settings: Any) -> SandboxClient:
        sandbox = await start(**settings)
        headers = {"Authorization": f"Bearer {sandbox.token}"}
        http = httpx.AsyncClient(
            base_url=sandbox.base_url + "/", headers=headers, timeout=30, trust_env=False
        )
        clients.append(http)
        return SandboxClient(sandbox, http)

    yield connect
    for http in clients:
        await http.aclose()


@pytest.fixture
async def client(open_client: Callable[..., Awaitable[SandboxClient]]) -> SandboxClient:
    return await open_client()


def archive(folder: str = "photographs", count: int = 3) -> bytes:
    """A zip of some of the demo's photographs and their captions."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as file:
        photos = sorted(PHOTOS.glob("*.png"), key=lambda path: path.stat().st_size)[:count]
        for photo in photos:
            file.write(photo, f"{folder}/{photo.name}")
            file.write(photo.with_suffix(".txt"), f"{folder}/{photo.stem}.txt")
    return target.getvalue()


def training(steps: int = 6, **options: Any) -> str:
    """A config_json of a short run."""
    return json.dumps(
        {
            "--model_family": "flux",
            "--lora_rank": 4,
            "--max_train_steps": steps,
            "--checkpoint_step_interval": 3,
            "--validation_prompt": "a cat",
            "--validation_step_interval": 3,
            **options,
        }
    )


@dataclass
class Bucket:
    """Our own storage receiver, ready for one job."""

    root: Path
    endpoint: str
    secret: str = "secret-of-the-job"
    access: str = "access-of-the-job"
    objects: list[ReceivedObject] = field(default_factory=list)

    async def secret_for(self, access_key: str) -> StorageGrant | None:
        if access_key != self.access:
            return None
        expires = datetime.now(UTC) + timedelta(hours=1)
        return StorageGrant("job", self.secret, "job", expires)

    async def on_object(self, received: ReceivedObject) -> None:
        self.objects.append(received)

    def inputs(self, **more: str) -> dict[str, str]:
        return {
            "s3_bucket": "outputs",
            "s3_endpoint_url": self.endpoint,
            "s3_region": "us-east-1",
            "s3_base_path": "cat",
            "s3_access_key": self.access,
            "s3_secret_key": self.secret,
            **more,
        }

    def names(self) -> set[str]:
        return {item.key for item in self.objects}


@asynccontextmanager
async def open_bucket(root: Path) -> AsyncIterator[Bucket]:
    bucket = Bucket(root, "")
    app = web.Application()
    receiver = StorageReceiver(bucket.root, bucket, on_object=bucket.on_object)
    receiver.add_routes(app)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    bucket.endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}/api/cloud/storage"
    yield bucket
    await runner.cleanup()


@pytest.fixture
async def bucket(tmp_path: Path) -> AsyncIterator[Bucket]:
    async with open_bucket(tmp_path / "outputs") as bucket:
        yield bucket
