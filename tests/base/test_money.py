"""Costs of machine time: exact, in whole micro-dollars."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from tui.base.money import billed_cost, running_cost

BEGIN = datetime(2026, 5, 12, 12, tzinfo=UTC)
RATES = st.integers(0, 1_000_000)
TIMES = st.timedeltas(timedelta(0), timedelta(days=400))


def test_a_year_of_the_dearest_machine_is_exact() -> None:
    assert running_cost(12_200, BEGIN, BEGIN + timedelta(days=365)) == 12_200 * 365 * 86_400
    assert running_cost(975, BEGIN, BEGIN + timedelta(microseconds=1_999_999)) == 1949
    assert billed_cost(975, 1.5) == 1462
    assert billed_cost(975, -1.0) == 0


@given(RATES, TIMES)
def test_the_running_cost_is_the_exact_one_without_its_fraction(rate: int, time: timedelta) -> None:
    micros = running_cost(rate, BEGIN, BEGIN + time)
    exact = Fraction(time // timedelta(microseconds=1), 1_000_000) * rate
    assert isinstance(micros, int)
    assert micros <= exact < micros + 1


@given(RATES, TIMES, TIMES)
def test_the_running_cost_never_decreases_and_parts_lose_nothing(
    rate: int, first: timedelta, second: timedelta
) -> None:
    middle, end = BEGIN + first, BEGIN + first + second
    before, whole = running_cost(rate, BEGIN, middle), running_cost(rate, BEGIN, end)
    assert 0 <= before <= whole
    assert 0 <= whole - before - running_cost(rate, middle, end) <= 1
    assert running_cost(rate, end, BEGIN) == 0


@given(RATES, TIMES)
def test_the_bill_of_a_run_is_its_running_cost_within_a_micro_dollar(
    rate: int, time: timedelta
) -> None:
    billed = billed_cost(rate, time.total_seconds())
    assert 0 <= billed - running_cost(rate, BEGIN, BEGIN + time) <= 1
