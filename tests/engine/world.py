"""A sandbox, an engine with its control socket, and a client, all in the test's process."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from tests.support import eventually
from tests.wished import wished
from tui.api.submission import Draft
from tui.base.job_status import JobStatus
from tui.client.client import ControlClient
from tui.engine.engine import Engine
from tui.engine.http_api.app import public_api
from tui.engine.process.socket_server import serve_control, shut_down
from tui.sandbox.demo import write_demo_project
from tui.sandbox.faults import Fault
from tui.sandbox.record import Record
from tui.sandbox.server import RunningSandbox, serve
from tui.settings import Home, Settings
from tui.store.reader import StoreReader
from tui.store.records import JobRecord

SPEED = 40.0


def quick_settings(**cloud: Any) -> Settings:
    """Settings of a test: a listener on any free port."""
    settings = Settings()
    return replace(
        settings,
        listener=replace(settings.listener, listen="127.0.0.1:0"),
        cloud=replace(settings.cloud, **cloud),
    )


def write_quick_settings(home: Home) -> None:
    """Write these settings to a file, for an engine in another process."""
    home.create()
    home.settings_file.write_text('[listener]\nlisten = "127.0.0.1:0"\n')


@asynccontextmanager
async def running_engine(
    home: Home, settings: Settings | None = None
) -> AsyncIterator[tuple[Engine, ControlClient]]:
    """Run an engine in this process, with its control socket, and shut it down as in production."""
    engine = Engine(home, settings or quick_settings())
    await engine.start([public_api(engine)])
    runner = await serve_control(engine, home.socket)
    try:
        yield engine, ControlClient(home.socket)
    finally:
        await shut_down(engine, runner)


@dataclass
class World:
    """A running engine and what tests need around it.

    Attributes:
        home: the engine's state directory.
        sandbox: the server that stands in for Replicate.
        engine: the engine under test.
        client: a client of its control socket, for the sandbox's API base.
        config: path of the example project's config.
    """

    home: Home
    sandbox: RunningSandbox
    engine: Engine
    client: ControlClient
    config: Path

    @property
    def reader(self) -> StoreReader:
        """A new reader of the store; the caller closes it."""
        return StoreReader(self.home.database)

    @property
    def predictions(self) -> list[Record]:
        """The sandbox's predictions, oldest first."""
        return self.sandbox.core.jobs.order["prediction"]

    def draft(self, steps: int = 12, **more: Any) -> Draft:
        """A draft of a short job on the example project."""
        draft: dict[str, Any] = {
            "config": str(self.config),
            "overrides": {"max_train_steps": steps, "lora_rank": 2},
            "delivery": {"kind": "local"},
            "consent": True,
        }
        return cast("Draft", draft | more)

    async def submit(self, steps: int = 12, **more: Any) -> str:
        """Submit a job; returns its id."""
        return (await self.client.submit(self.draft(steps, **more)))["job_id"]

    async def use_hub(self, token: str = "hf_write") -> str:
        """Set a token for the sandbox's Hub; returns the Hub's address."""
        assert self.sandbox.hub_url
        await self.client.set_session({"hf_endpoint": self.sandbox.hub_url, "hf_token": token})
        return self.sandbox.hub_url

    def job(self, job_id: str) -> JobRecord:
        """A job's record in the store."""
        with_reader = self.reader
        try:
            job = with_reader.job(job_id)
        finally:
            with_reader.close()
        assert job is not None
        return job

    async def until(self, job_id: str, *states: JobStatus, within: float = 30) -> JobRecord:
        """Wait until a job has one of the statuses."""
        reader = self.reader

        def there() -> JobRecord | None:
            job = reader.job(job_id)
            return job if job is not None and job.status in states else None

        try:
            return await eventually(there, within=within)
        finally:
            reader.close()

    async def ended(self, job_id: str, within: float = 30) -> JobRecord:
        """Wait until a job has ended."""
        return await self.until(
            job_id, JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED, within=within
        )

    def fault(self, *texts: str) -> None:
        """Switch on faults of the sandbox."""
        for text in texts:
            self.sandbox.core.faults.add(Fault.parse(text))

    def clear_faults(self) -> None:
        """Switch off all faults."""
        self.sandbox.core.faults.clear()

    def go_on(self, job_id: str) -> None:
        """Let a run go on that the fault `stall` holds."""
        folder = self.sandbox.core.config.work_dir
        assert folder is not None
        (folder / "runs" / self.job(job_id).prediction_id / "go-on").touch()

    def prediction_of(self, job: JobRecord) -> Record:
        """The sandbox's record of a job's prediction."""
        return self.sandbox.core.jobs.by_id[job.prediction_id]

    def log(self, job_id: str) -> str:
        """A job's log on disk."""
        return self.home.log_file(job_id).read_bytes().decode()

    def steps_of(self, job_id: str, name: str = "loss") -> list[int]:
        """The steps of a metric series."""
        reader = self.reader
        try:
            return list(reader.metrics(job_id, name)[0])
        finally:
            reader.close()

    def kinds(self, job_id: str) -> list[str]:
        """The kinds of a job's events, oldest first."""
        reader = self.reader
        try:
            return [event.kind for event in reader.events(job_id)]
        finally:
            reader.close()


@asynccontextmanager
async def running_world(
    home: Home,
    project: Path,
    *,
    settings: Settings | None = None,
    faults: Sequence[str] = (),
    speed: float = SPEED,
    **sandbox: Any,
) -> AsyncIterator[World]:
    """Run a sandbox, an engine and a client, with the sandbox's token set."""
    config = wished(
        speed=speed,
        work_dir=project.parent / "sandbox",
        faults=tuple(Fault.parse(text) for text in faults),
        **sandbox,
    )
    running = await serve(config)
    try:
        async with running_engine(home, settings) as (engine, _):
            client = ControlClient(home.socket, running.base_url)
            await client.set_session({"replicate_token": running.token})
            path = write_demo_project(project)
            yield World(home, running, engine, client, path)
    finally:
        await running.aclose()


def sha256(path: Path) -> str:
    """SHA-256 of a small file, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def written_by_trainer(world: World, job: JobRecord) -> dict[str, str]:
    """SHA-256 of the weights that the sandbox's trainer wrote, by name."""
    folder = world.sandbox.core.config.work_dir
    assert folder is not None
    runs = folder / "runs" / job.prediction_id
    return {path.relative_to(runs).as_posix(): sha256(path) for path in runs.rglob("*.safetensors")}


def edit_config(path: Path, **changes: Any) -> None:
    """Change options of a config; None removes one."""
    values = json.loads(path.read_text()) | {f"--{name}": value for name, value in changes.items()}
    path.write_text(
        json.dumps({name: value for name, value in values.items() if value is not None})
    )


async def username(client: ControlClient) -> str | None:
    """Whose the token in use is; None where it does not work."""
    user = (await client.validate())["user_info"]
    return None if user is None else user["username"]
