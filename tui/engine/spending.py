"""What has been spent, what running jobs will still cost, and whether a new one fits the limit.

Integer micro-dollars throughout. A job's cost is spread evenly over the time it ran, and a window
takes the part that fell into it; parts are differences of one running total, so adjoining windows
always add up to the whole, whatever the borders.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Final, Literal

Period = Literal["daily", "weekly", "monthly"]
Action = Literal["warn", "block"]

WINDOWS: Final[dict[str, timedelta]] = {
    "daily": timedelta(days=1),
    "weekly": timedelta(days=7),
    "monthly": timedelta(days=30),
}
"""Rolling windows that end now, as in SimpleTuner; not calendar days or months."""
WINDOW_WORDS: Final = {"daily": "24 h", "weekly": "7 d", "monthly": "30 d"}
WARN_AT: Final = 80
"""Percent of the limit from which a warning shows."""


@dataclass(frozen=True, slots=True)
class Billed:
    """What counts of one job.

    Attributes:
        status: the job's state, as in the store.
        started_at: when it began to run, None for one that never did (that costs nothing).
        ended_at: when it ended, None while it runs.
        cost_micros: its final cost, None while it runs.
        rate_micros: micro-dollars for each second while it runs.
        expected_micros: what the whole run is expected to cost, None when nobody knows.
        created_at: when it was made.
    """

    status: str
    started_at: datetime | None
    ended_at: datetime | None
    cost_micros: int | None
    rate_micros: int
    expected_micros: int | None
    created_at: datetime

    @property
    def is_active(self) -> bool:
        """Whether it may still cost something."""
        return self.ended_at is None and self.status in (
            "pending",
            "uploading",
            "queued",
            "running",
        )


@dataclass(frozen=True, slots=True)
class Limit:
    """The user's limit.

    Attributes:
        enabled: whether it counts.
        amount_micros: how much.
        period: `daily`, `weekly` or `monthly`, rolling.
        action: `warn` lets a job pass with a warning, `block` refuses it.
    """

    enabled: bool = False
    amount_micros: int = 0
    period: Period = "monthly"
    action: Action = "warn"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a limit stands.

    Attributes:
        spent_micros: used in the window until now, running jobs' share included.
        running_micros: what active jobs are expected to cost from now on.
        estimate_micros: what the new job is expected to cost; 0 without one.
        limit: the limit.
        blocks: whether a new job must be refused.
        warns: whether the user must be told.
        over_micros: how far the projection is over the limit; 0 if it is not.
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
        """Spent, expected and estimated together."""
        return self.spent_micros + self.running_micros + self.estimate_micros

    @property
    def percent(self) -> float | None:
        """The projection as a share of the limit, None without a limit."""
        if not self.limit.enabled or self.limit.amount_micros <= 0:
            return None
        return self.projected_micros * 100 / self.limit.amount_micros


def accrued(job: Billed, until: datetime) -> int:
    """What a job has cost up to a moment: 0 before it started, its whole cost after it ended."""
    start = job.started_at
    if job.cost_micros is not None and job.ended_at is not None:
        begin = start or job.ended_at
        if until >= job.ended_at:
            return job.cost_micros
        if until <= begin:
            return 0
        return job.cost_micros * ((until - begin) // _TICK) // ((job.ended_at - begin) // _TICK)
    if start is None or not job.is_active or until <= start:
        return 0
    return job.rate_micros * ((until - start) // _TICK) // 1_000_000


_TICK = timedelta(microseconds=1)


def spent(jobs: Iterable[Billed], since: datetime, until: datetime) -> int:
    """What jobs cost in the window from `since` to `until`."""
    return sum(accrued(job, until) - accrued(job, since) for job in jobs)


def expected_rest(jobs: Iterable[Billed], now: datetime) -> int:
    """What active jobs are expected to cost from now until they end."""
    return sum(
        max(0, (job.expected_micros or 0) - accrued(job, now)) for job in jobs if job.is_active
    )


def judge(limit: Limit, jobs: Sequence[Billed], estimate_micros: int, now: datetime) -> Verdict:
    """Whether a job of that price fits the limit, counting what runs.

    A blocking limit of zero blocks everything that costs something.
    """
    used = spent(jobs, now - WINDOWS[limit.period], now)
    rest = expected_rest(jobs, now)
    projected = used + rest + estimate_micros
    over = max(0, projected - limit.amount_micros) if limit.enabled else 0
    near = projected * 100 >= limit.amount_micros * WARN_AT
    return Verdict(
        spent_micros=used,
        running_micros=rest,
        estimate_micros=estimate_micros,
        limit=limit,
        blocks=limit.enabled and limit.action == "block" and over > 0,
        warns=limit.enabled and (over > 0 or near),
        over_micros=over,
    )


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the chart, in the user's time zone.

    Attributes:
        date: ISO date.
        cost_micros: what fell into that day.
        jobs: how many jobs were made on it, by state.
    """

    date: str
    cost_micros: int
    jobs: dict[str, int]


def by_day(jobs: Sequence[Billed], days: int, now: datetime, zone: tzinfo | None) -> list[Day]:
    """The last `days` days, today last."""
    today = now.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    found = []
    for back in range(days - 1, -1, -1):
        day = (today - timedelta(days=back)).date()
        begin = datetime(day.year, day.month, day.day, tzinfo=today.tzinfo)
        following = day + timedelta(days=1)
        end = datetime(following.year, following.month, following.day, tzinfo=today.tzinfo)
        counts: dict[str, int] = {}
        for job in jobs:
            if begin <= job.created_at < end:
                counts[job.status] = counts.get(job.status, 0) + 1
        found.append(Day(day.isoformat(), spent(jobs, begin, min(end, now)), counts))
    return found
