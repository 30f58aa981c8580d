"""A job that Replicate does not know any more may have run, so its possible cost counts."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.world import World
from tests.store.job_records import T0, job
from tests.support import eventually
from tui.base.job_status import LOST, JobStatus
from tui.engine.spending.rules import Limit, accrued, judge, used
from tui.engine.tracking import monitor
from tui.engine.tracking.reconcile import Snapshot, lost_values, max_cost_micros, reopen_if_lost
from tui.store.billed import Billed
from tui.store.records import JobRecord

RATE = 975
seconds = st.integers(0, 3 * 86_400)


def after(value: int) -> datetime:
    return T0 + timedelta(seconds=value)


@st.composite
def lost_jobs(draw: st.DrawFn) -> tuple[JobRecord, datetime, timedelta]:
    """A job, the time it was lost, and how long it ran until then."""
    queued = draw(seconds)
    ran = draw(seconds)
    later = draw(seconds)
    known: dict[str, Any] = {
        "status": JobStatus.RUNNING, "estimate_micros": draw(st.none() | st.integers(0, 10**9)),
        "created_at": T0,
    }  # fmt: skip
    if draw(st.booleans()):
        known["queued_at"] = T0
    if draw(st.booleans()):  # else it was lost before anybody told that it runs
        known["started_at"] = after(queued)
        if draw(st.booleans()):
            known["eta_at"] = after(queued + draw(seconds))
    else:
        known["status"] = JobStatus.QUEUED
    life = draw(st.none() | st.integers(5, 2 * 86_400))
    if life is not None:  # Replicate counts it from the making, so it cannot have run longer
        known["submit"] = {"cancel_after": life}
        ran = min(ran, max(0, life - queued))
    return job("a", **known), after(queued + ran + later), timedelta(seconds=ran)


@given(lost_jobs())
def test_a_lost_job_counts_at_least_what_it_cost(
    case: tuple[JobRecord, datetime, timedelta],
) -> None:
    record, lost_at, ran = case
    true_cost = int(ran.total_seconds()) * RATE
    assert max_cost_micros(record, lost_at) >= true_cost


@given(lost_jobs(), seconds)
def test_a_lost_job_uses_up_the_limit(
    case: tuple[JobRecord, datetime, timedelta], wait: int
) -> None:
    record, lost_at, ran = case
    ended = replace(record, **lost_values(record, lost_at))
    row = Billed(
        ended.status, ended.started_at, ended.completed_at, ended.cost_micros, ended.rate_micros,
        None, ended.created_at,
    )  # fmt: skip
    now = lost_at + timedelta(seconds=wait)
    since = T0 - timedelta(days=1)
    true_cost = int(ran.total_seconds()) * RATE
    assert used([row], since, now) == ended.cost_micros
    assert ended.cost_micros is not None
    assert ended.cost_micros >= true_cost
    assert accrued(row, lost_at) == ended.cost_micros
    verdict = judge(Limit(True, true_cost, "monthly", "block"), [row], 1, lost_at)
    assert verdict.blocks  # what was really spent is never given out again


@given(lost_jobs(), seconds)
def test_the_maximum_cost_grows_with_time_up_to_the_ceiling(
    case: tuple[JobRecord, datetime, timedelta], wait: int
) -> None:
    record, lost_at, _ = case
    cost = max_cost_micros(record, lost_at)
    assert 0 <= cost <= max_cost_micros(record, lost_at + timedelta(seconds=wait))
    if life := record.submit.get("cancel_after"):
        assert cost <= life * RATE


@given(lost_jobs(), st.sampled_from(["", "starting", "processing", "succeeded"]))
def test_a_reopened_job_has_no_assumed_cost(
    case: tuple[JobRecord, datetime, timedelta], status: str
) -> None:
    record, lost_at, _ = case
    lost = replace(record, **lost_values(record, lost_at))
    reopened = reopen_if_lost(lost, Snapshot(status=status))
    if not status:
        assert reopened is lost
    else:
        assert (reopened.cost_micros, reopened.completed_at, reopened.provider_status) == (
            None,
            None,
            "",
        )
        assert reopened.status.is_active
    assert reopen_if_lost(record, Snapshot(status=status)) is record


async def lose(world: World, job_id: str) -> JobRecord:
    """Remove a job's prediction from the service."""
    record = await world.until(job_id, JobStatus.RUNNING)
    world.sandbox.core.jobs.by_id.pop(record.prediction_id)
    return await world.until(job_id, JobStatus.FAILED)


async def test_a_lost_job_is_counted_shown_and_found_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor, "latest_end", lambda job: job.created_at)  # its time is over
    world.fault("webhook-lost")  # it runs on, and events would tell of it
    job_id = await world.submit(steps=4000)
    running = await world.until(job_id, JobStatus.RUNNING)
    prediction = world.prediction_of(running)
    lost = await lose(world, job_id)
    assert lost.provider_status == LOST
    assert lost.completed_at is not None
    assert lost.cost_micros is not None
    assert lost.cost_micros >= (lost.estimate_micros or 0) > 0
    summary = await world.client.cloud.spending(7)
    assert (summary["lost_jobs"], summary["lost_micros"]) == (1, lost.cost_micros)
    assert summary["total_micros"] == lost.cost_micros
    assert (await world.client.cloud.limit())["spent_micros"] == lost.cost_micros
    world.sandbox.core.jobs.by_id[lost.prediction_id] = prediction
    await world.client.sync()
    job = await eventually(lambda: _reported_again(world, job_id))
    assert job.cost_micros is None or job.status.is_terminal
    await world.client.cancel(job_id)
    ended = await world.ended(job_id)
    assert ended.status is JobStatus.CANCELLED
    assert (await world.client.cloud.spending(7))["lost_jobs"] == 0


def _reported_again(world: World, job_id: str) -> JobRecord | None:
    record = world.job(job_id)
    return record if record.provider_status not in ("", LOST) else None
