"""Merges snapshots of a prediction into a job's record, and ends or reopens lost jobs.

Polls, webhooks, syncs and restarts may deliver the same snapshot twice, late, or in any order. The
merge of each field is commutative, associative and idempotent, so every order of the same snapshots
leads to the same record: states only move forward, logs only grow, and a snapshot whose data
Replicate has removed erases nothing. All functions are pure.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar, cast

from tui.base.job_status import LOST, JobStatus
from tui.base.money import running_cost
from tui.replicate.secret import MASK
from tui.store.job_values import JobValues
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
_UNKNOWN_RANK: Final = 1  # a status that Replicate adds later: active, replaced by any known one
_TERMINAL_RANK: Final = 4
_STATUS: Final = {
    "starting": JobStatus.QUEUED,
    "processing": JobStatus.RUNNING,
    "succeeded": JobStatus.COMPLETED,
    "failed": JobStatus.FAILED,
    "canceled": JobStatus.CANCELLED,
    "aborted": JobStatus.CANCELLED,
}

_MAX_TRIES: Final = 50
"""Occurrences of the overlap that are tried; repetitive logs have many."""
_LONGEST_MASKED: Final = 4096
"""Bytes of a secret in a log, at most."""
_WORD_ENDS: Final = frozenset(bytes([letter]) for letter in b" \t\r\n\"',}\\")
_MIN_OVERLAP: Final = 256
"""Bytes that two parts of a log must share to be joined."""

_T = TypeVar("_T", datetime, float)


@dataclass(frozen=True, slots=True)
class Known:
    """The merge of all snapshots so far, without the log. None and "" mean “not reported”."""

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
        """Whether the prediction has ended."""
        return _rank(self.status) >= _TERMINAL_RANK


@dataclass(frozen=True, slots=True)
class Snapshot(Known):
    """The state of a prediction in one answer or webhook, with its log; None without one."""

    logs: str | None = None


def reconcile(known: Known, snapshot: Snapshot) -> Known:
    """Merge a snapshot into what is known."""
    return replace(
        known,
        status=max(known.status, snapshot.status, key=lambda status: (_rank(status), status)),
        model=_longest(known.model, snapshot.model),
        version=_longest(known.version, snapshot.version),
        output=_fullest(known.output, snapshot.output),
        error=_longest(known.error, snapshot.error),
        created_at=_merge(min, known.created_at, snapshot.created_at),
        started_at=_merge(min, known.started_at, snapshot.started_at),
        completed_at=_merge(max, known.completed_at, snapshot.completed_at),
        predict_seconds=_merge(max, known.predict_seconds, snapshot.predict_seconds),
        data_removed=known.data_removed or snapshot.data_removed,
        web_url=_longest(known.web_url, snapshot.web_url),
    )


def job_status(provider_status: str) -> JobStatus | None:
    """Our status for Replicate's status; None for one that is not known."""
    return _STATUS.get(provider_status)


@dataclass(frozen=True, slots=True)
class LogChange:
    """How the log file has to change.

    Attributes:
        append: bytes to add at the end.
        replacement: the whole new content when the log was rewritten; else None.
    """

    append: bytes = b""
    replacement: bytes | None = None


def reconcile_log(old: bytes, received: str | None) -> LogChange:
    """Compare the log on disk with a received one.

    Replicate sends the complete log each time. A received log that begins with ours has grown; one
    that is a prefix of ours is late or truncated and changes nothing. One that overlaps with ours
    at one end was cut at the other end, so both are joined. Any other log replaces ours if it is
    longer, or of the same length and lexicographically greater, so that every order of arrival
    leads to the same file.
    """
    if not received:
        return LogChange()
    new = received.encode("utf-8", "replace")
    if old.startswith(new):
        return LogChange()
    if new.startswith(old):
        return LogChange(append=new[len(old) :])
    if (joined := _join_logs(old, new)) is not None:
        return LogChange(append=joined[len(old) :])
    if (joined := _join_logs(new, old)) is not None:
        return LogChange(replacement=joined)
    if (len(new), new) > (len(old), old):
        return LogChange(replacement=new)
    return LogChange()


def carry_masks(old: bytes, received: str | None) -> str | None:
    """Mask in a received log what is masked in ours already.

    A secret may be unknown to this process that an earlier one knew: an engine that has just
    started has not seen every key. The received log would look like another one then, and would
    be written beside ours with the secret in it.

    Returns:
        Our log and what is new; the received one when they are not the same log.
    """
    mask = MASK.encode()
    if not received or mask not in old:
        return received
    new = received.encode("utf-8", "replace")
    if new.startswith(old) or old.startswith(new):
        return received
    first, *rest = old.split(mask)
    if not new.startswith(first):
        return received
    at = len(first)
    for number, piece in enumerate(rest):
        if not piece and number == len(rest) - 1:  # nothing follows the mask yet: to its word's end
            while at < len(new) and new[at : at + 1] not in _WORD_ENDS:
                at += 1
            break
        found = new.find(piece, at, at + _LONGEST_MASKED + len(piece))
        if found < 0:
            return received
        at = found + len(piece)
    return (old + new[at:]).decode("utf-8", "replace")


def _join_logs(early: bytes, late: bytes) -> bytes | None:
    """Join two parts of one log whose second begins inside the first; None if it does not."""
    head = late[:_MIN_OVERLAP]
    if len(head) < _MIN_OVERLAP:
        return None
    at = 0
    for _ in range(_MAX_TRIES):
        at = early.find(head, at + 1)
        if at < 0:
            return None
        common = early[at : at + len(late)]
        if late.startswith(common):
            return early + late[len(common) :]
    return None


def _rank(status: str) -> int:
    return _RANK.get(status, _UNKNOWN_RANK)


def _longest(first: str, second: str) -> str:
    return max(first, second, key=lambda text: (len(text), text))


def _fullest(old: Any, new: Any) -> Any:
    if old is None or new is None:
        return new if old is None else old
    old_text, new_text = (json.dumps(value, sort_keys=True, default=str) for value in (old, new))
    return old if (len(old_text), old_text) >= (len(new_text), new_text) else new


def _merge(choose: Any, first: _T | None, second: _T | None) -> _T | None:
    if first is None or second is None:
        return second if first is None else first
    chosen: _T = choose(first, second)
    return chosen


_END_MARGIN: Final = timedelta(minutes=1)
"""Time that Replicate may need to end a job after its limit."""
_UNLIMITED_RUN: Final = timedelta(hours=24)
"""Assumed longest run of a job without a time limit. Replicate's default limit of 30 minutes does
not hold for trainers, and their limit is not documented."""


def max_cost_micros(job: JobRecord, now: datetime) -> int:
    """Upper bound of what a lost job may have cost, in micro-dollars.

    It counts the time from its start (or, if that is not known, from its creation) until now, but
    at least the expected cost of the whole run and at most the job's time limit.
    """
    start = job.started_at or job.queued_at or job.created_at
    elapsed = running_cost(job.rate_micros, start, now)
    expected = job.estimate_micros or 0
    if job.started_at is not None and job.eta_at is not None:
        expected = max(expected, running_cost(job.rate_micros, job.started_at, job.eta_at))
    cost = max(elapsed, expected)
    limit = job.submit.get("cancel_after")
    return min(cost, int(limit) * job.rate_micros) if isinstance(limit, int) else cost


def latest_end(job: JobRecord) -> datetime:
    """The latest time at which a job that was seen running can still run.

    Replicate counts the time limit (`Cancel-After`) from the prediction's creation, which is not
    later than its start, so counting from the start is never too short.
    """
    start = job.started_at or job.queued_at or job.created_at
    limit = job.submit.get("cancel_after")
    if isinstance(limit, int):
        return start + timedelta(seconds=limit) + _END_MARGIN
    return max(start + _UNLIMITED_RUN, (job.eta_at or start) + _UNLIMITED_RUN / 24)


def lost_values(job: JobRecord, now: datetime) -> JobValues:
    """The fields that end a job as lost: Replicate does not know its prediction any more."""
    return {
        "status": JobStatus.FAILED,
        "provider_status": LOST,
        "completed_at": now,
        "cost_micros": max_cost_micros(job, now),
        "eta_at": None,
    }


def reopened(job: JobRecord) -> JobRecord:
    """The record reopened, for a job that was ended although its prediction exists."""
    return replace(
        job, status=JobStatus.QUEUED, provider_status="", completed_at=None, cost_micros=None,
        error="", stage="", diagnosis={},
    )  # fmt: skip


def reopen_if_lost(job: JobRecord, snapshot: Snapshot) -> JobRecord:
    """The record reopened if the job was lost and Replicate reports it again; else unchanged."""
    if job.provider_status != LOST or not snapshot.status:
        return job
    return reopened(job)


def changed_fields(before: JobRecord, after: JobRecord) -> JobValues:
    """The fields in which two records differ, with the values of the second."""
    names = (item.name for item in fields(JobRecord))
    changed = {
        name: getattr(after, name)
        for name in names
        if getattr(after, name) != getattr(before, name)
    }
    return cast("JobValues", changed)  # by name, so that no field is forgotten
