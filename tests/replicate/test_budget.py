"""The limits of the rate budget, one by one. Its clock and its pauses take no time."""

from __future__ import annotations

import asyncio
import math
import random

import pytest

from tests.replicate.pauses import Pauses
from tui.replicate.budget import CircuitState, RateBudget
from tui.replicate.errors import CircuitOpenError, RateLimitedError, ReplicateError

LONGEST_REST = 40


async def spacing(budget: RateBudget, pauses: Pauses) -> float:
    """Seconds between two turns when there is no room for a burst."""
    for _ in range(200):
        await budget.turn(math.inf)
    return pauses.taken[-1]


async def test_a_turn_that_comes_just_in_time_is_waited_for(pauses):
    budget = RateBudget(per_second=4, burst=4, clock=pauses)
    for _ in range(5):
        await budget.turn(0)
    await budget.turn(0.25)
    assert pauses.taken == [0.25]
    with pytest.raises(RateLimitedError):
        await budget.turn(0.24)


@pytest.mark.parametrize("later", [RateBudget.throttled, RateBudget.used_up])
def test_a_later_wish_for_a_shorter_rest_does_not_end_the_longer_one(pauses, later):
    budget = RateBudget(clock=pauses)
    budget.throttled(30)
    later(budget, 1)
    assert budget.blocked_for == 30
    later(budget, 31)
    assert budget.blocked_for == 31


async def test_a_refusal_with_a_time_that_is_over_still_ends_the_burst(pauses):
    budget = RateBudget(per_second=4, burst=4, clock=pauses)
    budget.throttled(-5)
    assert budget.blocked_for == 0
    await budget.turn(0)
    with pytest.raises(RateLimitedError):
        await budget.turn(0)


async def test_the_rate_falls_to_a_thirty_second_part_and_rises_to_the_whole(pauses):
    budget = RateBudget(per_second=8, burst=2, clock=pauses)
    for _ in range(20):
        budget.throttled(0)
    assert await spacing(budget, pauses) == pytest.approx(32 / 8)
    for _ in range(100):
        budget.answered()
    assert await spacing(budget, pauses) == pytest.approx(1 / 8)


async def test_after_a_refusal_turns_come_one_by_one_at_half_the_rate(pauses):
    budget = RateBudget(per_second=4, burst=8, clock=pauses)
    budget.throttled(10)
    for _ in range(4):
        await budget.turn(math.inf)
    assert pauses.taken == [10, 0.5, 0.5, 0.5]


async def test_a_refusal_of_another_call_ends_the_turn_that_was_waited_for(pauses, monkeypatch):
    budget = RateBudget(per_second=4, burst=1, clock=pauses)
    await budget.turn(0)
    await budget.turn(0)

    async def refused_meanwhile(seconds: float) -> None:
        await pauses.sleep(seconds)
        if len(pauses.taken) == 1:
            budget.throttled(7)

    monkeypatch.setattr(asyncio, "sleep", refused_meanwhile)
    await budget.turn(60)
    assert pauses.now >= 0.25 + 7


def test_failures_of_calls_from_before_the_circuit_opened_do_not_lengthen_its_rest(pauses):
    budget = RateBudget(failures_to_open=2, first_rest=10, longest_rest=1_000, clock=pauses)
    budget.failed()
    budget.failed()
    rest = budget.circuit.retry_in
    for _ in range(5):
        budget.failed()
    assert budget.circuit.retry_in == rest


async def test_the_rest_of_the_circuit_grows_up_to_the_longest(pauses):
    budget = RateBudget(failures_to_open=1, first_rest=10, longest_rest=LONGEST_REST, clock=pauses)
    for _ in range(8):
        budget.failed()
        pauses.now += budget.circuit.retry_in
        await budget.turn(0)
        assert budget.circuit.state is CircuitState.PROBING
    budget.failed()
    assert 0.8 * LONGEST_REST <= budget.circuit.retry_in <= 1.2 * LONGEST_REST


async def test_without_other_wishes_half_of_the_documented_calls_go_through(pauses):
    """3 000 a minute are allowed: 25 in a second, and two seconds' worth at once."""
    budget = RateBudget(clock=pauses)
    for _ in range(51):
        await budget.turn(1e-9)
    with pytest.raises(RateLimitedError, match="a pause of 1 s") as caught:
        await budget.turn(0)
    assert caught.value.retry_after == pytest.approx(1 / 25)
    pauses.now += 2.01
    for _ in range(50):
        await budget.turn(0)
    assert await spacing(budget, pauses) == pytest.approx(1 / 25)


async def test_a_long_pause_is_told_to_the_second(pauses):
    budget = RateBudget(clock=pauses)
    budget.used_up(7)
    with pytest.raises(RateLimitedError, match="a pause of 7 s"):
        await budget.turn(6.9)
    await budget.turn(7)
    assert pauses.taken == [7]
    assert await spacing(budget, pauses) == pytest.approx(1 / 25)  # a quota that is used is no 429


@pytest.mark.parametrize("jitter", [0.8, 1.2])
async def test_the_circuit_opens_with_the_sixth_failure_in_a_row(pauses, monkeypatch, jitter):
    monkeypatch.setattr(random, "uniform", lambda low, high: {low: low, high: high}[jitter])
    budget = RateBudget(clock=pauses)
    pauses.now = 100
    for _ in range(5):
        budget.failed()
    budget.answered()
    why = ReplicateError("It is down. Nothing was sent.", advice="Wait.")
    for count in range(1, 6):
        budget.failed(why if count == 1 else None)
        circuit = budget.circuit
        assert (circuit.state, circuit.failures) == (CircuitState.CLOSED, count)
        assert circuit.retry_in == 0
    budget.failed()
    rest = 2 * jitter
    assert budget.circuit.state is CircuitState.OPEN
    assert budget.circuit.retry_in == pytest.approx(rest)
    with pytest.raises(
        CircuitOpenError, match=r"6 times in a row; .* in 2 s\. It is down\."
    ) as caught:
        await budget.turn(60)
    assert caught.value.retry_after == pytest.approx(rest)
    assert caught.value.advice.endswith("this. Wait.")
    assert f"{caught.value.message} {caught.value.advice}".count("Nothing was sent") == 1
    pauses.now += rest  # a probe is due to the moment
    await budget.turn(0)
    assert budget.circuit.state is CircuitState.PROBING
    assert budget.circuit.retry_in == pytest.approx(4)  # the next, should this one say nothing
    with pytest.raises(CircuitOpenError):
        await budget.turn(0)
    pauses.now += 3.6
    with pytest.raises(CircuitOpenError, match="in 1 s"):
        await budget.turn(0)
    budget.failed()
    assert budget.circuit.retry_in == pytest.approx(4 * jitter)
    pauses.now += 99
    assert budget.circuit.retry_in == 0
    budget.answered()
    assert budget.circuit.state is CircuitState.CLOSED
    for _ in range(6):
        budget.failed()
    assert budget.circuit.retry_in == pytest.approx(rest)
    budget.throttled(0)  # it answers, if only to refuse
    assert budget.circuit.state is CircuitState.CLOSED


@pytest.mark.parametrize("era", [-1, 0, 2])
def test_a_failure_of_another_era_does_not_count(pauses, era):
    budget = RateBudget(clock=pauses)
    budget.failed()
    budget.forgive()
    assert budget.era == 1
    budget.failed(era=era)
    assert budget.circuit.failures == 0
    budget.failed(era=1)
    budget.failed()
    assert budget.circuit.failures == 2
