"""What the listener has let in and what it has turned away."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Rejection:
    """One request that was turned away.

    Attributes:
        reason: a short name, the key in `ListenerStats.rejected`.
        message: the same for a person.
        address: of the client, or "" when unknown.
        at: when.
    """

    reason: str
    message: str
    address: str
    at: datetime


@dataclass(slots=True)
class ListenerStats:
    """Counters since the start.

    Attributes:
        accepted: webhooks that were believed and handed on.
        duplicates: webhooks that had come before.
        failed: believed webhooks that could not be worked with afterwards.
        rejected: webhooks turned away, by reason.
        last_accepted_at: when the last one was believed.
        last_rejection: the last one turned away.
    """

    accepted: int = 0
    duplicates: int = 0
    failed: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    last_accepted_at: datetime | None = None
    last_rejection: Rejection | None = None

    def reject(self, rejection: Rejection) -> None:
        """Count one that was turned away."""
        self.rejected[rejection.reason] = self.rejected.get(rejection.reason, 0) + 1
        self.last_rejection = rejection
