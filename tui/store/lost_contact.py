"""Active jobs whose state cannot be read from Replicate at the moment.

The engine keeps them in one fact, `unheard`, as `{job id: {why, since}}`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

FACT: Final = "unheard"


@dataclass(frozen=True, slots=True)
class LostContact:
    """A job whose state cannot be read.

    Attributes:
        why: a short reason, such as `token refused`.
        since: time of the last answer about the job, aware UTC.
    """

    why: str
    since: datetime

    def row(self) -> dict[str, str]:
        """Return it as JSON data."""
        return {"why": self.why, "since": self.since.isoformat()}


def read_unheard(value: Any) -> dict[str, LostContact]:
    """Parse the fact's value by job id; leaves malformed entries out."""
    contacts: dict[str, LostContact] = {}
    for job_id, row in value.items() if isinstance(value, dict) else ():
        try:
            contacts[job_id] = LostContact(str(row["why"]), datetime.fromisoformat(row["since"]))
        except (KeyError, TypeError, ValueError):
            continue
    return contacts
