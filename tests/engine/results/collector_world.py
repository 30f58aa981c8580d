"""A collector with a store of its own and a host of files, in place of the whole engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.app.world import job as record
from tests.engine.file_host import TOKEN, FileHost
from tests.engine.world import running_engine
from tui.base.job_status import JobStatus
from tui.client.client import ControlClient
from tui.engine.engine import Engine
from tui.settings import Home
from tui.store.job_folder import folder_of
from tui.store.records import JobRecord

MIB = 1024 * 1024


def ended_job(file_host: FileHost, output: Any, **changes: Any) -> JobRecord:
    """A job that has just ended, with an output at the file host that expires in an hour."""
    now = datetime.now(UTC)
    job = record(1, JobStatus.COMPLETED)
    values: dict[str, Any] = {
        "api_base": file_host.base, "output": output, "completed_at": now, "delivery": "none",
        "data_expires_at": now + timedelta(hours=1), "file_count": 0, "file_bytes": 0,
    }  # fmt: skip
    return replace(job, **(values | changes))


class CollectorWorld:
    """An engine with a token for the file host."""

    def __init__(self, engine: Engine, client: ControlClient) -> None:
        self.engine = engine
        self.client = client

    def folder(self, job: JobRecord) -> Path:
        return self.engine.home.outputs / folder_of(job)

    def insert(self, job: JobRecord) -> JobRecord:
        return self.engine.recorder.insert(job)


@asynccontextmanager
async def running_collector_world(home: Home, file_host: FileHost) -> AsyncIterator[CollectorWorld]:
    async with running_engine(home) as (engine, _):
        client = ControlClient(home.socket, file_host.base)
        await client.set_session({"replicate_token": TOKEN})
        yield CollectorWorld(engine, client)
