"""Money adds up, whatever the borders, the clock and the states."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tui.engine.spending import Billed, Limit, accrued, by_day, expected_rest, judge, spent

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


@given(st.lists(billed(), max_size=6), st.sampled_from([7, 30, 90]))
def test_days_add_up_to_the_window(jobs: list[Billed], days: int) -> None:
    now = T0 + timedelta(days=35, hours=5)
    chart = by_day(jobs, days, now, UTC)
    begin = datetime.fromisoformat(chart[0].date).replace(tzinfo=UTC)
    assert len(chart) == days
    assert sum(day.cost_micros for day in chart) == spent(jobs, begin, now)
