"""What a user was told already: once for each job and reason, also after a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tui.store.writer import StoreWriter

FACT: Final = "told"
_JOBS: Final = 1000
"""Jobs that are remembered; older ones have ended long ago."""


class Told:
    """Remembers what was told, in the store.

    Args:
        writer: the store.
    """

    def __init__(self, writer: StoreWriter) -> None:
        self._writer = writer
        known = writer.fact(FACT)
        self._reasons: dict[str, list[str]] = known if isinstance(known, dict) else {}

    def first_time(self, job_id: str, reason: str) -> bool:
        """Return whether a reason is new for a job, and remember it.

        Raises:
            StoreError: it cannot be remembered.
        """
        reasons = self._reasons.get(job_id, [])
        if reason in reasons:
            return False
        self._reasons.pop(job_id, None)
        self._reasons[job_id] = [*reasons, reason]
        while len(self._reasons) > _JOBS:
            del self._reasons[next(iter(self._reasons))]
        self._writer.set_fact(FACT, self._reasons)
        return True
