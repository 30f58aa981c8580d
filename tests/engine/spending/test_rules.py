"""Costs add up over all windows, clocks and statuses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.engine.spending.rules import (
    Limit,
    accrued,
    burn_rate,
    by_day,
    day_borders,
    expected_rest,
    judge,
    spent,
    tally,
    used,
)
from tui.store.billed import Billed

T0 = datetime(2026, 3, 1, tzinfo=UTC)
seconds = st.integers(0, 40 * 86400)


@st.composite
def billed(draw: st.DrawFn) -> Billed:
    start = T0 + timedelta(seconds=draw(seconds))
    rate = draw(st.sampled_from([25, 975, 1525, 12_200]))
    kind = draw(st.sampled_from(["done", "running", "queued", "aborted"]))
    if kind == "queued":
        return Billed("queued", None, None, None, rate, draw(st.integers(0, 10**8)), start)
    if kind == "aborted":
        return Billed("cancelled", None, start, 0, rate, None, start)
    if kind == "running":
        return Billed("running", start, None, None, rate, draw(st.integers(0, 10**8)), start)
    length = timedelta(milliseconds=draw(st.integers(0, 12 * 3600 * 1000)))
    cost = round(length.total_seconds() * rate)
    return Billed("completed", start, start + length, cost, rate, None, start)


@given(st.lists(billed(), max_size=6), seconds, seconds, seconds)
def test_adjoining_windows_add_up(jobs: list[Billed], a: int, b: int, c: int) -> None:
    first, middle, last = (T0 + timedelta(seconds=value) for value in sorted((a, b, c)))
    assert spent(jobs, first, middle) + spent(jobs, middle, last) == spent(jobs, first, last)


@given(st.lists(billed(), max_size=6))
def test_a_window_over_everything_holds_the_whole_cost(jobs: list[Billed]) -> None:
    done = [job for job in jobs if job.cost_micros is not None]
    whole = spent(done, T0 - timedelta(days=1), T0 + timedelta(days=400))
    assert whole == sum(job.cost_micros or 0 for job in done)


@given(billed(), seconds, seconds)
def test_a_cost_never_shrinks_and_is_never_negative(job: Billed, a: int, b: int) -> None:
    early, late = (T0 + timedelta(seconds=value) for value in sorted((a, b)))
    assert 0 <= accrued(job, early) <= accrued(job, late)


@given(st.lists(billed(), max_size=6), seconds, st.integers(0, 10**8), st.integers(0, 10**9))
def test_block_refuses_exactly_what_is_over(
    jobs: list[Billed], at: int, estimate: int, amount: int
) -> None:
    now = T0 + timedelta(seconds=at)
    verdict = judge(Limit(True, amount, "weekly", "block"), jobs, estimate, now)
    assert verdict.blocks == (verdict.projected_micros > amount)
    assert verdict.over_micros == max(0, verdict.projected_micros - amount)
    assert not judge(Limit(True, amount, "weekly", "warn"), jobs, estimate, now).blocks
    assert not judge(Limit(False, amount, "weekly", "block"), jobs, estimate, now).warns


def test_queued_and_aborted_jobs_have_cost_nothing() -> None:
    queued = Billed("queued", None, None, None, 975, 3_000_000, T0)
    aborted = Billed("cancelled", None, T0, 0, 975, None, T0)
    assert spent([queued, aborted], T0 - timedelta(days=9), T0 + timedelta(days=9)) == 0
    assert expected_rest([queued, aborted], T0) == 3_000_000


def test_a_running_job_counts_by_the_clock() -> None:
    job = Billed("running", T0, None, None, 975, 1_000_000, T0)
    assert accrued(job, T0 + timedelta(hours=1)) == 975 * 3600
    assert expected_rest([job], T0 + timedelta(seconds=100)) == 1_000_000 - 97_500


def test_a_clock_set_back_takes_nothing_away() -> None:
    job = Billed("running", T0, None, None, 975, None, T0)
    assert accrued(job, T0 - timedelta(days=1)) == 0


ZONES = [None, UTC, ZoneInfo("Europe/Berlin"), ZoneInfo("Australia/Lord_Howe")]


@given(
    st.lists(billed(), max_size=6), seconds, st.sampled_from([7, 30, 90]), st.sampled_from(ZONES)
)
def test_days_add_up_to_the_window_in_every_zone(
    jobs: list[Billed], at: int, days: int, zone: tzinfo | None
) -> None:
    now = T0 + timedelta(seconds=at)  # a month with a change to summer time in it
    chart = by_day(jobs, days, now, zone)
    assert len(chart) == days
    assert sum(day.cost_micros for day in chart) == used(jobs, day_borders(days, now, zone)[0], now)
    assert all(day.cost_micros >= 0 for day in chart)


def test_a_day_of_23_hours_meets_its_neighbours() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    borders = day_borders(3, datetime(2026, 3, 30, 12, tzinfo=UTC), berlin)
    assert [(b - a) / timedelta(hours=1) for a, b in pairwise(borders)] == [24, 23, 24]


def test_a_job_over_midnight_counts_on_both_days() -> None:
    start = datetime(2026, 3, 10, 23, tzinfo=UTC)
    job = Billed("completed", start, start + timedelta(hours=2), 2_000_000, 975, None, start)
    chart = by_day([job], 2, datetime(2026, 3, 11, 12, tzinfo=UTC), UTC)
    assert [(day.cost_micros, day.jobs) for day in chart] == [
        (1_000_000, {"completed": 1}),
        (1_000_000, {}),
    ]
    chart = by_day([job, job], 3, datetime(2026, 3, 12, 12, tzinfo=UTC), UTC)
    assert [(day.date, day.cost_micros, day.jobs) for day in chart] == [
        ("2026-03-10", 2_000_000, {"completed": 2}),
        ("2026-03-11", 2_000_000, {}),
        ("2026-03-12", 0, {}),
    ]
    chart = by_day([job], 2, datetime(2026, 3, 12, 12, tzinfo=UTC), UTC)
    assert [(day.cost_micros, day.jobs) for day in chart] == [(1_000_000, {}), (0, {})]
    early = datetime(2026, 3, 10, tzinfo=UTC)  # by a clock that was set back, jobs are of tomorrow
    assert by_day([job], 1, early - timedelta(hours=1), UTC)[0].jobs == {"completed": 1}


@given(st.lists(billed(), max_size=6), seconds, st.integers(0, 3 * 86400))
def test_a_clock_set_back_keeps_the_cost_of_ended_jobs(
    jobs: list[Billed], at: int, back: int
) -> None:
    done = [job for job in jobs if job.ended_at is not None]
    now = T0 + timedelta(seconds=at) + timedelta(days=41)
    before = judge(Limit(True, 0, "weekly"), done, 0, now)
    after = judge(Limit(True, 0, "weekly"), done, 0, now - timedelta(seconds=back))
    assert after.spent_micros >= before.spent_micros


def test_counts_and_the_average_exclude_earlier_jobs() -> None:
    hour = timedelta(hours=1)
    old = Billed("completed", T0, T0 + hour, 1, 975, None, T0 - hour)
    short = Billed("completed", T0, T0 + hour, 1, 975, None, T0)
    long = Billed("failed", T0, T0 + 3 * hour, 1, 0, None, T0)
    queued = Billed("queued", None, None, None, 975, None, T0)
    unpriced = Billed("queued", None, None, None, 0, None, T0)  # has not cost anything yet
    running = [Billed("running", T0, None, None, rate, None, T0 + hour) for rate in (1, -1)]
    counts = tally([old, short, long, queued, unpriced, *running], T0)
    assert counts.counts == {"completed": 1, "failed": 1, "queued": 2, "running": 2}
    assert counts.average_seconds == 7200
    assert counts.unpriced == 2
    ended_early = Billed("failed", T0, T0 - hour, 0, 975, None, T0)  # by a clock that was set back
    assert tally([short, ended_early], T0).average_seconds == 1800
    assert tally([ended_early], T0).average_seconds == 0
    assert tally([*running, old], T0).average_seconds is None


def test_the_rate_of_all_is_that_of_running_jobs_alone() -> None:
    running = Billed("running", T0, None, None, 975, None, T0)
    queued = Billed("queued", None, None, None, 7, None, T0)
    ended = Billed("completed", T0, T0, 1, 11, None, T0)
    assert burn_rate([running, running, queued, ended]) == 1950


def test_an_end_counts_at_its_moment_and_a_start_does_not() -> None:
    hour = timedelta(hours=1)
    job = Billed("completed", T0, T0 + 2 * hour, 10, 975, None, T0)
    times = (T0 - hour, T0, T0 + hour, T0 + 2 * hour, T0 + 3 * hour)
    assert [accrued(job, at) for at in times] == [0, 0, 5, 10, 10]
    never_ran = Billed("failed", None, T0 + hour, 10, 975, None, T0)
    assert [accrued(never_ran, at) for at in times] == [0, 0, 10, 10, 10]
    unknown = Billed("failed", T0, T0 + hour, None, 975, None, T0)
    assert accrued(unknown, T0 + 3 * hour) == 0
    at_once = Billed("failed", T0, T0, 10, 975, None, T0)
    assert [accrued(at_once, at) for at in (T0 - hour, T0)] == [0, 10]


@pytest.mark.parametrize("limit", [Limit(False, 50, "monthly", "block"), Limit(False)])
def test_a_limit_that_is_off_is_never_exceeded(limit: Limit) -> None:
    verdict = judge(limit, [], 100, T0)
    assert (verdict.over_micros, verdict.blocks, verdict.warns) == (0, False, False)
    assert verdict.percent is None


def test_no_percentage_is_taken_of_a_limit_of_nothing() -> None:
    assert judge(Limit(True, 0, "monthly", "block"), [], 100, T0).percent is None
    assert judge(Limit(True, 1, "monthly", "block"), [], 100, T0).percent == 10_000


def test_a_job_that_is_not_heard_of_counts_until_then_and_for_the_limit_as_running() -> None:
    heard, now = T0 + timedelta(hours=1), T0 + timedelta(hours=3)
    silent = Billed("running", T0, None, None, 1_000, 20_000_000, T0, heard_until=heard)
    running = silent._replace(heard_until=None)
    assert used([silent], T0, now) == 3_600_000
    assert sum(day.cost_micros for day in by_day([silent], 2, now, UTC)) == 3_600_000
    assert (burn_rate([silent]), burn_rate([running])) == (0, 1_000)
    limit = Limit(True, 11_000_000, "daily", "block")
    assert judge(limit, [silent], 0, now) == judge(limit, [running], 0, now)
    assert judge(limit, [silent], 0, now).blocks
