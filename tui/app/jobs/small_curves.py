"""The small curves in the list, each drawn anew once in a while: a list is calm."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from tui.app.chart.data import Series
from tui.app.chart.spark import spark
from tui.app.jobs.columns import CURVE_CELLS

_PAUSE: Final = timedelta(seconds=10)
_KEPT: Final = 500


class SmallCurves:
    """Draws curves in one line, those that grow once in ten seconds.

    Args:
        ascii_only: use no character beyond ASCII.
    """

    def __init__(self, *, ascii_only: bool) -> None:
        self._ascii = ascii_only
        self._drawn: dict[str, tuple[Sequence[float], datetime, str]] = {}

    def of(self, job_id: str, values: Sequence[float], now: datetime) -> str:
        """Returns the curve of a job; blank without values."""
        if not values:
            return ""
        known = self._drawn.get(job_id)
        if known is not None and (known[0] == values or timedelta() <= now - known[1] < _PAUSE):
            return known[2]
        if len(self._drawn) > _KEPT:
            self._drawn.clear()
        text = spark(Series("", range(len(values)), values), CURVE_CELLS, ascii_only=self._ascii)
        self._drawn[job_id] = values, now, text
        return text
