"""What the listener has let in and what it has turned away."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

MOST_KEPT: Final = 50
"""Events that are kept of each kind: a flood of refused ones does not wash away the others."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """One request that was turned away.

    Attributes:
        reason: a short name, the key in `ListenerStats.rejected`.
        message: the same for a person.
        address: of the client, or "" when unknown.
        at: when.
        job_id: the job whose key its address carried, or "".
    """

    reason: str
    message: str
    address: str
    at: datetime
    job_id: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """One request, as it is remembered. Neither its body nor a key is in it.

    Attributes:
        outcome: what became of it.
        at: when it came.
        address: of the client, or "" when unknown.
        job: the job it was about, ours or Replicate's id of it; "" when not known.
        event: what had happened, of one that was believed.
        reason: a short name of why it was turned away.
        message: the same for a person.
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
    """Counters since the start.

    Attributes:
        accepted: webhooks that were believed and handed on.
        duplicates: webhooks that had come before.
        failed: believed webhooks that could not be worked with afterwards.
        rejected: webhooks turned away, by reason.
        last_accepted_at: when the last one was believed.
        last_rejection: the last one turned away.
        on_change: is called after each change.
    """

    accepted: int = 0
    duplicates: int = 0
    failed: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    last_accepted_at: datetime | None = None
    last_rejection: Rejection | None = None
    on_change: Callable[[], None] | None = None
    _believed: deque[Seen] = field(default_factory=lambda: deque(maxlen=MOST_KEPT))
    _refused: deque[Seen] = field(default_factory=lambda: deque(maxlen=MOST_KEPT))

    def accept(self, at: datetime, address: str, job: str, event: str) -> None:
        """Count one that was believed."""
        self.accepted += 1
        self.last_accepted_at = at
        self._believed.append(Seen("accepted", at, address, job, event))
        self._changed()

    def repeat(self, at: datetime, address: str, job: str) -> None:
        """Count one that had come before."""
        self.duplicates += 1
        self._believed.append(Seen("duplicate", at, address, job))
        self._changed()

    def fail(self) -> None:
        """Count one that could not be worked with."""
        self.failed += 1
        self._changed()

    def reject(self, rejection: Rejection) -> None:
        """Count one that was turned away."""
        one = rejection
        self.rejected[one.reason] = self.rejected.get(one.reason, 0) + 1
        self.last_rejection = one
        self._refused.append(
            Seen("rejected", one.at, one.address, one.job_id, "", one.reason, one.message)
        )
        self._changed()

    def recent(self) -> list[Seen]:
        """The last ones of each kind, newest first."""
        return sorted([*self._believed, *self._refused], key=lambda one: one.at, reverse=True)

    def _changed(self) -> None:
        if self.on_change is not None:
            self.on_change()
