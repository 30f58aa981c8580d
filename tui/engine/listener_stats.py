"""The listener's counters, watched so that windows see them move."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tui.listener.stats import ListenerStats, Rejection


class WatchedStats(ListenerStats):
    """Counters that tell somebody when they change."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        super().__init__()
        object.__setattr__(self, "_on_change", on_change)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        self._changed()

    def reject(self, rejection: Rejection) -> None:
        """Count one that was turned away."""
        super().reject(rejection)
        self._changed()

    def _changed(self) -> None:
        on_change: Callable[[], None] | None = getattr(self, "_on_change", None)
        if on_change is not None:
            on_change()


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
