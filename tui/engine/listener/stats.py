"""The listener's counters and last events as plain data."""

from __future__ import annotations

from typing import Any

from tui.listener.stats import ListenerStats, Seen


def stats_row(stats: ListenerStats) -> dict[str, Any]:
    """The counters as plain data."""
    last = stats.last_rejection
    return {
        "accepted": stats.accepted,
        "duplicates": stats.duplicates,
        "failed": stats.failed,
        "rejected": dict(stats.rejected),
        "rejected_total": sum(stats.rejected.values()),
        "last_accepted_at": stats.last_accepted_at.isoformat() if stats.last_accepted_at else None,
        "last_rejection": {
            "reason": last.reason,
            "message": last.message,
            "address": last.address,
            "at": last.at.isoformat(),
        }
        if last
        else None,
    }


def seen_row(seen: Seen) -> dict[str, Any]:
    """One event as plain data."""
    return {
        "outcome": seen.outcome,
        "at": seen.at.isoformat(),
        "address": seen.address,
        "job": seen.job,
        "event": seen.event,
        "reason": seen.reason,
        "message": seen.message,
    }
