"""An engine in a process of its own, which can be killed."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.engine.world import edit_config, write_quick_settings
from tests.support import eventually
from tests.wished import wished
from tui.api.submission import Draft
from tui.base.job_status import JobStatus
from tui.client.client import ControlClient
from tui.client.engine_process import OwnedEngine, own_engine
from tui.sandbox.demo import write_demo_project
from tui.sandbox.faults import Fault
from tui.sandbox.server import RunningSandbox, serve
from tui.settings import Home
from tui.store.reader import StoreReader
from tui.store.records import JobRecord


class EngineProcess:
    """An engine in another process that can be killed and restarted."""

    def __init__(self, home: Home, sandbox: RunningSandbox, config: Path) -> None:
        self.home = home
        self.sandbox = sandbox
        self.config = config
        self.reader = StoreReader(home.database)
        self.environ = {
            **os.environ,
            "SIMPLETUNER_TUI_HOME": str(home.root),
            "SIMPLETUNER_TUI_API_BASE": sandbox.base_url,
            "REPLICATE_API_TOKEN": sandbox.token,
        }
        self.engine: OwnedEngine | None = None

    @property
    def client(self) -> ControlClient:
        return ControlClient(self.home.socket, self.sandbox.base_url)

    async def start(self) -> None:
        self.engine = await asyncio.to_thread(
            own_engine, self.home, self.environ, lambda: self.environ
        )

    async def end(self, number: int = signal.SIGKILL) -> int:
        assert self.engine is not None
        process = self.engine.process
        process.send_signal(number)
        status = await asyncio.to_thread(process.wait)
        assert process.stdin is not None
        process.stdin.close()
        return status

    async def submit(self, steps: int, key: str) -> str:
        draft: Draft = {
            "config": str(self.config),
            "overrides": {"max_train_steps": steps, "lora_rank": 2},
            "delivery": {"kind": "local"},
            "idempotency_key": key,
            "consent": True,
        }
        return (await self.client.submit(draft))["job_id"]

    def job(self, job_id: str) -> JobRecord:
        job = self.reader.job(job_id)
        assert job is not None
        return job

    def go_on(self, job_id: str) -> None:
        """Let a run go on that the fault `stall` holds."""
        folder = self.sandbox.core.config.work_dir
        assert folder is not None
        (folder / "runs" / self.job(job_id).prediction_id / "go-on").touch()

    async def ended(self, job_id: str) -> JobRecord:
        await eventually(lambda: self.job(job_id).status.is_terminal, within=30)
        return self.job(job_id)

    def check_whole(self, job: JobRecord, steps: int) -> None:
        """Check that the log and the metrics have no gap and no duplicate."""
        assert job.status is JobStatus.COMPLETED, job.error
        record = self.sandbox.core.jobs.by_id[job.prediction_id]
        log = self.home.log_file(job.job_id).read_bytes().decode()
        assert log == record.logs
        for name in ("loss", "lr"):
            assert list(self.reader.metrics(job.job_id, name)[0]) == list(range(1, steps + 1))
        stages = self.reader.stages(job.job_id)
        assert [stage.seq for stage in stages] == list(range(stages[0].seq, stages[-1].seq + 1))


@asynccontextmanager
async def engine_process(home: Home, tmp_path: Path, *faults: str) -> AsyncIterator[EngineProcess]:
    write_quick_settings(home)
    config = write_demo_project(tmp_path / "project")
    edit_config(config, checkpoint_step_interval=500, validation_disable=True)
    sandbox = await serve(
        wished(
            speed=40, work_dir=tmp_path / "sandbox", faults=tuple(Fault.parse(f) for f in faults)
        )
    )
    engine = EngineProcess(home, sandbox, config)
    try:
        await engine.start()
        yield engine
    finally:
        if engine.engine is not None:
            await asyncio.to_thread(engine.engine.stop)
        engine.reader.close()
        await sandbox.aclose()
