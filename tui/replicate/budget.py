"""Rate limiter and circuit breaker that the clients of an account share."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from tui.base.errors import NOTHING_SENT
from tui.replicate.errors import CircuitOpenError, RateLimitedError, ReplicateError


class CircuitState(StrEnum):
    """The state of the circuit breaker."""

    CLOSED = "closed"
    """Calls go through."""
    OPEN = "open"
    """The service failed several times in a row; calls fail at once until the next probe is due."""
    PROBING = "probing"
    """One call goes through to test whether the service works again."""


@dataclass(frozen=True, slots=True)
class Circuit:
    """The state of the circuit breaker for the screen.

    Attributes:
        state: see `CircuitState`.
        failures: failures in a row.
        retry_in: seconds until the next probe; 0 when calls go through.
    """

    state: CircuitState
    failures: int
    retry_in: float


class RateBudget:
    """Shared by all clients of one account, so that ten polled jobs back off together.

    Each call takes a turn; turns are spaced by a rate, with room for bursts. A 429 blocks all
    callers for the time that the service asks for, halves the rate and removes the burst; each
    successful answer raises the rate by a tenth. After `failures_to_open` failures in a row the
    circuit opens: calls fail at once, and single probes go through at growing intervals.

    Documented limits of Replicate: 600 creates and 3 000 other calls a minute. The defaults are
    half of that.

    Attributes:
        era: is incremented when the network settings change; see `forgive`.
    """

    def __init__(
        self,
        *,
        per_second: float = 25.0,
        burst: int = 50,
        failures_to_open: int = 6,
        first_rest: float = 2.0,
        longest_rest: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.era = 0
        self._full_rate = per_second
        self._rate = per_second
        self._burst = burst
        self._failures_to_open = failures_to_open
        self._first_rest = first_rest
        self._longest_rest = longest_rest
        self._clock = clock
        self._next_turn = 0.0  # when the next turn is due without bursts
        self._blocked_until = 0.0
        self._failures = 0
        self._last_failure: ReplicateError | None = None
        self._probe_pause = first_rest
        self._probe_at: float | None = None  # not None: the circuit is open
        self._probing = False

    @property
    def blocked_for(self) -> float:
        """Seconds until the pause that the service asked for is over; 0 without one."""
        return max(0.0, self._blocked_until - self._clock())

    @property
    def circuit(self) -> Circuit:
        """The current state of the circuit breaker."""
        if self._probe_at is None:
            return Circuit(CircuitState.CLOSED, self._failures, 0.0)
        state = CircuitState.PROBING if self._probing else CircuitState.OPEN
        return Circuit(state, self._failures, max(0.0, self._probe_at - self._clock()))

    async def turn(self, patience: float) -> None:
        """Wait for a turn.

        Args:
            patience: longest wait in seconds.

        Raises:
            CircuitOpenError: the circuit is open.
            RateLimitedError: the turn would come later than `patience` allows.
        """
        self._pass_circuit()
        wait = self._reserve(patience)
        while wait > 0:
            await asyncio.sleep(wait)
            # Another call may have got a 429 meanwhile, which cancels this turn as well.
            wait = self._reserve(patience) if self._blocked_until > self._clock() else 0.0

    def _pass_circuit(self) -> None:
        if self._probe_at is None:
            return
        now = self._clock()
        if now < self._probe_at:
            remaining = self._probe_at - now
            # That the failed call sent nothing is no news of this one, which says so by itself.
            last = f" {self._last_failure.message}" if self._last_failure else ""
            last = last.removesuffix(f" {NOTHING_SENT}")
            advice = f" {self._last_failure.advice}" if self._last_failure else ""
            raise CircuitOpenError(
                f"Replicate has failed {self._failures} times in a row; "
                f"the next try is in {max(1, round(remaining))} s.{last}",
                advice=f"{NOTHING_SENT} Jobs that run are not touched by this.{advice}",
                retry_after=remaining,
            )
        self._probing = True
        self._probe_at = now + self._probe_pause  # the next probe, in case this one is cancelled

    def _reserve(self, patience: float) -> float:
        now = self._clock()
        due = max(self._next_turn, now)
        wait = max(due - self._burst / self._full_rate, self._blocked_until) - now
        if wait > patience:
            raise RateLimitedError(
                f"Replicate asks for a pause of {max(1, round(wait))} s.",
                advice="It goes on by itself; fewer jobs at a time need fewer calls.",
                retry_after=wait,
            )
        self._next_turn = due + 1.0 / self._rate
        return max(0.0, wait)

    def throttled(self, seconds: float) -> None:
        """Block all calls for `seconds` after a 429."""
        self._answered()
        until = self._clock() + max(0.0, seconds)
        self._blocked_until = max(self._blocked_until, until)
        self._rate = max(self._rate / 2, self._full_rate / 32)
        # No burst afterwards: waiting calls go out one by one.
        self._next_turn = max(self._next_turn, until + self._burst / self._full_rate)

    def used_up(self, seconds: float) -> None:
        """Block all calls for `seconds`, until the rate limit's window ends: its quota is used."""
        self._blocked_until = max(self._blocked_until, self._clock() + max(0.0, seconds))

    def forgive(self) -> None:
        """Reset the failures after a change of the network settings."""
        self.era += 1
        self._answered()

    def answered(self) -> None:
        """Count an answer of a working service, including errors about our request."""
        self._answered()
        self._rate = min(self._full_rate, self._rate * 1.1)

    def _answered(self) -> None:
        self._failures = 0
        self._last_failure = None
        self._probe_pause = self._first_rest
        self._probe_at = None
        self._probing = False

    def failed(self, why: ReplicateError | None = None, era: int | None = None) -> None:
        """Count a missing answer, or one of a failing service.

        Args:
            why: the failure, shown while the circuit is open.
            era: the era in which the call was made; a failure of an earlier one is ignored.
        """
        if era is not None and era != self.era:
            return
        self._failures += 1
        self._last_failure = why or self._last_failure
        if self._probe_at is not None and not self._probing:
            return  # a call from before the circuit opened
        if self._failures < self._failures_to_open:
            return
        jitter = random.uniform(0.8, 1.2)  # noqa: S311  # no cryptographic use
        self._probe_at = self._clock() + self._probe_pause * jitter
        self._probing = False
        self._probe_pause = min(self._longest_rest, self._probe_pause * 2)
