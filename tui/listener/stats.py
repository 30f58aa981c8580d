"""Counters of accepted and rejected webhooks, and the last of each kind."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal

MOST_KEPT: Final = 50
"""Webhooks kept of each kind, so that a flood of rejected ones does not displace the others."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """A rejected request.

    Attributes:
        reason: a short name, the key in `ListenerStats.rejected`.
        message: the reason as text for the screen.
        address: of the client, or "" when unknown.
        at: time of receipt.
        job_id: the job whose key its URL carried, or "".
    """

    reason: str
    message: str
    address: str
    at: datetime
    job_id: str = ""


@dataclass(frozen=True, slots=True)
class RecentWebhook:
    """A received request, without its body and without a key.

    Attributes:
        outcome: whether it was accepted.
        at: time of receipt.
        address: of the client, or "" when unknown.
        job: our id of its job, or else Replicate's; "" when unknown.
        event: the event of an accepted webhook.
        reason: a short name of the reason for a rejection.
        message: that reason as text for the screen.
    """

    outcome: Literal["accepted", "duplicate", "rejected"]
    at: datetime
    address: str
    job: str = ""
    event: str = ""
    reason: str = ""
    message: str = ""


@dataclass(slots=True)
class ListenerStats:
    """Counters of webhooks; `restore` carries them over a restart.

    Attributes:
        accepted: webhooks that were accepted and handed on.
        duplicates: webhooks that had been accepted before.
        failed: accepted webhooks whose handling raised an error.
        rejected: rejected webhooks, by reason.
        last_accepted_at: time of the last accepted webhook.
        last_rejection: the last rejected webhook.
        on_change: is called after each change.
    """

    accepted: int = 0
    duplicates: int = 0
    failed: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    last_accepted_at: datetime | None = None
    last_rejection: Rejection | None = None
    on_change: Callable[[], None] | None = None
    _accepted: deque[RecentWebhook] = field(default_factory=lambda: deque(maxlen=MOST_KEPT))
    _rejected: deque[RecentWebhook] = field(default_factory=lambda: deque(maxlen=MOST_KEPT))

    def accept(self, at: datetime, address: str, job: str, event: str) -> None:
        """Count an accepted webhook."""
        self.accepted += 1
        self.last_accepted_at = at
        self._accepted.append(RecentWebhook("accepted", at, address, job, event))
        self._changed()

    def repeat(self, at: datetime, address: str, job: str) -> None:
        """Count a webhook that had been accepted before."""
        self.duplicates += 1
        self._accepted.append(RecentWebhook("duplicate", at, address, job))
        self._changed()

    def fail(self) -> None:
        """Count an accepted webhook whose handling raised an error."""
        self.failed += 1
        self._changed()

    def reject(self, rejection: Rejection) -> None:
        """Count a rejected webhook."""
        self.rejected[rejection.reason] = self.rejected.get(rejection.reason, 0) + 1
        self.last_rejection = rejection
        self._rejected.append(
            RecentWebhook(
                "rejected",
                rejection.at,
                rejection.address,
                rejection.job_id,
                reason=rejection.reason,
                message=rejection.message,
            )
        )
        self._changed()

    def restore(self, stored: object) -> None:
        """Continue the counters that an earlier process stored as JSON (see `stats_row`).

        Parts that cannot be read are left at zero.
        """
        row = stored if isinstance(stored, dict) else {}
        self.accepted, self.duplicates, self.failed = (
            _count(row.get(name)) for name in ("accepted", "duplicates", "failed")
        )
        rejected = row.get("rejected")
        counts = rejected.items() if isinstance(rejected, dict) else ()
        self.rejected = {str(reason): _count(count) for reason, count in counts if _count(count)}
        self.last_accepted_at = _moment(row.get("last_accepted_at"))
        last = row.get("last_rejection")
        at = _moment(last.get("at")) if isinstance(last, dict) else None
        if isinstance(last, dict) and at is not None:
            reason, message, address = (
                str(last.get(name) or "") for name in ("reason", "message", "address")
            )
            self.last_rejection = Rejection(reason, message, address, at)

    def recent(self) -> list[RecentWebhook]:
        """The last accepted and rejected webhooks, newest first."""
        return sorted(
            [*self._accepted, *self._rejected], key=lambda webhook: webhook.at, reverse=True
        )

    def _changed(self) -> None:
        if self.on_change is not None:
            self.on_change()


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _moment(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(value)).astimezone(UTC)
    except ValueError:
        return None
