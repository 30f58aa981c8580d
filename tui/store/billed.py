"""What the cost of a job follows from, of jobs that were deleted as well."""

from __future__ import annotations

from datetime import datetime

from tui.base.job_status import ACTIVE

TYPE_CHECKING = False  # `typing` takes longer to load than a short command to run
if TYPE_CHECKING:
    from typing import NamedTuple
else:
    from tui.base.light_tuple import NamedTuple


class Merged(NamedTuple):
    """What is counted of ended jobs that are one row.

    Attributes:
        jobs: how many they are.
        ran: how many of them ran.
        ran_micros: microseconds that those ran, together.
        unpriced: how many of them ran on hardware without a known rate.
    """

    jobs: int
    ran: int
    ran_micros: int
    unpriced: int


class Billed(NamedTuple):
    """The fields of a job that its cost follows from.

    Attributes:
        status: the job's state, as in the store.
        started_at: start of the run, None for a job that never ran (it costs nothing).
        ended_at: end of the run, None while it runs.
        cost_micros: its final cost, None while it runs.
        rate_micros: micro-dollars per second while it runs.
        expected_micros: expected cost of the whole run, None when unknown.
        created_at: time of creation.
        heard_until: the last answer about an active job that is not heard of since; else None.
        merged: of a row that is several jobs which ended, what is counted of them.
    """

    status: str
    started_at: datetime | None
    ended_at: datetime | None
    cost_micros: int | None
    rate_micros: int
    expected_micros: int | None
    created_at: datetime
    heard_until: datetime | None = None
    merged: Merged | None = None

    @property
    def is_active(self) -> bool:
        """Whether it may still incur costs."""
        return self.ended_at is None and self.status in ACTIVE
