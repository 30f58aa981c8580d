"""Computes what was spent, what running jobs will still cost, and whether a new job fits the limit.

All amounts are integer micro-dollars. A job's cost is spread evenly over its run, and a window
takes the share that falls into it. A share is the difference of two values of the running total,
so adjacent windows always add up to the whole cost.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo

from tui.base.money import running_cost
from tui.store.billed import Billed, Merged

TYPE_CHECKING = False  # `typing` takes longer to load than a short command to run
if TYPE_CHECKING:
    from typing import Final, Literal, NamedTuple

    from tui.settings import SpendingSettings

    Period = Literal["daily", "weekly", "monthly"]
    Action = Literal["warn", "block"]
else:
    from tui.base.light_tuple import NamedTuple

WINDOWS: Final[dict[str, timedelta]] = {
    "daily": timedelta(days=1),
    "weekly": timedelta(days=7),
    "monthly": timedelta(days=30),
}
"""Rolling windows that end now, as SimpleTuner's; not calendar days or months."""
WINDOW_WORDS: Final = {"daily": "24 h", "weekly": "7 d", "monthly": "30 d"}
WARN_AT: Final = 80
"""Percent of the limit from which a warning is shown."""


class Limit(NamedTuple):
    """The user's cost limit.

    Attributes:
        enabled: whether the limit is on.
        amount_micros: the limit in micro-dollars.
        period: the rolling window: `daily`, `weekly` or `monthly`.
        action: `warn` lets a job pass with a warning, `block` refuses it.
    """

    enabled: bool = False
    amount_micros: int = 0
    period: Period = "monthly"
    action: Action = "warn"


def limit_of(settings: SpendingSettings) -> Limit:
    """The limit in the settings; an unknown period or action becomes the strictest one."""
    period: Period = "monthly"
    if settings.period in WINDOWS:
        period = settings.period  # type: ignore[assignment]  # it is one of them
    action: Action = "warn" if settings.action == "warn" else "block"
    return Limit(settings.enabled, max(0, settings.amount_micros), period, action)


class SpendingVerdict(NamedTuple):
    """The limit compared with what was spent; amounts in micro-dollars.

    Attributes:
        spent_micros: spent in the window until now, running jobs included.
        running_micros: expected further cost of active jobs.
        estimate_micros: expected cost of the new job; 0 without one.
        limit: the limit.
        blocks: whether a new job must be refused.
        warns: whether the user must be warned.
        over_micros: excess of the projection over the limit; 0 if it is below.
    """

    spent_micros: int
    running_micros: int
    estimate_micros: int
    limit: Limit
    blocks: bool
    warns: bool
    over_micros: int

    @property
    def projected_micros(self) -> int:
        """Sum of spent, running and estimated cost."""
        return self.spent_micros + self.running_micros + self.estimate_micros

    @property
    def percent(self) -> float | None:
        """The projection in percent of the limit; None without a limit."""
        if not self.limit.enabled or self.limit.amount_micros <= 0:
            return None
        return self.projected_micros * 100 / self.limit.amount_micros


def accrued(job: Billed, until: datetime) -> int:
    """A job's cost up to a time, in micro-dollars: 0 before its start, all of it after its end.

    For a job that is not heard of that is what it cost at least: until the last answer about it.
    """
    start = job.started_at
    if job.cost_micros is not None and job.ended_at is not None:
        first = start or job.ended_at
        if until >= job.ended_at:
            return job.cost_micros
        if until <= first:
            return 0
        return job.cost_micros * ((until - first) // _TICK) // ((job.ended_at - first) // _TICK)
    if job.heard_until is not None:
        until = min(until, job.heard_until)
    if start is None or not job.is_active or until <= start:
        return 0
    return running_cost(job.rate_micros, start, until)


_TICK = timedelta(microseconds=1)


def spent(jobs: Iterable[Billed], since: datetime, until: datetime) -> int:
    """Micro-dollars that jobs cost between `since` and `until`."""
    return sum(accrued(job, until) - accrued(job, since) for job in jobs)


def expected_rest(jobs: Iterable[Billed], now: datetime) -> int:
    """Micro-dollars that active jobs are expected to cost from now until their end."""
    return sum(
        max(0, (job.expected_micros or 0) - accrued(job, now)) for job in jobs if job.is_active
    )


def used(jobs: Iterable[Billed], since: datetime, now: datetime) -> int:
    """Micro-dollars that jobs have cost since a time.

    A job that has ended counts in full even if its end lies in the future, so that setting the
    clock back does not free any of the limit.
    """
    return sum(accrued(job, max(now, job.ended_at or now)) - accrued(job, since) for job in jobs)


def judge(
    limit: Limit, jobs: Sequence[Billed], estimate_micros: int, now: datetime
) -> SpendingVerdict:
    """Judge whether a job of the estimated cost fits the limit beside the running jobs.

    A blocking limit of 0 blocks every job that costs something. A job that is not heard of counts
    as running: the limit must not be passed because nobody answered.
    """
    jobs = [job if job.heard_until is None else job._replace(heard_until=None) for job in jobs]
    spent_micros = used(jobs, now - WINDOWS[limit.period], now)
    running_micros = expected_rest(jobs, now)
    projected = spent_micros + running_micros + estimate_micros
    over = max(0, projected - limit.amount_micros) if limit.enabled else 0
    near = projected * 100 >= limit.amount_micros * WARN_AT
    return SpendingVerdict(
        spent_micros=spent_micros,
        running_micros=running_micros,
        estimate_micros=estimate_micros,
        limit=limit,
        blocks=limit.enabled and limit.action == "block" and over > 0,
        warns=limit.enabled and (over > 0 or near),
        over_micros=over,
    )


def burn_rate(jobs: Iterable[Billed]) -> int:
    """Cost of all running jobs that are heard of, in micro-dollars per second."""
    return sum(
        job.rate_micros
        for job in jobs
        if job.is_active and job.started_at is not None and job.heard_until is None
    )


class Day(NamedTuple):
    """One day of the chart, in the user's time zone.

    Attributes:
        date: ISO date.
        cost_micros: the cost that falls into the day, in micro-dollars.
        jobs: number of jobs created on the day, by status.
    """

    date: str
    cost_micros: int
    jobs: dict[str, int]


def day_borders(days: int, now: datetime, zone: tzinfo | None) -> list[datetime]:
    """The midnights that border the last `days` days, today included: `days` + 1 times in UTC.

    Each is computed from its date, so days of 23 or 25 hours are right as well.
    """
    today = now.astimezone(zone).date()
    borders = []
    for days_ago in range(days - 1, -2, -1):
        day = today - timedelta(days=days_ago)
        midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
        borders.append(midnight.astimezone(UTC))
    return borders


def by_day(jobs: Sequence[Billed], days: int, now: datetime, zone: tzinfo | None) -> list[Day]:
    """Cost and jobs of the last `days` days, oldest first.

    The costs add up to `used` since the first midnight.

    Args:
        jobs: the jobs to count; only the days of its run are computed for each.
        days: number of days, today included.
        now: the time.
        zone: time zone of the midnights; None takes this machine's.
    """
    borders = day_borders(days, now, zone)
    costs = [0] * days
    counts: list[dict[str, int]] = [{} for _ in range(days)]
    for job in jobs:
        latest = max(now, job.ended_at or now)
        begin, end = job.started_at or job.ended_at or now, job.ended_at or now
        first_day = min(max(0, bisect_left(borders, min(begin, end)) - 1), days - 1)
        last_day = min(bisect_right(borders, end), days)
        for number in range(first_day, last_day):
            until = latest if number == days - 1 else min(borders[number + 1], latest)
            costs[number] += accrued(job, until) - accrued(job, borders[number])
        created = bisect_right(borders, job.created_at) - 1
        if created >= 0:
            tally = counts[min(created, days - 1)]
            tally[job.status] = tally.get(job.status, 0) + (job.merged.jobs if job.merged else 1)
    today = now.astimezone(zone).date()
    dates = [(today - timedelta(days=back)).isoformat() for back in range(days - 1, -1, -1)]
    return [Day(*day) for day in zip(dates, costs, counts, strict=True)]


class Tally(NamedTuple):
    """Counts of the jobs created since a time.

    Attributes:
        counts: number of jobs, by status.
        average_seconds: mean duration of those that ran and ended; None without any.
        unpriced: number of jobs on hardware without a known rate, which count as 0 dollars.
    """

    counts: dict[str, int]
    average_seconds: float | None
    unpriced: int


def tally(jobs: Iterable[Billed], since: datetime) -> Tally:
    """Count the jobs created since a time."""
    counts: dict[str, int] = {}
    ran = micros = unpriced = 0
    for job in jobs:
        if job.created_at < since:
            continue
        many = job.merged or _alone(job)
        counts[job.status] = counts.get(job.status, 0) + many.jobs
        ran += many.ran
        micros += many.ran_micros
        unpriced += many.unpriced
    average = micros / (ran * 1_000_000) if ran else None
    return Tally(counts, average, unpriced)


def _alone(job: Billed) -> Merged:
    """What is counted of one job."""
    start, end = job.started_at, job.ended_at
    unpriced = start is not None and job.rate_micros <= 0
    if start is None or end is None:
        return Merged(1, 0, 0, int(unpriced))
    return Merged(1, 1, max(0, (end - start) // _TICK), int(unpriced))
