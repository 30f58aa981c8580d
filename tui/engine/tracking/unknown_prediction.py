"""Jobs that Replicate does not know any more: they may have run, so they are counted as if.

What such a job cost nobody can tell: it was deleted, its token is another account's now, or its
data were removed before anybody asked. Counting nothing would let the limit pass what was spent.
"""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Any, Final

from tui.engine.tracking.reconcile import Snapshot
from tui.store.records import LOST, JobRecord, JobStatus

_TICK: Final = timedelta(microseconds=1)
_SLACK: Final = timedelta(minutes=1)
"""What Replicate may need to end a job whose time is over."""
_WITHOUT_LIMIT: Final = timedelta(hours=24)
"""How long a job without a limit of its own is taken to run at most. Replicate's own limit, 30
minutes by default, is lifted for models of trainers, and nobody tells to what."""


def most_it_cost(job: JobRecord, now: datetime) -> int:
    """Micro-dollars that a job can have cost, as far as anybody can tell.

    From its beginning (or, when that was never told, from when it was made) until now, at least
    what the whole run was expected to cost, at most what Replicate lets it live.
    """
    begin = job.started_at or job.queued_at or job.created_at
    elapsed = max(0, (now - begin) // _TICK) * job.rate_micros // 1_000_000
    expected = job.estimate_micros or 0
    if job.started_at is not None and job.eta_at is not None:
        whole = max(0, (job.eta_at - job.started_at) // _TICK)
        expected = max(expected, whole * job.rate_micros // 1_000_000)
    most = max(elapsed, expected)
    life = job.submit.get("cancel_after")
    return min(most, int(life) * job.rate_micros) if isinstance(life, int) else most


def life_ends(job: JobRecord) -> datetime:
    """When a job that was seen running is surely over.

    Its limit becomes Replicate's `Cancel-After`, which counts from the prediction's creation; that
    is not later than its beginning, so counting from there is never too short.
    """
    begin = job.started_at or job.queued_at or job.created_at
    life = job.submit.get("cancel_after")
    if isinstance(life, int):
        return begin + timedelta(seconds=life) + _SLACK
    return max(begin + _WITHOUT_LIMIT, (job.eta_at or begin) + _WITHOUT_LIMIT / 24)


def as_lost(job: JobRecord, now: datetime) -> dict[str, Any]:
    """The fields of a job that was lost at a moment."""
    return {
        "status": JobStatus.FAILED,
        "provider_status": LOST,
        "completed_at": now,
        "cost_micros": most_it_cost(job, now),
        "eta_at": None,
    }


def as_running(job: JobRecord) -> JobRecord:
    """The record of an ended job whose prediction turns out to exist: its end never happened."""
    return replace(
        job, status=JobStatus.QUEUED, provider_status="", completed_at=None, cost_micros=None,
        error="", stage="", diagnosis={},
    )  # fmt: skip


def found_again(job: JobRecord, told: Snapshot) -> JobRecord:
    """The record to go on from when a lost job is heard of after all; others stay as they are."""
    if job.provider_status != LOST or not told.status:
        return job
    return as_running(job)


def changed_fields(before: JobRecord, after: JobRecord) -> dict[str, Any]:
    """What has to be written to make one record the other."""
    names = (item.name for item in fields(JobRecord))
    return {
        name: getattr(after, name)
        for name in names
        if getattr(after, name) != getattr(before, name)
    }
