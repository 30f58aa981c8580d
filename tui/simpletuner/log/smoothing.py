"""Exponential smoothing of a series, as the chart draws it and the list shows its last value."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from typing import Final

WEIGHT: Final = 0.97
"""Weight of the past: a loss of batches of a few images is unreadable with less."""


class Smoothed:
    """A running exponential mean whose start is not pulled towards zero or the first value.

    Args:
        weight: weight of the past, 0 (no smoothing) up to, not including, 1.

    Attributes:
        value: the mean of the finite values so far; None before the first.
        count: how many finite values there were.
    """

    __slots__ = ("_mean", "_missing", "count", "value", "weight")

    def __init__(self, weight: float = WEIGHT) -> None:
        self.weight = weight
        self.value: float | None = None
        self.count = 0
        self._mean = 0.0
        self._missing = 1.0

    def add(self, value: float) -> float | None:
        """Take the next value; returns the mean. Values that are not finite change nothing."""
        if value - value == 0.0:  # false for nan and infinities
            self._mean = self._mean * self.weight + value * (1.0 - self.weight)
            self._missing *= self.weight
            self.count += 1
            self.value = self._mean / (1.0 - self._missing)
        return self.value

    @property
    def is_settled(self) -> bool:
        """Whether as many values went into the mean as its weight looks back on."""
        return self.count * (1.0 - self.weight) >= 1.0

    def dump(self) -> list[float]:
        """The state as JSON values."""
        return [self._mean, self._missing, self.count]

    @classmethod
    def restore(cls, state: list[float], weight: float = WEIGHT) -> Smoothed:
        """Rebuild a mean from the result of `dump`.

        Raises:
            ValueError, TypeError: the state is damaged.
        """
        smoothed = cls(weight)
        mean, missing, count = state
        smoothed._mean, smoothed._missing, smoothed.count = float(mean), float(missing), int(count)
        if smoothed.count:
            smoothed.value = smoothed._mean / (1.0 - smoothed._missing)
        return smoothed


def smoothed(values: Iterable[float], weight: float = WEIGHT) -> array[float]:
    """Return the smoothed values; nan where a value is not finite, so that a curve breaks there."""
    means = array("d")
    smooth_on(means, values, weight)
    return means


def smooth_on(
    means: array[float],
    values: Iterable[float],
    weight: float,
    state: tuple[float, float] = (0.0, 1.0),
) -> tuple[float, float]:
    """Append the smoothed values to those of the values before them.

    The same means as `Smoothed.add` gives, written out: a chart smooths a hundred thousand points
    while somebody waits, and a call for each takes three times as long.

    Args:
        means: the smoothed values so far.
        values: those that follow.
        weight: weight of the past.
        state: what this returned for the values so far.

    Returns:
        The state after these values.
    """
    append, rest, nan = means.append, 1.0 - weight, math.nan
    mean, missing = state
    for value in values:
        if value - value == 0.0:  # false for nan and infinities
            mean = mean * weight + value * rest
            missing *= weight
            append(mean / (1.0 - missing))
        else:
            append(nan)
    return mean, missing


def lowest(means: Sequence[float], weight: float = WEIGHT) -> tuple[float, int] | None:
    """Return the lowest of smoothed values and its place; None where none is finite.

    The mean of the first few batches is luck: it counts only until there are as many values as the
    weight looks back on.
    """
    finite = [at for at, mean in enumerate(means) if mean - mean == 0.0]
    settled = next((at for at in range(len(finite)) if (at + 1) * (1.0 - weight) >= 1.0), 0)
    if not finite:
        return None
    best = min(finite[settled:], key=means.__getitem__)
    return means[best], best
