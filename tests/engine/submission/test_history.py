"""Estimates from earlier runs: measured steps, the error so far, and the wait in the queue."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.engine.world import World
from tui.base.job_status import JobStatus
from tui.engine.submission.history import history_of, measured_step
from tui.settings import Home
from tui.simpletuner.config.training_config import TrainingConfig
from tui.store.reader import StoreReader
from tui.store.records import JobRecord
from tui.store.writer import Change, StoreWriter

API = "https://api.replicate.com"
NOW = datetime(2026, 10, 1, 12, tzinfo=UTC)
VALUES: dict[str, Any] = {
    "model_family": "flux", "model_flavour": "dev", "model_type": "lora", "train_batch_size": 2,
    "resolution": 1024, "resolution_type": "pixel_area",
}  # fmt: skip
CONFIG = TrainingConfig("cats", Path("config.json"), VALUES)


def record(number: int, **more: Any) -> JobRecord:
    known: dict[str, Any] = {
        "job_id": f"job{number:05}", "api_base": API, "name": "cats", "config_name": "cats",
        "config_path": "", "model": "a/b", "version": "v", "model_family": "flux",
        "model_flavour": "dev", "model_type": "lora", "lora_type": "standard", "hardware": "l40s",
        "rate_micros": 975, "delivery": "local", "created_at": NOW - timedelta(hours=number),
        "status": JobStatus.COMPLETED, "step": 100, "seconds_per_step": 2.0,
        "queued_at": NOW, "started_at": NOW + timedelta(seconds=60), "cost_micros": 1_200_000,
        "estimate_micros": 1_000_000, "config": VALUES,
    }  # fmt: skip
    return JobRecord(**{**known, **more})


@pytest.fixture
def reader(home: Home) -> StoreReader:
    home.create()
    return StoreReader(home.database)


def fill(home: Home, *jobs: JobRecord) -> None:
    writer = StoreWriter(home)
    for job in jobs:
        writer.insert(job, Change())
    writer.close()


def test_steps_are_those_of_like_runs_only(home: Home, reader: StoreReader) -> None:
    fill(
        home,
        record(1, seconds_per_step=2.0),
        record(2, seconds_per_step=4.0),
        record(3, seconds_per_step=3.0, status=JobStatus.CANCELLED),
        record(4, seconds_per_step=90.0, hardware="h100"),
        record(5, seconds_per_step=90.0, model_type="full"),
        record(6, seconds_per_step=90.0, config={**VALUES, "train_batch_size": 8}),
        record(7, seconds_per_step=90.0, config={**VALUES, "resolution": 512}),
        record(8, seconds_per_step=90.0, model_flavour="schnell"),
        record(9, seconds_per_step=90.0, step=3),
        record(10, seconds_per_step=90.0, api_base="http://127.0.0.1:1"),
        record(11, seconds_per_step=90.0,
               dataloader=[{"id": "a", "resolution": 768, "resolution_type": "pixel_area"}]),
    )  # fmt: skip
    found = measured_step(reader.past_runs(sandbox=False), CONFIG, "l40s")
    assert found is not None
    assert (found.seconds, found.runs) == (3.0, 3)
    assert found.basis == "3 earlier runs like this one"
    assert measured_step(reader.past_runs(sandbox=False), CONFIG, "a100") is None


def test_the_error_so_far_and_the_wait(home: Home, reader: StoreReader) -> None:
    fill(
        home,
        record(1, cost_micros=1_200_000),
        record(2, cost_micros=900_000),
        record(3, cost_micros=1_300_000),
        record(4, cost_micros=5_000_000, status=JobStatus.FAILED),
        *[record(n, status=JobStatus.FAILED, started_at=NOW + timedelta(seconds=n))
          for n in range(100, 196)],
        record(200, hardware="h100", started_at=NOW + timedelta(hours=9),
               status=JobStatus.CANCELLED),
    )  # fmt: skip
    history = history_of(reader.past_runs(sandbox=False), CONFIG, "l40s")
    assert history.error is not None
    assert (history.error.runs, history.error.percent, history.error.bias_percent) == (3, 20, 20)
    assert history.wait is not None
    assert history.wait.runs == 100
    assert 140 <= history.wait.seconds <= 150
    assert 185 <= history.wait.long_seconds <= 195


def test_without_runs_nothing_is_said(home: Home, reader: StoreReader) -> None:
    history = history_of(reader.past_runs(sandbox=False), CONFIG, "l40s")
    assert (history.step, history.error, history.wait) == (None, None, None)


async def test_a_check_learns_from_the_run_before(world: World) -> None:
    before = (await world.client.check(world.draft(20)))["estimate"]
    assert (before["measured_runs"], before["error"], before["queue"]) == (0, None, None)
    job = await world.ended(await world.submit(20))
    after = (await world.client.check(world.draft(20)))["estimate"]
    assert after["measured_runs"] == 1
    assert after["basis"] == "an earlier run like this one"
    assert after["error"] is not None
    assert after["error"]["runs"] == 1
    assert after["queue"] is not None
    assert after["queue"]["runs"] == 1
    assert job.seconds_per_step
    other = (await world.client.check(world.draft(20, hardware="h100")))["estimate"]
    assert other["measured_runs"] == 0
