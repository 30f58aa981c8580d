"""Active jobs that are not heard of, and what is shown of them then.

The engine keeps jobs whose state it cannot read in one fact, `unheard`, as
`{job id: {why, since}}`. Where the engine itself is silent or gone it cannot write that either;
then the age of a fact that it renews every half minute tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from tui.base.job_status import JobStatus

FACT: Final = "unheard"
SIGNS_OF_LIFE: Final = ("spending", "spending:sandbox")
"""Facts that the engine renews every half minute, one or the other, while a priced job runs."""
SILENT_AFTER: Final = timedelta(seconds=90)
ENGINE: Final = {"gone": "engine is not running", "silent": "engine does not answer"}
"""Why no job is heard of, by the engine's state."""
NOT_RECORDED: Final = "the engine records nothing"


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


class Followed(Protocol):
    """What the contact with a job follows from: a `JobRow` or a `JobRecord`."""

    @property
    def job_id(self) -> str: ...  # noqa: D102  see JobRow
    @property
    def status(self) -> JobStatus: ...  # noqa: D102
    @property
    def rate_micros(self) -> int: ...  # noqa: D102
    @property
    def started_at(self) -> datetime | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Contacts:
    """Which jobs are not heard of.

    Attributes:
        marks: jobs whose state the engine cannot read, by id.
        sign_of_life: when the engine last wrote that it keeps the running jobs; None for never.
        engine: since when the engine is known to be silent or gone; None while it answers, or
            where nobody has asked it.
    """

    marks: Mapping[str, LostContact] = field(default_factory=dict)
    sign_of_life: datetime | None = None
    engine: LostContact | None = None

    def of(self, job: Followed, now: datetime) -> LostContact | None:
        """Return since when and why a job is not heard of; None for one that is, or has ended."""
        if not job.status.is_active:
            return None
        if (mark := self.marks.get(job.job_id)) is not None:
            return mark
        if self.engine is not None:
            begun = max(self.engine.since, job.started_at or self.engine.since)
            return LostContact(self.engine.why, begun)
        charged = job.status is JobStatus.RUNNING and job.started_at is not None and job.rate_micros
        last = self.sign_of_life
        if not charged or job.started_at is None or last is None or now - last <= SILENT_AFTER:
            return None
        return LostContact(NOT_RECORDED, max(last, job.started_at))


def read_unheard(value: Any) -> dict[str, LostContact]:
    """Parse the fact's value by job id; leaves malformed entries out."""
    contacts: dict[str, LostContact] = {}
    for job_id, row in value.items() if isinstance(value, dict) else ():
        try:
            contacts[job_id] = LostContact(str(row["why"]), datetime.fromisoformat(row["since"]))
        except (KeyError, TypeError, ValueError):
            continue
    return contacts
