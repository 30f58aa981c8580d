"""The shape of a curve of any length in a few values, kept up with each point."""

from __future__ import annotations

from typing import Final, TypedDict

MOST: Final = 48
"""Values of a shape; it has half as many at least, once there were so many points."""


class OutlineState(TypedDict):
    """An `Outline` as JSON values.

    Attributes:
        values: every so many points one, with few digits.
        apart: how many points lie between two of them.
        count: how many points there were.
    """

    values: list[float]
    apart: int
    count: int


class Outline:
    """Keeps one value of every so many; where there are too many, every second one of them."""

    __slots__ = ("_apart", "_count", "_values")

    def __init__(self) -> None:
        self._values: list[float] = []
        self._apart = 1
        self._count = 0

    def add(self, value: float) -> None:
        """Take the next value, a finite one."""
        self._count += 1
        if self._count % self._apart:
            return
        self._values.append(float(f"{value:.4g}"))
        if len(self._values) > MOST:
            self._values = self._values[1::2]
            self._apart *= 2

    def dump(self) -> OutlineState:
        """The state as JSON values."""
        return {"values": list(self._values), "apart": self._apart, "count": self._count}

    @classmethod
    def restore(cls, state: OutlineState) -> Outline:
        """Rebuild a shape from the result of `dump`.

        Raises:
            KeyError, TypeError, ValueError: the state is damaged.
        """
        outline = cls()
        outline._values = [float(value) for value in state["values"]][: MOST + 1]
        outline._apart, outline._count = max(1, int(state["apart"])), int(state["count"])
        return outline
