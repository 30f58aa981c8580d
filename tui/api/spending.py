"""Money: what was spent, the cost limit, the rates.

Rehearsals on a server on this machine have money of their own, which never counts as real.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from tui.api.base import (
    Micros,
    SpendingAction,
    SpendingPeriod,
    Timestamp,
    TypedDict,
)
from tui.api.jobs import JobStatus


class SpendingStanding(TypedDict):
    """How spending stands to the limit; also the facts `spending` and `spending:sandbox`.

    Attributes:
        as_of: when this was true.
        enabled: whether there is a limit.
        limit_micros: the limit.
        period: its window.
        window: the window in words; of the week where there is no limit.
        action: what the limit does to new jobs.
        stop_running: whether running jobs are cancelled when it is reached.
        spent_micros: used in the window.
        running_micros: what active jobs are expected to cost from now on.
        projected_micros: both together.
        over_micros: how far the projection is over the limit.
        percent: spent as a share of the limit; null without a limit.
        projected_percent: the projection as a share of it.
        warn_at_percent: from which share a warning shows.
        state: `off`, below, near or over the limit.
        burn_micros: what running jobs that are heard of cost each second.
        active_jobs: how many there are.
        unheard_jobs: how many of them are not heard of; what they cost since then is not in what
            was used, which is "at least" then. The projection counts them as running.
        daily_micros: used in the last 24 hours.
        weekly_micros: in the last 7 days.
        monthly_micros: in the last 30 days.
        words: the standing in a line.
    """

    as_of: Timestamp
    enabled: bool
    limit_micros: Micros
    period: SpendingPeriod
    window: str
    action: SpendingAction
    stop_running: bool
    spent_micros: Micros
    running_micros: Micros
    projected_micros: Micros
    over_micros: Micros
    percent: float | None
    projected_percent: float | None
    warn_at_percent: int
    state: Literal["off", "ok", "warn", "over"]
    burn_micros: Micros
    active_jobs: int
    unheard_jobs: int
    daily_micros: Micros
    weekly_micros: Micros
    monthly_micros: Micros
    words: str


class CostLimit(SpendingStanding):
    """The limit in SimpleTuner's shape, with the standing beside it.

    Attributes:
        limit_amount: US dollars.
        current_spend: US dollars in the window.
        percent_used: 0 without a limit.
        is_exceeded: what was spent has reached the limit.
        is_warning: it is near, or will be over.
        message: as a line.
    """

    limit_amount: float
    current_spend: float
    percent_used: float
    is_exceeded: bool
    is_warning: bool
    message: str


class CostLimitQuery(TypedDict, total=False):
    """The provider, which is not looked at: there is one."""

    provider: str


class CostLimitChange(TypedDict, total=False):
    """What of the limit is to be changed; what is left out stays.

    Attributes:
        enabled: whether it counts.
        amount: dollars as typed, such as `$1,250.50`; numbers are taken as well.
        amount_micros: the same in micro-dollars.
        period: its window; `day`, `7 d` and the like are understood.
        action: what it does.
        stop_running: whether running jobs are cancelled when it is reached.
    """

    enabled: bool
    amount: str | float
    amount_micros: Micros
    period: str
    action: str
    stop_running: bool


class DaysQuery(TypedDict, total=False):
    """Days of the chart, today included: 1 to 366; 30 without it."""

    days: int


class SpendingDay(TypedDict):
    """One day of the chart.

    Attributes:
        date: such as `2026-05-12`, by this machine's midnights.
        cost_micros: what jobs cost on that day.
        jobs: jobs that were made on that day, by state.
    """

    date: str
    cost_micros: Micros
    jobs: dict[JobStatus, int]


class SpendingSummary(SpendingStanding):
    """The standing with the chart, counts and lengths.

    Attributes:
        days: of the chart.
        by_day: oldest first.
        total_micros: of the chart.
        jobs_by_status: jobs of these days.
        job_count: all of them.
        average_seconds: mean length of those that ended well.
        unpriced_jobs: jobs without a known price.
        lost_jobs: jobs that Replicate does not know any more.
        lost_micros: the most that these can have cost.
        billing_page: where Replicate shows what it billed.
    """

    days: int
    by_day: list[SpendingDay]
    total_micros: Micros
    jobs_by_status: dict[JobStatus, int]
    job_count: int
    average_seconds: float | None
    unpriced_jobs: int
    lost_jobs: int
    lost_micros: Micros
    billing_page: str


class Rate(TypedDict):
    """A machine with its rate in force and the published one.

    Attributes:
        profile: the hardware profile.
        label: for people.
        vram_gb: memory of one card, in GB.
        gpus: number of cards.
        sku: Replicate's name of the hardware.
        model: the trainer on it; null where no public one exists.
        best_for: one line of advice.
        rate_micros: micro-dollars per second in force.
        published_micros: the published ones.
        changed: whether the two differ.
        read_on: the day the published rate was read, such as `2026-05-12`.
        source: where it was read.
    """

    profile: str
    label: str
    vram_gb: int
    gpus: int
    sku: str
    model: str | None
    best_for: str
    rate_micros: Micros
    published_micros: Micros
    changed: bool
    read_on: str
    source: str


class Rates(TypedDict):
    """All machines' rates, and when and where the published ones were read."""

    rates: list[Rate]
    read_on: str
    source: str


RatesChange: TypeAlias = dict[str, str | int | None]
"""Rates by hardware profile: micro-dollars per second, or a text such as `$3.51/h`; null brings the
published one back."""


class DefaultsChange(TypedDict, total=False):
    """What jobs take unless they say otherwise: a way of delivery, in any case of letters."""

    delivery: str


class Defaults(TypedDict):
    """What jobs take unless they say otherwise."""

    delivery: Literal["local", "hub", "s3", "none"]


class MetricsDay(TypedDict):
    """One day in SimpleTuner's shape; costs in US dollars."""

    date: str
    total_jobs: int
    completed: int
    failed: int
    cancelled: int
    local_jobs: Literal[0]
    cloud_jobs: int
    total_cost_usd: float


class Metrics(TypedDict):
    """Costs and outcomes in SimpleTuner's shape.

    Attributes:
        credit_balance: always null: Replicate tells none.
        estimated_jobs_remaining: always null.
        total_cost: US dollars.
        job_count: jobs of the period.
        avg_job_duration_seconds: of those that ended well.
        jobs_by_status: jobs of the period.
        cost_by_day: oldest first.
        period_days: as asked for, 1 to 365.
    """

    credit_balance: None
    estimated_jobs_remaining: None
    total_cost: float
    job_count: int
    avg_job_duration_seconds: float | None
    jobs_by_status: dict[JobStatus, int]
    cost_by_day: list[MetricsDay]
    period_days: int


class BalanceRefreshed(TypedDict):
    """There is no balance to be had; `error` says so."""

    credit_balance: None
    estimated_jobs_remaining: None
    error: str
