"""What is shown as the cost of a job, and how sure that is."""

from __future__ import annotations

from datetime import datetime

from tui.base.money import running_cost

TYPE_CHECKING = False  # `typing` takes longer to load than a short command to run
if TYPE_CHECKING:
    from typing import Literal, NamedTuple, Protocol

    from tui.store.lost_contact import LostContact

    Bound = Literal["", "so far", "at least", "at most"]

    class Charged(Protocol):
        """What the cost of a job follows from: a `JobRow` or a `JobRecord`."""

        @property
        def cost_micros(self) -> int | None: ...  # noqa: D102  see JobRow
        @property
        def rate_micros(self) -> int: ...  # noqa: D102
        @property
        def started_at(self) -> datetime | None: ...  # noqa: D102
        @property
        def completed_at(self) -> datetime | None: ...  # noqa: D102
        @property
        def is_lost(self) -> bool: ...  # noqa: D102
else:
    from tui.base.light_tuple import NamedTuple


class ShownCost(NamedTuple):
    """A cost in micro-dollars.

    Attributes:
        micros: the amount.
        bound: "" for what a job has cost; `so far` while it runs; `at least` while it may run and
            is not heard of; `at most` for a lost one.
    """

    micros: int
    bound: Bound = ""


def shown_cost(job: Charged, now: datetime, contact: LostContact | None) -> ShownCost | None:
    """Return what a job has cost.

    Args:
        job: the job.
        now: the time.
        contact: since when it is not heard of: it may have ended then. None for one that is.

    Returns:
        None for a job that has not started.
    """
    if job.cost_micros is not None:
        return ShownCost(job.cost_micros, "at most" if job.is_lost else "")
    if job.started_at is None:
        return None
    if job.completed_at is not None:
        return ShownCost(running_cost(job.rate_micros, job.started_at, job.completed_at))
    if contact is None:
        return ShownCost(running_cost(job.rate_micros, job.started_at, now), "so far")
    return ShownCost(running_cost(job.rate_micros, job.started_at, contact.since), "at least")
