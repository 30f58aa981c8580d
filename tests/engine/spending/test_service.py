"""The cost limit, in the spending service and through the control API with the sandbox."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.engine.world import World, quick_settings, running_engine, running_world
from tests.store.job_records import REAL, done, job
from tests.support import eventually, least_seconds
from tui.base.clock import utc_now
from tui.base.errors import RefusedError
from tui.base.job_status import JobStatus
from tui.client.client import ControlError
from tui.engine.config.live import LiveSettings
from tui.engine.spending.service import SpendingService, ceiling_seconds
from tui.settings import Home, Settings, SpendingSettings
from tui.store.reader import StoreReader
from tui.store.writer import StoreWriter

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
FIFTY = SpendingSettings(enabled=True, amount_micros=50_000_000, period="weekly", action="block")


class SpendingWorld:
    """A spending service with a store and a settable clock."""

    def __init__(self, home: Home) -> None:
        self.now = NOW
        self.writer = StoreWriter(home)
        self.reader = StoreReader(home.database)
        self.live = LiveSettings(home, Settings())
        self.service = SpendingService(self.reader, self.live, lambda: self.now)

    def limit(self, settings: SpendingSettings = FIFTY, **changes: Any) -> None:
        self.live.now = replace(self.live.now, spending=replace(settings, **changes))

    def close(self) -> None:
        self.reader.close()
        self.writer.close()


@pytest.fixture
def spending_world(home: Home) -> Iterator[SpendingWorld]:
    spending_world = SpendingWorld(home)
    yield spending_world
    spending_world.close()


def test_the_check_shows_the_sum_as_it_stands(spending_world: SpendingWorld) -> None:
    spending_world.limit()
    spending_world.writer.insert(done("a", 31_200_000, NOW - timedelta(days=1)))
    check = spending_world.service.check(REAL, 3_700_000)
    assert (check.level, check.message) == ("ok", "$3.70 estimated · $31.20 + $3.70 of $50 / 7 d")


def test_running_jobs_count_with_what_they_will_cost(spending_world: SpendingWorld) -> None:
    spending_world.limit()
    spending_world.writer.insert(done("a", 31_200_000, NOW - timedelta(days=1)))
    spending_world.writer.insert(
        job("r", status=JobStatus.RUNNING, started_at=NOW - timedelta(seconds=1000),
            estimate_micros=10_000_000)
    )  # fmt: skip
    spending_world.writer.insert(job("q", status=JobStatus.QUEUED, estimate_micros=4_000_000))
    verdict = spending_world.service.verdict(REAL, 3_700_000)
    assert verdict.spent_micros == 31_200_000 + 975_000
    assert verdict.running_micros == 10_000_000 - 975_000 + 4_000_000
    assert verdict.projected_micros == 31_200_000 + 10_000_000 + 4_000_000 + 3_700_000


def test_a_job_that_costs_more_than_was_expected_makes_no_room_for_others(
    spending_world: SpendingWorld,
) -> None:
    spending_world.limit(amount_micros=5_000_000)
    spending_world.writer.insert(
        job("over", status=JobStatus.RUNNING, started_at=NOW - timedelta(seconds=2000),
            estimate_micros=100_000)
    )  # fmt: skip
    spending_world.writer.insert(job("q", status=JobStatus.QUEUED, estimate_micros=3_000_000))
    verdict = spending_world.service.verdict(REAL, 1_000_000)
    assert (verdict.spent_micros, verdict.running_micros) == (1_950_000, 3_000_000)
    assert (verdict.blocks, verdict.over_micros) == (True, 950_000)


@pytest.mark.parametrize(
    ("spent", "level"), [(30_000_000, "ok"), (36_300_000, "warn"), (46_300_001, "error")]
)
def test_it_warns_from_80_percent_and_blocks_above_all(
    spending_world: SpendingWorld, spent: int, level: str
) -> None:
    spending_world.limit()
    spending_world.writer.insert(done("a", spent, NOW - timedelta(days=1)))
    assert spending_world.service.check(REAL, 3_700_000).level == level
    spending_world.limit(action="warn")
    assert spending_world.service.check(REAL, 3_700_000).level == (
        "ok" if level == "ok" else "warn"
    )
    assert bool(spending_world.service.allow(REAL, 3_700_000)) == (level != "ok")


def test_a_refusal_says_how_far_over(spending_world: SpendingWorld) -> None:
    spending_world.limit()
    spending_world.writer.insert(done("a", 48_000_000, NOW - timedelta(days=1)))
    with pytest.raises(RefusedError) as caught:
        spending_world.service.allow(REAL, 3_700_000)
    assert caught.value.code == "cost_limit_exceeded"
    assert caught.value.status == 429
    assert "$1.70 over" in caught.value.message
    assert caught.value.details["over_micros"] == 1_700_000


def test_unreadable_spending_blocks_new_jobs(spending_world: SpendingWorld, home: Home) -> None:
    spending_world.limit()
    spending_world.reader.close()
    with sqlite3.connect(home.database) as database:
        database.execute("ALTER TABLE ledger RENAME TO mislaid")
    database.close()
    with pytest.raises(RefusedError) as caught:
        spending_world.service.allow(REAL, 1)
    assert caught.value.code == "cost_limit_exceeded"
    assert "cannot be worked out" in caught.value.message
    assert spending_world.service.check(REAL, 1).level == "error"
    spending_world.limit(action="warn")
    spending_world.service.allow(REAL, 1)


def test_a_deleted_job_still_uses_up_the_limit(spending_world: SpendingWorld) -> None:
    spending_world.limit()
    spending_world.writer.insert(done("a", 48_000_000, NOW - timedelta(days=1)))
    spending_world.writer.delete("a")
    with pytest.raises(RefusedError):
        spending_world.service.allow(REAL, 3_700_000)


def test_sandbox_jobs_do_not_use_up_the_real_limit(spending_world: SpendingWorld) -> None:
    spending_world.limit()
    local = "http://127.0.0.1:5/v1"
    spending_world.writer.insert(done("a", 49_000_000, NOW - timedelta(days=1), api_base=local))
    assert spending_world.service.allow(REAL, 3_700_000) == ""
    with pytest.raises(RefusedError):
        spending_world.service.allow(local, 3_700_000)


def test_a_clock_set_back_opens_no_limit(spending_world: SpendingWorld) -> None:
    spending_world.limit(period="daily")
    spending_world.writer.insert(done("a", 49_000_000, NOW - timedelta(hours=1)))
    spending_world.now = NOW - timedelta(days=3)
    with pytest.raises(RefusedError):
        spending_world.service.allow(REAL, 3_700_000)


def test_a_job_over_the_border_of_a_period_counts_with_its_part(
    spending_world: SpendingWorld,
) -> None:
    spending_world.limit(period="daily")
    ended = NOW - timedelta(hours=23, minutes=30)  # it ran an hour, half of it in the last day
    spending_world.writer.insert(done("a", 2_000_000, ended))
    fact = spending_world.service.fact(sandbox=False)
    assert fact["spent_micros"] == 1_000_000
    assert fact["weekly_micros"] == 2_000_000


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Auckland", "America/St_Johns"])
def test_the_total_is_the_same_in_every_time_zone(spending_world: SpendingWorld, zone: str) -> None:
    for number in range(5):
        spending_world.writer.insert(
            done(f"j{number}", 10**6 + number, NOW - timedelta(hours=7 * number))
        )
    summary = spending_world.service.summary(REAL, 30, ZoneInfo(zone))
    assert summary["total_micros"] == 5 * 10**6 + 10
    assert sum(day["cost_micros"] for day in summary["by_day"]) == summary["total_micros"]
    assert len(summary["by_day"]) == 30
    assert summary["jobs_by_status"] == {"completed": 5}


def test_the_summary_counts_and_averages(spending_world: SpendingWorld) -> None:
    created_at = NOW - timedelta(days=2)
    spending_world.writer.insert(done("a", 10, NOW - timedelta(hours=1), created_at=created_at))
    spending_world.writer.insert(job("q", status=JobStatus.QUEUED, created_at=created_at))
    summary = spending_world.service.summary(REAL, 7)
    assert summary["jobs_by_status"] == {"completed": 1, "queued": 1}
    assert summary["average_seconds"] == 3600
    assert summary["active_jobs"] == 1
    for days in (0, -1, 367, 10**9):
        with pytest.raises(RefusedError):
            spending_world.service.summary(REAL, days)


def test_a_limit_of_zero_blocks_only_jobs_that_cost(
    spending_world: SpendingWorld,
) -> None:
    spending_world.limit(amount_micros=0)
    with pytest.raises(RefusedError):
        spending_world.service.allow(REAL, 1)
    spending_world.service.allow(REAL, 0)
    assert spending_world.service.status(REAL)["percent_used"] == 0


def test_a_ceiling_becomes_seconds_at_the_rate() -> None:
    assert ceiling_seconds(10_000_000, 975) == 10_256
    assert 10_256 * 975 <= 10_000_000
    with pytest.raises(RefusedError, match="at least 5 s"):
        ceiling_seconds(1, 975)
    with pytest.raises(RefusedError, match="not known"):
        ceiling_seconds(10_000_000, 0)


def test_thousands_of_jobs_are_summed_quickly(spending_world: SpendingWorld) -> None:
    spending_world.limit()
    for number in range(2_000):
        spending_world.writer.insert(done(f"j{number}", 1000, NOW - timedelta(minutes=number)))

    def summed() -> None:
        assert spending_world.service.summary(REAL, 90)["total_micros"] == 2_000_000

    assert least_seconds(summed) < 0.5


# -- with everything running ---------------------------------------------------------------------


def limited(amount_micros: int, **more: Any) -> Settings:
    settings = quick_settings()
    spending = replace(FIFTY, amount_micros=amount_micros, **more)
    return replace(settings, spending=spending)


async def test_block_refuses_before_the_upload(home: Home, project: Path) -> None:
    async with running_world(home, project, settings=limited(1)) as world:
        report = await world.client.check(world.draft())
        assert report["ok"] is False
        assert [c["id"] for c in report["checks"] if c["level"] == "error"] == ["cost"]
        with pytest.raises(ControlError) as caught:
            await world.submit()
        assert caught.value.code == "cost_limit_exceeded"
        assert world.predictions == []


async def test_concurrent_submits_cannot_both_pass_a_limit_for_one(
    home: Home, project: Path
) -> None:
    import asyncio

    async with running_world(home, project) as world:
        price = (await world.client.check(world.draft(steps=300)))["estimate"]["micros"]
        world.engine.live.change(
            "spending",
            {"enabled": True, "amount_micros": price * 3 // 2, "action": "block"},
        )
        answers = await asyncio.gather(
            *(world.submit(steps=300, name=f"n{n}") for n in range(3)), return_exceptions=True
        )
        refused = [a for a in answers if isinstance(a, ControlError)]
        assert [a.code for a in refused] == ["cost_limit_exceeded"] * 2


async def test_a_warning_comes_with_the_submitted_job(home: Home, project: Path) -> None:
    async with running_world(home, project, settings=limited(1, action="warn")) as world:
        answer = await world.client.submit(world.draft())
        assert "over the cost limit" in (answer["cost_limit_warning"] or "")
        await world.ended(answer["job_id"])


async def test_the_fact_follows_a_job(world: World) -> None:
    def fact() -> dict[str, Any]:
        reader = world.reader
        try:
            record = reader.fact("spending:sandbox")
        finally:
            reader.close()
        assert record is not None
        value: dict[str, Any] = record.value
        return value

    assert fact()["spent_micros"] == 0
    job_id = await world.submit(steps=60)
    await eventually(lambda: fact()["active_jobs"] == 1)
    done_job = await world.ended(job_id)
    await eventually(lambda: fact()["active_jobs"] == 0)
    assert fact()["spent_micros"] == done_job.cost_micros
    await world.client.delete(job_id)
    await eventually(lambda: world.engine.spending.fact(sandbox=True)["spent_micros"])
    assert fact()["spent_micros"] == done_job.cost_micros


async def test_running_jobs_are_stopped_at_the_limit_when_asked(home: Home, project: Path) -> None:
    settings = limited(500, stop_running=True, action="warn")  # half a second on an L40S
    async with running_world(home, project, settings=settings, step_seconds=4.0) as world:
        job_id = await world.submit(steps=2000)
        record = await world.ended(job_id)
        assert record.status is JobStatus.CANCELLED
        assert "limit" in world.kinds(job_id)


async def test_running_jobs_are_left_alone_otherwise(home: Home, project: Path) -> None:
    async with running_world(home, project, settings=limited(1, action="warn")) as world:
        job_id = await world.submit(steps=60)
        assert (await world.ended(job_id)).status is JobStatus.COMPLETED


async def test_a_ceiling_is_sent_to_replicate(world: World) -> None:
    job_id = await world.submit(steps=12, cost_ceiling_micros=975_000)
    await world.ended(job_id)
    assert world.job(job_id).submit["cancel_after"] == 1000
    report = await world.client.check(world.draft(steps=5000, cost_ceiling_micros=97_500))
    ceiling = next(check for check in report["checks"] if check["id"] == "ceiling")
    assert ceiling["level"] == "warn"
    with pytest.raises(ControlError) as caught:
        await world.submit(cost_ceiling_micros=1)
    assert "cost_ceiling_micros" in caught.value.details["fields"]


async def test_replicate_ends_a_job_at_its_ceiling(home: Home, project: Path) -> None:
    # The run goes no further, so that nothing but the time given with the POST ends it.
    async with running_world(home, project, faults=["stall=2"], speed=400.0) as world:
        job_id = await world.submit(steps=12, hardware="l40s", cost_ceiling_micros=97_500)
        job = await world.ended(job_id)
        record = world.prediction_of(job)
        assert record.deadline is not None
        given = (record.deadline - record.created_at).total_seconds() * 400.0
        assert given == pytest.approx(100)  # what the ceiling buys, in the sandbox's time
        assert (job.status, record.status) == (JobStatus.CANCELLED, "canceled")
        assert not job.cancel_requested


async def test_the_spending_watch_does_not_keep_the_engine_running(home: Home) -> None:
    async with running_engine(home) as (engine, _):
        first = engine.idle_seconds()
        await eventually(lambda: engine.idle_seconds() > first)


def test_the_corrected_clock_is_used(spending_world: SpendingWorld) -> None:
    spending_world.now = utc_now()
    assert spending_world.service.fact(sandbox=False)["as_of"] == spending_world.now.isoformat()
