"""Curves over time instead of steps."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

from tui.app.chart.axis import CLOCK, ELAPSED, RECEIVED, STEPS, Axis, Kind
from tui.app.chart.data import Series
from tui.simpletuner.log.step_clock import StepClock

KINDS: tuple[Kind, ...] = ("step", "elapsed", "clock")
"""The axes, in the order in which a key goes through them."""


def next_kind(kind: Kind) -> Kind:
    """Returns the axis after one."""
    return KINDS[(KINDS.index(kind) + 1) % len(KINDS)]


def axis_of(kind: Kind, clocks: Iterable[StepClock]) -> Axis:
    """Returns the axis of a kind, named by what is known of the runs' times."""
    if kind == "step":
        return STEPS
    if kind == "elapsed":
        return ELAPSED
    return RECEIVED if any(clock.received for clock in clocks) else CLOCK


def over(series: Series, clock: StepClock | None, axis: Axis) -> Series:
    """Returns a series over an axis; an empty one where the run's times are not known."""
    if axis.kind == "step":
        return series
    timed = Series(series.name, array("q", places(series.steps, clock, axis)), series.values)
    return timed if len(timed.steps) == len(series) else Series(series.name, [], [])


def places(steps: Iterable[int], clock: StepClock | None, axis: Axis) -> list[int]:
    """Returns the x values of rising steps; none where the run's times are not known."""
    if axis.kind == "step":
        return list(steps)
    if clock is None or len(clock.steps) < 2 or (axis.kind == "clock" and clock.began is None):
        return []
    start = 0.0 if axis.kind == "elapsed" or clock.began is None else clock.began.timestamp()
    return [round((start + passed) * 1000) for passed in clock.seconds_at(list(steps))]
