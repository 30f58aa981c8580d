"""A sweep as it stands: its jobs counted, and the best of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tui.base.job_status import JobStatus
from tui.store.reader import StoreReader
from tui.store.records import JobRow
from tui.store.run_warnings import loss_is_gone
from tui.store.shown_cost import shown_cost
from tui.store.sweeps import MemberRecord, SweepRecord

if TYPE_CHECKING:
    from tui.api.sweeps import Sweep, SweepMember


def read_standings(reader: StoreReader, now: datetime, name: str | None = None) -> list[Sweep]:
    """Return all sweeps as they stand, the newest first; with a name only that one.

    Raises:
        StoreError: the store cannot be read.
    """
    sweeps = [one for one in reader.sweeps() if name in (None, one.name)]
    if not sweeps:
        return []
    members: dict[str, list[MemberRecord]] = {}
    for member in reader.sweep_members(name):
        members.setdefault(member.sweep, []).append(member)
    rows = reader.rows([one.job_id for part in members.values() for one in part])
    return [standing(sweep, members.get(sweep.name, ()), rows, now) for sweep in sweeps]


def standing(
    sweep: SweepRecord, members: Sequence[MemberRecord], rows: Mapping[str, JobRow], now: datetime
) -> Sweep:
    """Return a sweep as it stands.

    Args:
        sweep: the sweep.
        members: its members, in their order.
        rows: their jobs, by id.
        now: the time.
    """
    shown = [_member(one, rows[one.job_id], now) for one in members if one.job_id in rows]
    states = [one["status"] for one in shown]
    waiting = sum(one["waits"] for one in shown)
    ended = sum(JobStatus(state).is_terminal for state in states)
    state = sweep.state
    return {
        "name": sweep.name,
        "state": "done" if ended == len(shown) and state != "cancelled" else state,
        "reason": sweep.reason,
        "advice": sweep.advice,
        "at_once": sweep.at_once,
        "created_at": sweep.created_at.astimezone(UTC).isoformat(),
        "done": states.count(JobStatus.COMPLETED),
        "failed": states.count(JobStatus.FAILED),
        "cancelled": states.count(JobStatus.CANCELLED),
        "running": len(shown) - ended - waiting,
        "waiting": waiting,
        "best": best_of([rows[one["job_id"]] for one in shown]),
        "cost_micros": sum(one["cost_micros"] for one in shown),
        "estimate_micros": sum(one["estimate_micros"] or 0 for one in shown),
        "members": shown,
    }


def best_of(rows: Sequence[JobRow]) -> str | None:
    """Return the completed job whose smoothed loss got lowest; None before there is one.

    One that ended with a loss that is no number is none: its best is what gets published.
    """
    losses = [
        (row.loss_best, at, row.job_id)
        for at, row in enumerate(rows)
        if row.status is JobStatus.COMPLETED and row.loss_best is not None and not loss_is_gone(row)
    ]
    return min(losses)[2] if losses else None


def changes_words(changes: Mapping[str, str]) -> str:
    """Return what tells a run from the others: `lora_rank 16, learning_rate 0.0001`."""
    return ", ".join(f"{name} {value or '(not set)'}" for name, value in changes.items())


def count_words(sweep: Sweep) -> str:
    """Return how far a sweep is: `2 done, 1 running, 1 waiting`."""
    counts = {
        "done": sweep["done"], "failed": sweep["failed"], "cancelled": sweep["cancelled"],
        "running": sweep["running"], "waiting": sweep["waiting"],
    }  # fmt: skip
    return ", ".join(f"{count} {word}" for word, count in counts.items() if count)


def _member(member: MemberRecord, row: JobRow, now: datetime) -> SweepMember:
    cost = shown_cost(row, now, None)
    return {
        "job_id": row.job_id,
        "name": row.name,
        "status": row.status.value,
        "stage": row.stage,
        "waits": member.released_at is None and row.status.is_active,
        "changes": dict(member.changes),
        "loss": row.loss_smoothed,
        "best_loss": row.loss_best,
        "cost_micros": 0 if cost is None else cost.micros,
        "estimate_micros": row.estimate_micros,
    }
