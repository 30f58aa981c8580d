"""The x axis of a chart: training steps, time since the first step, or time of day."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, Literal, NamedTuple

from tui.app.chart.scale import round_ticks
from tui.base import formatting

Kind = Literal["step", "elapsed", "clock"]

_PACES: Final = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400,
)  # fmt: skip
"""Seconds between labels that people count in."""


class Axis(NamedTuple):
    """What the x values of the curves are.

    Attributes:
        kind: steps; milliseconds since the first step; or milliseconds since 1970, UTC.
        title: how the axis is called.
        smallest: the length of the closest zoom.
    """

    kind: Kind
    title: str
    smallest: int

    def label(self, x: float) -> str:
        """Returns the text of a tick: `1200`, `12 m`, `14:02`; empty between two steps."""
        if self.kind == "step":
            return f"{x:.0f}" if x == int(x) else ""
        if self.kind == "elapsed":
            return _length(x)
        return f"{_local(x):%H:%M:%S}".removesuffix(":00")

    def read_out(self, x: float) -> str:
        """Returns where a cursor stands: `step 1200`, `at 12 m 03 s`, `at 14:02:10`."""
        if self.kind == "step":
            return f"step {x:.0f}"
        return f"at {_length(x)}" if self.kind == "elapsed" else f"at {_local(x):%H:%M:%S}"

    def ticks(self, start: float, end: float, wanted: int) -> list[float]:
        """Returns places for labels, about as many as wanted."""
        if self.kind == "step" or end <= start:
            return round_ticks(start, end, wanted)
        # Local midnight is a round time, whatever the zone.
        offset = _local(start).utcoffset() if self.kind == "clock" else None
        shift = offset.total_seconds() if offset else 0.0
        first, last = start / 1000 + shift, end / 1000 + shift
        rough = (last - first) / max(1, wanted)
        pace = next((pace for pace in _PACES if pace >= rough * 0.999), None)
        if pace is None:
            pace = int(-(-rough // _PACES[-1])) * _PACES[-1]
        at, ticks = -int(-first // pace) * pace, list[float]()
        while at <= last:
            ticks.append((at - shift) * 1000)
            at += pace
        return ticks


STEPS: Final = Axis("step", "step", 4)
ELAPSED: Final = Axis("elapsed", "time since step 1", 4000)
CLOCK: Final = Axis("clock", "clock", 4000)
RECEIVED: Final = Axis("clock", "clock, as received", 4000)
"""The log has no times: the clock is when its first step was read here."""


def _length(x: float) -> str:
    seconds = x / 1000
    return f"{seconds:.0f} s" if 0 <= seconds < 60 else formatting.duration(seconds)


def _local(x: float) -> datetime:
    return datetime.fromtimestamp(x / 1000, UTC).astimezone()
