"""What is learned about a job becomes a change of its record, whoever tells it.

Polls, webhooks, syncs and restarts may say the same thing twice, late, or in any order. Each field
therefore joins in a way that is commutative, associative and idempotent, so every order of the same
snapshots ends in the same record: states only move forward, logs only grow, and a snapshot wiped by
retention erases nothing. Everything here is pure.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from tui.base.job_status import LOST, JobStatus
from tui.store.records import JobRecord

_RANK: Final = {
    "": 0,
    "starting": 2,
    "processing": 3,
    "aborted": 4,
    "canceled": 5,
    "failed": 6,
    "succeeded": 7,
}
_UNKNOWN_RANK: Final = 1  # a status invented after this was written: alive, and easily overtaken
_TERMINAL_RANK: Final = 4
_STATUS: Final = {
    "starting": JobStatus.QUEUED,
    "processing": JobStatus.RUNNING,
    "succeeded": JobStatus.COMPLETED,
    "failed": JobStatus.FAILED,
    "canceled": JobStatus.CANCELLED,
    "aborted": JobStatus.CANCELLED,
}

_MOST_TRIES: Final = 50
_LEAST_OVERLAP: Final = 256
"""Bytes that two pieces of a log must share to be put together."""

_T = TypeVar("_T", datetime, float)


@dataclass(frozen=True, slots=True)
class Known:
    """What all snapshots so far add up to, the log text aside. None and empty mean “not said”."""

    status: str = ""
    model: str = ""
    version: str = ""
    output: Any = None
    error: str = ""
    created_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    predict_seconds: float | None = None
    data_removed: bool = False
    web_url: str = ""

    @property
    def is_terminal(self) -> bool:
        """Whether the prediction has come to its end."""
        return _rank(self.status) >= _TERMINAL_RANK


@dataclass(frozen=True, slots=True)
class Snapshot(Known):
    """One telling of a prediction, with as much of its log as it has."""

    logs: str | None = None


def reconcile(known: Known, snapshot: Snapshot) -> Known:
    """Join a snapshot into what is known."""
    return replace(
        known,
        status=max(known.status, snapshot.status, key=lambda status: (_rank(status), status)),
        model=_longest(known.model, snapshot.model),
        version=_longest(known.version, snapshot.version),
        output=_fullest(known.output, snapshot.output),
        error=_longest(known.error, snapshot.error),
        created_at=_join(min, known.created_at, snapshot.created_at),
        started_at=_join(min, known.started_at, snapshot.started_at),
        completed_at=_join(max, known.completed_at, snapshot.completed_at),
        predict_seconds=_join(max, known.predict_seconds, snapshot.predict_seconds),
        data_removed=known.data_removed or snapshot.data_removed,
        web_url=_longest(known.web_url, snapshot.web_url),
    )


def job_status(provider_status: str) -> JobStatus | None:
    """Our state for one of Replicate's; None for a status that says nothing to us."""
    return _STATUS.get(provider_status)


@dataclass(frozen=True, slots=True)
class LogChange:
    """What has to happen to the log file.

    Attributes:
        append: bytes to add at the end.
        replacement: the whole new content, when the log was rewritten; else None.
    """

    append: bytes = b""
    replacement: bytes | None = None


def reconcile_log(old: bytes, told: str | None) -> LogChange:
    """How the log on disk changes when somebody tells a whole log.

    Replicate sends the complete text each time. A longer telling that begins with what we have is
    growth; a shorter one is late or wiped and changes nothing. A text that begins later, or ends
    earlier, than ours is a log that was cut at one end: both together are the log. Any other text
    of at least the same size is a rewrite and replaces ours (longer wins, then the greater: any
    order ends alike).
    """
    if not told:
        return LogChange()
    new = told.encode("utf-8", "replace")
    if old.startswith(new):
        return LogChange()
    if new.startswith(old):
        return LogChange(append=new[len(old) :])
    if (whole := _joined(old, new)) is not None:
        return LogChange(append=whole[len(old) :])
    if (whole := _joined(new, old)) is not None:
        return LogChange(replacement=whole)
    if (len(new), new) > (len(old), old):
        return LogChange(replacement=new)
    return LogChange()


def _joined(early: bytes, late: bytes) -> bytes | None:
    """Two pieces of one log as one, where the second begins inside the first; else None."""
    head = late[:_LEAST_OVERLAP]
    if len(head) < _LEAST_OVERLAP:
        return None
    at = 0
    for _ in range(_MOST_TRIES):
        at = early.find(head, at + 1)
        if at < 0:
            return None
        common = early[at : at + len(late)]
        if late.startswith(common):
            return early + late[len(common) :]
    return None


def _rank(status: str) -> int:
    return _RANK.get(status, _UNKNOWN_RANK)


def _longest(one: str, other: str) -> str:
    return max(one, other, key=lambda text: (len(text), text))


def _fullest(one: Any, other: Any) -> Any:
    if one is None or other is None:
        return other if one is None else one
    first, second = (json.dumps(value, sort_keys=True, default=str) for value in (one, other))
    return one if (len(first), first) >= (len(second), second) else other


def _join(choose: Any, one: _T | None, other: _T | None) -> _T | None:
    if one is None or other is None:
        return other if one is None else one
    chosen: _T = choose(one, other)
    return chosen


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
