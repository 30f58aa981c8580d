"""Pauses that take no time: they move a clock, which the test and the rate budget read."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Pauses:
    """Stands in for `asyncio.sleep` and for the clock.

    Attributes:
        now: the clock, in seconds.
        taken: the pauses that were asked for.
    """

    now: float = 0.0
    taken: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Let the time pass at once."""
        self.taken.append(seconds)
        self.now += seconds
