"""What was spent, as the API and the command line answer it: from jobs alone, without the store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo

from tui.base.formatting import dollars
from tui.base.pages import BILLING_PAGE
from tui.engine.spending.rules import (
    WARN_AT,
    WINDOW_WORDS,
    WINDOWS,
    Limit,
    burn_rate,
    by_day,
    day_borders,
    judge,
    tally,
    used,
)
from tui.store.billed import Billed

TYPE_CHECKING = False  # `typing` takes longer to load than a short command to run
if TYPE_CHECKING:
    from typing import Final, Literal

    from tui.api.spending import SpendingStanding, SpendingSummary

LONGEST_WINDOW: Final = timedelta(days=30)
MAX_DAYS: Final = 366


def begin_of(days: int, now: datetime, zone: tzinfo | None) -> tuple[datetime, datetime]:
    """The first midnight of a chart, and the moment from which jobs are read for it."""
    first = day_borders(days, now, zone)[0]
    return first, min(first, now - LONGEST_WINDOW)


def borders_of(days: int, now: datetime, zone: tzinfo | None) -> list[datetime]:
    """The moments from which `standing` and `summary` sum: midnights, and begins of windows."""
    return [*day_borders(days, now, zone), *(now - window for window in WINDOWS.values())]


def standing(
    limit: Limit, jobs: Sequence[Billed], now: datetime, *, stop_running: bool
) -> SpendingStanding:
    """What was spent beside the limit: the shape `SpendingStanding` of the HTTP API."""
    verdict = judge(limit, jobs, 0, now)
    state: Literal["off", "ok", "warn", "over"] = "off"
    if limit.enabled:
        state = "over" if verdict.over_micros else "warn" if verdict.warns else "ok"
    spent = {period: used(jobs, now - window, now) for period, window in WINDOWS.items()}
    # Without a limit there is no window to show, so the last week is shown.
    shown_micros = spent[limit.period if limit.enabled else "weekly"]
    unheard = sum(job.heard_until is not None for job in jobs)
    at_least = "at least " if unheard else ""
    window = WINDOW_WORDS[limit.period if limit.enabled else "weekly"]
    of_limit = f" of {dollars(limit.amount_micros)}" if limit.enabled else ""
    return {
        "as_of": now.isoformat(),
        "enabled": limit.enabled,
        "limit_micros": limit.amount_micros,
        "period": limit.period,
        "window": window,
        "action": limit.action,
        "stop_running": stop_running,
        "spent_micros": shown_micros,
        "running_micros": verdict.running_micros,
        "projected_micros": verdict.projected_micros,
        "over_micros": verdict.over_micros,
        "percent": _share(shown_micros, limit) if limit.enabled else None,
        "projected_percent": _share(verdict.projected_micros, limit) if limit.enabled else None,
        "warn_at_percent": WARN_AT,
        "state": state,
        "burn_micros": burn_rate(jobs),
        "active_jobs": sum(job.is_active for job in jobs),
        "unheard_jobs": unheard,
        "daily_micros": spent["daily"],
        "weekly_micros": spent["weekly"],
        "monthly_micros": spent["monthly"],
        "words": f"{at_least}{dollars(shown_micros)}{of_limit} / {window}",
    }


def summary(
    now_standing: SpendingStanding,
    jobs: Sequence[Billed],
    lost: tuple[int, int],
    days: int,
    *,
    now: datetime,
    zone: tzinfo | None = None,
) -> SpendingSummary:
    """The shape `SpendingSummary` of the HTTP API: standing, costs by day, counts of jobs.

    Args:
        now_standing: the answer of `standing`.
        jobs: those since `begin_of`.
        lost: number of lost jobs, and their highest cost in micro-dollars.
        days: days of the chart, today included.
        now: the time.
        zone: time zone of the midnights; None takes this machine's.
    """
    counts = tally(jobs, begin_of(days, now, zone)[0])
    chart = by_day(jobs, days, now, zone)
    rows = [{"date": day.date, "cost_micros": day.cost_micros, "jobs": day.jobs} for day in chart]
    return {
        **now_standing,
        "days": days,
        "by_day": rows,  # type: ignore[typeddict-item]  # states are texts in the store
        "total_micros": sum(day.cost_micros for day in chart),
        "jobs_by_status": counts.counts,  # type: ignore[typeddict-item]  # likewise
        "job_count": sum(counts.counts.values()),
        "average_seconds": counts.average_seconds,
        "unpriced_jobs": counts.unpriced,
        "lost_jobs": lost[0],
        "lost_micros": lost[1],
        "billing_page": BILLING_PAGE,
    }


def _share(micros: int, limit: Limit) -> float:
    """Percent of the limit; any amount is 100 % of a limit of 0."""
    if limit.amount_micros <= 0:
        return 100.0 if micros > 0 else 0.0
    return round(micros * 100 / limit.amount_micros, 2)
