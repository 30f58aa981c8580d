"""Active jobs that cannot be followed at the moment: why, and when they were last heard from.

The engine keeps them in one fact, `unheard`, as `{job id: {why, since}}`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

FACT: Final = "unheard"


@dataclass(frozen=True, slots=True)
class LostContact:
    """A job that cannot be followed.

    Attributes:
        why: the reason in a few words, such as `token refused`.
        since: when Replicate last told of the job, aware UTC.
    """

    why: str
    since: datetime

    def row(self) -> dict[str, str]:
        """The same as plain data."""
        return {"why": self.why, "since": self.since.isoformat()}


def read_unheard(value: Any) -> dict[str, LostContact]:
    """The fact's value by job id; what cannot be read is left out."""
    found: dict[str, LostContact] = {}
    for job_id, row in value.items() if isinstance(value, dict) else ():
        try:
            found[job_id] = LostContact(str(row["why"]), datetime.fromisoformat(row["since"]))
        except (KeyError, TypeError, ValueError):
            continue
    return found
