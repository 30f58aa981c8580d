"""Metric series reduced so that drawing a million points costs what drawing a screenful costs.

Every 64 values are summed up once, when they arrive (about 60 ns a point in CPython); a column of
the chart then looks at a few of those blocks and at the loose ends, so no peak is lost however far
one zooms out.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from tui.simpletuner.log.smoothing import smooth_on, smoothed

BLOCK: Final = 64
"""Values in one block."""
EXACT_SMOOTHING_POINTS: Final = 50_000
"""Above this many points smoothing works on the means of blocks; one column holds more anyway."""
SCHEDULES: Final = frozenset({"lr", "learning_rate", "epoch"})
"""Series that the trainer computes instead of measuring them."""


class Span(NamedTuple):
    """The values of a series that fall into one column of a chart.

    Attributes:
        low: smallest finite value.
        high: largest finite value.
        first: first finite value, where the line enters.
        last: last finite value, where it leaves.
    """

    low: float
    high: float
    first: float
    last: float


class Series:
    """One named curve: steps in rising order and a value for each, which may be nan or infinite.

    Attributes:
        name: shown in the legend.
        steps: x values, rising.
        values: y values.
        style: a Rich style for the curve, or empty for the theme's.
        gaps: the steps whose value is not finite, rising; complete after `prepare`.
    """

    __slots__ = (
        "_highs", "_looked_at", "_lows", "_means", "_smooth", "gaps", "name", "steps", "style",
        "values",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        steps: Sequence[int],
        values: Sequence[float],
        style: str = "",
    ) -> None:
        self.name = name
        self.steps = steps if isinstance(steps, array) else array("q", steps)
        self.values = values if isinstance(values, array) else array("d", values)
        self.style = style
        self.gaps: array[int] = array("q")
        self._looked_at = 0
        self._lows = array("d")
        self._highs = array("d")
        self._means = array("d")
        self._smooth: _Smooth | None = None

    def __len__(self) -> int:
        return len(self.steps)

    def prepare(self) -> None:
        """Reduce what has come since the last time. Call it in a thread for a long first load."""
        lows, highs, means, values = self._lows, self._highs, self._means, self.values
        for start in range(len(lows) * BLOCK, len(values) - BLOCK + 1, BLOCK):
            part = values[start : start + BLOCK].tolist()
            total = sum(part)
            if not math.isfinite(total):
                part = finite(part)
                total = sum(part)
            lows.append(min(part, default=math.nan))
            highs.append(max(part, default=math.nan))
            means.append(total / len(part) if part else math.nan)
        for start in range(self._looked_at, len(values), BLOCK):
            part = values[start : start + BLOCK].tolist()
            if not math.isfinite(sum(part)):
                self.gaps.extend(
                    self.steps[start + at]
                    for at, value in enumerate(part)
                    if not math.isfinite(value)
                )
        self._looked_at = len(values)

    def take_over(self, older: Series) -> None:
        """Takes over the sums of an older version, if this series only adds points to it."""
        count = len(older)
        if not 0 < count <= len(self) or self._lows:
            return
        ends = (0, count - 1)
        if all(
            self.steps[at] == older.steps[at] and _same(self.values[at], older.values[at])
            for at in ends
        ):
            self._lows, self._highs, self._means = older._lows, older._highs, older._means
            self.gaps, self._looked_at = older.gaps, older._looked_at
            self._smooth, older._smooth = older._smooth, None

    def spans(self, start: float, end: float, columns: int) -> list[Span | None]:
        """Returns a span for each column from `start` to `end`; None for an empty column."""
        self.prepare()
        width = (end - start) / columns or 1.0
        spans: list[Span | None] = []
        left = bisect_left(self.steps, start)
        for column in range(columns):
            edge = math.inf if column == columns - 1 else start + (column + 1) * width
            if column == columns - 1:
                right = bisect_left(self.steps, math.floor(end) + 1, left)
            else:
                right = bisect_left(self.steps, edge, left)
            spans.append(self._span(left, right) if right > left else None)
            left = right
        return spans

    def broken(self, start: float, end: float, columns: int) -> set[int]:
        """Returns the columns from `start` to `end` that hold a value which is not finite."""
        self.prepare()
        gaps, found = self.gaps, set[int]()
        width = (end - start) / columns or 1.0
        at, limit = bisect_left(gaps, start), bisect_left(gaps, math.floor(end) + 1)
        while at < limit:  # from column to column: there may be a million of them
            column = min(columns - 1, int((gaps[at] - start) / width))
            found.add(column)
            if column == columns - 1:
                break
            at = bisect_left(gaps, start + (column + 1) * width, at + 1)
        return found

    def lowest(self) -> tuple[int, float] | None:
        """Returns the step and the value of the smallest finite value; None without one."""
        self.prepare()
        lows = self._lows
        block = min(
            (at for at, low in enumerate(lows) if low - low == 0.0),
            key=lows.__getitem__,
            default=-1,
        )
        loose = range(len(lows) * BLOCK, len(self))
        near = [*range(block * BLOCK, (block + 1) * BLOCK), *loose] if block >= 0 else loose
        known = [at for at in near if math.isfinite(self.values[at])]
        best = min(known, key=self.values.__getitem__, default=None)
        return None if best is None else (self.steps[best], self.values[best])

    @property
    def constant(self) -> bool:
        """Whether it has two points or more, all of one finite value."""
        if len(self) < 2:
            return False
        if self.values[-1] != self.values[0]:
            return False
        (span,) = self.spans(self.steps[0], self.steps[-1], 1)
        return span is not None and span.low == span.high and not self.gaps

    def _span(self, left: int, right: int) -> Span | None:
        first_block = -(-left // BLOCK)
        last_block = min(right // BLOCK, len(self._lows))
        if last_block <= first_block:
            part = self.values[left:right].tolist()
            if not math.isfinite(sum(part)):
                part = finite(part)
            return Span(min(part), max(part), part[0], part[-1]) if part else None
        head = finite(self.values[left : first_block * BLOCK])
        tail = finite(self.values[last_block * BLOCK : right])
        lows = finite(self._lows[first_block:last_block])
        highs = finite(self._highs[first_block:last_block])
        if not (head or tail or lows):
            return None
        low = min(*head, *tail, *lows, math.inf)
        high = max(*head, *tail, *highs, -math.inf)
        first = head[0] if head else self.values[first_block * BLOCK]
        last = tail[-1] if tail else self.values[last_block * BLOCK - 1]
        return Span(
            low, high, first if math.isfinite(first) else low, last if math.isfinite(last) else high
        )

    def nearest(self, step: float) -> int | None:
        """Returns the index of the point closest to a step; None for an empty series."""
        if not self.steps:
            return None
        at = bisect_left(self.steps, step)
        if at == len(self.steps):
            return at - 1
        if at and step - self.steps[at - 1] <= self.steps[at] - step:
            return at - 1
        return at

    def smoothed(self, weight: float) -> Series:
        """Returns the exponential mean with `weight` (0 to 1) for the past, its start unbiased."""
        self.prepare()
        if len(self) <= EXACT_SMOOTHING_POINTS:
            smooth = self._smoothed_on(weight)
        else:
            steps = self.steps[BLOCK - 1 : len(self._means) * BLOCK : BLOCK]
            smooth = Series(self.name, steps, smoothed(self._means, weight**BLOCK), self.style)
        # A block's mean hides single values that are not finite; the legend must name them.
        smooth.gaps, smooth._looked_at = self.gaps, len(smooth)
        return smooth

    def _smoothed_on(self, weight: float) -> Series:
        """Returns the mean of each value; those of the values before are kept for the next call."""
        before = self._smooth
        if before is None or before.weight != weight:
            before = _Smooth(weight, (0.0, 1.0), Series("", [], []))
        means = before.series.values
        state = smooth_on(means, self.values[len(means) :], weight, before.state)
        smooth = Series(self.name, self.steps, means, self.style)
        smooth.take_over(before.series)
        self._smooth = _Smooth(weight, state, smooth)
        return smooth


class _Smooth(NamedTuple):
    """A smoothed curve that can be gone on with.

    Attributes:
        weight: of the past.
        state: of the mean after its last value.
        series: the curve.
    """

    weight: float
    state: tuple[float, float]
    series: Series


def finite(values: Iterable[float]) -> list[float]:
    """Returns the finite values: a finite number minus itself is zero, inf and nan are not."""
    return [value for value in values if value - value == 0.0]


def _same(value: float, other: float) -> bool:
    return value == other or (math.isnan(value) and math.isnan(other))
