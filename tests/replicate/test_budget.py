"""The limits of the rate budget, one by one. Its clock and its pauses take no time."""

from __future__ import annotations

import asyncio
import math

import pytest

from tests.replicate.pauses import Pauses
from tui.replicate.budget import CircuitState, RateBudget
from tui.replicate.errors import RateLimitedError

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
