"""The numbers of a run, as `report_to: simpletuner` writes them: one record of a step in a line."""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping
from typing import Final

from tui.base.json_types import JsonObject

MOST_SERIES: Final = 32
"""Series that are kept; a file of a stranger may name a new one in each line."""
_LONGEST_NAME: Final = 64
SAME_AS_LOGGED: Final[Mapping[str, str]] = {"learning_rate": "lr", "step_loss": "loss"}
"""Names in the file of what the log prints under another name."""


class MetricRecords:
    """Series of values by name, read from growing text.

    Attributes:
        series: steps and values of each; steps never go backwards, the newest value of one holds.
    """

    def __init__(self) -> None:
        self.series: dict[str, tuple[array[int], array[float]]] = {}

    def feed(self, data: bytes) -> int:
        """Read whole lines; what is not as described is passed over.

        Returns:
            How many bytes need not be read again: up to the end of the last whole line.
        """
        end = data.rfind(b"\n") + 1
        for line in data[:end].splitlines():
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(record, dict):
                self._add(record)
        return end

    def _add(self, record: JsonObject) -> None:
        step, values = record.get("step"), record.get("metrics")
        if isinstance(step, bool) or not isinstance(step, int) or not 0 <= step < 10**12:
            return
        if not isinstance(values, dict):
            return
        for name, value in values.items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                continue
            if not name.isprintable() or not 0 < len(name) <= _LONGEST_NAME:
                continue
            if name not in self.series:
                if len(self.series) >= MOST_SERIES:
                    continue
                self.series[name] = (array("q"), array("d"))
            steps, points = self.series[name]
            while steps and steps[-1] >= step:  # resumed from a checkpoint: what follows it holds
                steps.pop()
                points.pop()
            steps.append(step)
            points.append(_number(value))


def _number(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
