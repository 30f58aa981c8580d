"""When a run did its steps: the times since the first one, and of day where they are known.

The log names no time of day, but each of its bars the seconds since the steps began. A file that
`report_to: simpletuner` writes names the time of each value.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta

from tui.simpletuner.log.grammar import TRAINING_BAR, seconds


class StepClock:
    """Seconds by step, both rising.

    Attributes:
        steps: steps at which the time is known.
        elapsed: their times, in seconds of the run; the time at which it stood still is left out.
        resumed: steps at which it began anew, after a checkpoint or a restart.
        began: the time of day of the first of them; None when nobody knows it.
        received: whether that is when it was read here, not when it was done.
    """

    def __init__(self, began: datetime | None = None, *, received: bool = True) -> None:
        self.steps = array("q")
        self.elapsed = array("d")
        self.resumed: list[int] = []
        self.began = began
        self.received = received
        self._last: float | None = None
        self._newest = -1
        self._before = 0.0

    def feed(self, data: bytes) -> int:
        """Read the bars of a part of the log.

        Returns:
            How many bytes need not be read again: up to the end of the last bar.
        """
        end = 0
        for match in TRAINING_BAR.finditer(data):
            end = match.end()
            time = match[1].partition(b"[")[2].partition(b"<")[0]
            passed = seconds(time)
            if passed is not None:
                self.add(int(match[2]), passed)
        return end

    def add(self, step: int, passed: float) -> None:
        """Take the time of a step, in seconds since the run, or a later part of it, began."""
        if self._last is not None and passed < self._last:
            self._before += self._last  # another bar: the run began anew
            self.resumed.append(step)
        elif step < self._newest:
            self.resumed.append(step)
        self._last, self._newest = passed, step
        at = self._before + passed
        # Several steps within a second are spread over it: only the first of them is kept.
        if not self.steps or (step > self.steps[-1] and at > self.elapsed[-1]):
            self.steps.append(step)
            self.elapsed.append(at)

    def seconds_at(self, steps: Sequence[int]) -> array[float]:
        """Return the seconds between the first known step and each of some rising steps.

        Between two known steps the pace is even, beyond the last it goes on.
        """
        known, times = self.steps, self.elapsed
        if len(known) < 2:
            return array("d", bytes(8 * len(steps)))
        found, first, last = array("d"), times[0], len(known) - 2
        at = 0
        for step in steps:
            if step >= known[at + 1] and at < last:
                at = min(bisect_right(known, step, at) - 1, last)
            share = (step - known[at]) / (known[at + 1] - known[at])
            found.append(max(0.0, times[at] - first + share * (times[at + 1] - times[at])))
        return found

    def moment(self, passed: float) -> datetime | None:
        """Return the time of day so many seconds after the first known step."""
        return None if self.began is None else self.began + timedelta(seconds=passed)
