"""One shared sense of how fast we may ask, and whether asking makes sense at all."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from tui.replicate.errors import CircuitOpenError, RateLimitedError, ReplicateError


class CircuitState(StrEnum):
    """Whether the service is being asked at present."""

    CLOSED = "closed"
    """Normal."""
    OPEN = "open"
    """It failed several times in a row; calls fail at once until the next try is due."""
    PROBING = "probing"
    """One call has been let through to see whether it is back."""


@dataclass(frozen=True, slots=True)
class Circuit:
    """What to show about the service's health.

    Attributes:
        state: see `CircuitState`.
        failures: failures in a row.
        retry_in: seconds until the next try is let through; 0 when calls go through.
    """

    state: CircuitState
    failures: int
    retry_in: float


class RateBudget:
    """Shared by all clients of one account, so that ten polled jobs back off together.

    Each call takes a turn; turns are spaced by a pace with some room for bursts. A throttled
    answer stops everybody until the service's own time is over, halves the pace and takes the
    burst away; each good answer gives a little back. After `failures_to_open` failures in a row
    the circuit opens: calls fail at once, and one try goes through now and then.

    Documented limits of Replicate: 600 creates and 3 000 other calls a minute. The defaults stay
    at half of that.

    Attributes:
        era: counts the ways to the service that there have been; see `forgive`.
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
        self._next_turn = 0.0  # when the next turn is due if nobody may run ahead
        self._blocked_until = 0.0
        self._failures = 0
        self._why: ReplicateError | None = None
        self._rest = first_rest
        self._probe_at: float | None = None  # not None: the circuit is open
        self._probing = False

    @property
    def blocked_for(self) -> float:
        """Seconds until the service's own pause is over; 0 when there is none."""
        return max(0.0, self._blocked_until - self._clock())

    @property
    def circuit(self) -> Circuit:
        """The state of the circuit now."""
        if self._probe_at is None:
            return Circuit(CircuitState.CLOSED, self._failures, 0.0)
        state = CircuitState.PROBING if self._probing else CircuitState.OPEN
        return Circuit(state, self._failures, max(0.0, self._probe_at - self._clock()))

    async def turn(self, patience: float) -> None:
        """Wait for a turn.

        Args:
            patience: seconds; a longer wait is refused at once.

        Raises:
            CircuitOpenError: the service is being given a rest.
            RateLimitedError: the turn would come later than `patience` allows.
        """
        self._pass_circuit()
        wait = self._reserve(patience)
        while wait > 0:
            await asyncio.sleep(wait)
            # Meanwhile another call may have been throttled: then this turn is off as well.
            wait = self._reserve(patience) if self._blocked_until > self._clock() else 0.0

    def _pass_circuit(self) -> None:
        if self._probe_at is None:
            return
        now = self._clock()
        if now < self._probe_at:
            rest = self._probe_at - now
            last = f" {self._why.message}" if self._why else ""
            advice = f" {self._why.advice}" if self._why else ""
            raise CircuitOpenError(
                f"Replicate has failed {self._failures} times in a row; "
                f"the next try is in {max(1, round(rest))} s.{last}",
                advice=f"Nothing was sent. Jobs that run are not touched by this.{advice}",
                retry_after=rest,
            )
        self._probing = True
        self._probe_at = now + self._rest  # others wait; if this one is cancelled, one more tries

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
        """The service said 429; nobody asks for `seconds`."""
        self._answered()
        until = self._clock() + max(0.0, seconds)
        self._blocked_until = max(self._blocked_until, until)
        self._rate = max(self._rate / 2, self._full_rate / 32)
        # No burst afterwards: all who waited come one by one.
        self._next_turn = max(self._next_turn, until + self._burst / self._full_rate)

    def used_up(self, seconds: float) -> None:
        """A good answer said that nothing is left of this window, which ends in `seconds`."""
        self._blocked_until = max(self._blocked_until, self._clock() + max(0.0, seconds))

    def forgive(self) -> None:
        """The way to the service is another one now, so failures on the old way say nothing."""
        self.era += 1
        self._answered()

    def answered(self) -> None:
        """The service answered properly (an error about our request counts as that)."""
        self._answered()
        self._rate = min(self._full_rate, self._rate * 1.1)

    def _answered(self) -> None:
        self._failures = 0
        self._why = None
        self._rest = self._first_rest
        self._probe_at = None
        self._probing = False

    def failed(self, why: ReplicateError | None = None, era: int | None = None) -> None:
        """No answer, or one that says the service is broken.

        Args:
            why: is told while calls rest.
            era: when the call's way was chosen; of another one than now, it says nothing.
        """
        if era is not None and era != self.era:
            return
        self._failures += 1
        self._why = why or self._why
        if self._probe_at is not None and not self._probing:
            return  # a call from before the circuit opened
        if self._failures < self._failures_to_open:
            return
        jitter = random.uniform(0.8, 1.2)  # noqa: S311  # spreads tries, guards nothing
        self._probe_at = self._clock() + self._rest * jitter
        self._probing = False
        self._rest = min(self._longest_rest, self._rest * 2)
