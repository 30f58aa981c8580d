"""The engine is killed repeatedly: each submit still makes one complete job."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from pathlib import Path

import pytest

from tests.engine.tracking.engine_process import EngineProcess, engine_process
from tests.support import eventually
from tui.base.job_status import JobStatus
from tui.client.client import ControlError
from tui.settings import Home

PHASES = ("new", "packed", "uploaded", "posting", "accepted")


@pytest.mark.timeout(170)
@pytest.mark.parametrize("most", [8, pytest.param(20, marks=pytest.mark.release)])
async def test_kills_at_random_phases_leave_one_complete_job(
    home: Home, tmp_path: Path, most: int
) -> None:
    dice = random.Random(20261123)
    slow = ("slow=6@POST /v1/files", "slow=6@POST /v1/predictions")
    kills: Counter[str] = Counter()
    aimed = {"new", "packed", "posting", "accepted"}
    steps = 1500
    async with engine_process(home, tmp_path, *slow) as engine:
        jobs: list[str] = []
        # A kill may come a moment late, in the next phase: then there is one more job.
        while sum(kills.values()) < most or (not set(kills) >= aimed and len(jobs) < 5):
            key = f"job {len(jobs)}"
            job_id = await engine.submit(steps, key)
            jobs.append(job_id)
            for wanted in (*PHASES, "accepted"):
                await _until_phase(engine, job_id, wanted)
                # The first phase lasts as long as packing: waiting there would often miss it.
                latest = {"new": 0.0, "accepted": 0.6}.get(wanted, 0.05)
                await asyncio.sleep(dice.uniform(0, latest))  # the moment is meant to be random
                if engine.job(job_id).status.is_terminal:
                    break
                kills[engine.job(job_id).submit["phase"]] += 1
                await engine.end()
                await engine.start()
                assert await engine.submit(steps, key) == job_id  # as a client would ask again
            engine.check_whole(await engine.ended(job_id), steps)
            prediction_ids = [record.id for record in engine.sandbox.core.jobs.order["prediction"]]
            assert prediction_ids == [engine.job(job).prediction_id for job in jobs]
        assert set(kills) >= aimed, kills


async def _until_phase(engine: EngineProcess, job_id: str, wanted: str) -> None:
    def there() -> bool:
        job = engine.job(job_id)
        return job.status.is_terminal or PHASES.index(job.submit["phase"]) >= PHASES.index(wanted)

    await eventually(there, within=30, every=0.005)


async def test_kills_during_a_run_lose_nothing(home: Home, tmp_path: Path) -> None:
    async with engine_process(home, tmp_path, "stall=700") as engine:
        job_id = await engine.submit(900, "long")
        for share in (100, 300, 600):
            await eventually(lambda: (engine.job(job_id).step or 0) > share, within=30)  # noqa: B023
            await engine.end()
            await engine.start()
        engine.go_on(job_id)
        engine.check_whole(await engine.ended(job_id), 900)
        files = [f for f in engine.reader.files(job_id) if f.path.endswith(".safetensors")]
        assert files


async def test_a_graceful_shutdown_leaves_jobs_to_be_resumed(home: Home, tmp_path: Path) -> None:
    async with engine_process(home, tmp_path, "stall=100") as engine:
        job_id = await engine.submit(200, "long")
        await eventually(lambda: (engine.job(job_id).step or 0) > 50, within=30)
        assert await engine.end(signal.SIGTERM) == 0
        assert not home.socket.exists()
        with pytest.raises(ControlError):
            await engine.client.info()
        assert engine.job(job_id).status is JobStatus.RUNNING
        log = home.engine_log.read_text()
        assert "Traceback" not in log
        assert "never retrieved" not in log
        await engine.start()
        engine.go_on(job_id)
        engine.check_whole(await engine.ended(job_id), 200)


async def test_a_job_that_ended_while_the_engine_was_down(home: Home, tmp_path: Path) -> None:
    async with engine_process(home, tmp_path) as engine:
        job_id = await engine.submit(60, "short")
        await eventually(lambda: engine.job(job_id).prediction_id, within=30)
        await engine.end()
        record = engine.sandbox.core.jobs.by_id[engine.job(job_id).prediction_id]
        await eventually(lambda: record.is_terminal, within=60)
        await engine.start()
        engine.check_whole(await engine.ended(job_id), 60)
