"""Axes: ranges, round ticks and labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tui.app.chart.data import Span

_PARTS: Final = 32
"""Into how many parts at most a growing plot is divided, whole numbers of which it is long."""


@dataclass(frozen=True, slots=True)
class Scale:
    """The y axis of a chart.

    Attributes:
        low: value (its logarithm on a log scale) at the bottom.
        high: value at the top.
        log: whether the axis is logarithmic.
    """

    low: float
    high: float
    log: bool = False

    @classmethod
    def around(cls, curves: Sequence[Sequence[Span | None]], log: bool) -> Scale:
        """Returns a scale that shows every value of the curves."""
        low, high = math.inf, -math.inf
        for spans in curves:
            for span in spans:
                if span is not None:
                    low, high = min(low, span.low), max(high, span.high)
        if low > high:
            return cls(0.0, 1.0, log)
        if high - low < max(abs(high), abs(low), 1e-300) * 1e-12:
            air = 0.5 if log else abs(high) * 0.1 or 1.0
            return cls(low - air, high + air, log)
        if not log and 0 < low < high * 0.15:
            low = 0.0  # a curve that nearly reaches zero is read more easily from zero
        return cls(low, high, log)

    def value(self, share: float) -> float:
        """Returns the value at a share of the height: 0 is the bottom, 1 the top."""
        at = self.low + (self.high - self.low) * share
        return 10.0**at if self.log and at < 300 else at

    def ticks(self, rows: int) -> dict[int, str]:
        """Returns labels by row from the top, about one for every four rows."""
        if rows < 1:
            return {}
        wanted = max(2, min(8, rows // 3))
        labels = self._placed(wanted, rows)
        if len(labels) < 2:
            labels = self._placed(wanted * 2, rows)
        if len(labels) < 2:
            labels = {0: label(self.value(1.0)), rows - 1: label(self.value(0.0))}
        return labels

    def _placed(self, wanted: int, rows: int) -> dict[int, str]:
        labels: dict[int, str] = {}
        for tick in self._round_values(wanted):
            share = (tick - self.low) / (self.high - self.low)
            row = round((1 - share) * (rows - 1))
            if 0 <= row < rows:
                labels[row] = label(10.0**tick if self.log else tick)
        return labels

    def _round_values(self, wanted: int) -> list[float]:
        if self.log and self.high - self.low >= 1.0:
            step = max(1, round((self.high - self.low) / wanted))
            return [float(at) for at in range(math.ceil(self.low), math.floor(self.high) + 1, step)]
        if self.log:
            values = round_ticks(10.0**self.low, 10.0**self.high, wanted)
            return [math.log10(value) for value in values if value > 0]
        return round_ticks(self.low, self.high, wanted)


def with_room(start: float, end: float) -> float:
    """Returns where a plot ends whose curves grow: at most a sixteenth of it stays empty.

    As long as it ends there the columns of dots stand for the same steps, so a step more changes
    the last one alone.
    """
    length = end - start
    unit = 2.0 ** math.ceil(math.log2(length / _PARTS)) if length > _PARTS else 1.0
    return start + math.ceil(length / unit) * unit


def round_ticks(low: float, high: float, wanted: int) -> list[float]:
    """Returns round numbers between two values, about as many as wanted."""
    if not high > low:
        return [low]
    rough = (high - low) / max(1, wanted)
    power = 10.0 ** math.floor(math.log10(rough)) if rough > 1e-300 else 0.0
    if not power:
        return [low, high]
    step = next(power * times for times in (1, 2, 5, 10) if power * times >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [at * step for at in range(first, last + 1)] if last - first < 100 else [low, high]


def label(value: float) -> str:
    """Returns a short label: `0.142`, `8.9e-05`, `1200`."""
    text = f"{value:.3g}"
    if "e+" in text and abs(value) < 1e7:
        return f"{value:.0f}"
    return text.replace("e+0", "e").replace("e-0", "e-").replace("e+", "e")


def on_log(spans: Sequence[Span | None]) -> list[Span | None]:
    """Returns spans as logarithms; None where a value is not above zero."""
    logs: list[Span | None] = []
    for span in spans:
        if span is None or span.high <= 0:
            logs.append(None)
            continue
        logs.append(Span(*(math.log10(part if part > 0 else span.high) for part in span)))
    return logs
