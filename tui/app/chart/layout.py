"""How many charts stand beside and below each other."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

LEAST_WIDTH: Final = 38
LEAST_HEIGHT: Final = 8
"""Cells that a chart needs to be read beside others."""


class Layout(NamedTuple):
    """Charts in rows.

    Attributes:
        columns: charts beside each other.
        rows: charts below each other.
    """

    columns: int
    rows: int

    @property
    def places(self) -> int:
        """How many charts are shown at once."""
        return self.columns * self.rows


ALONE: Final = Layout(1, 1)


def arrange(charts: int, width: int, height: int) -> Layout:
    """Returns the layout of some charts in `width` by `height` cells.

    Where two rows of charts have no room, there is one large one: the others are better told in
    a line each.
    """
    beside, below = width // LEAST_WIDTH, height // LEAST_HEIGHT
    if charts < 2 or beside < 2 or below < 2:
        return ALONE
    columns = min(beside, math.ceil(math.sqrt(charts)))
    rows = min(below, math.ceil(charts / columns))
    if rows * columns < charts:
        columns = min(beside, math.ceil(charts / rows))
    return Layout(columns, rows)
