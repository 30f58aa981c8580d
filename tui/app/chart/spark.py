"""A series in a few cells of one line."""

from __future__ import annotations

from typing import Final

from tui.app.chart.data import Series

_LEFT: Final = (0x40, 0x04, 0x02, 0x01)
_RIGHT: Final = (0x80, 0x20, 0x10, 0x08)
"""The dots of a braille character from the lowest to the highest."""
_ASCII: Final = "_.-'"


def spark(series: Series, cells: int, *, ascii_only: bool = False) -> str:
    """Returns a curve of four heights, two columns to a cell (one in ASCII); blank without values.

    Args:
        series: the curve; it is drawn from its first step to its last.
        cells: how wide it is.
        ascii_only: no character beyond ASCII.
    """
    if not len(series):
        return " " * cells
    columns = cells if ascii_only else cells * 2
    spans = series.spans(series.steps[0], max(series.steps[-1], series.steps[0] + 1), columns)
    known = [span.last for span in spans if span is not None]
    if not known:
        return " " * cells
    low, high = min(known), max(known)
    # Half of the difference first: the difference of two finite numbers may be infinite.
    reach = high / 2 - low / 2
    levels: list[int | None] = []
    level: int | None = None
    for span in spans:
        if span is not None:
            level = round((span.last / 2 - low / 2) / reach * 3) if reach > 0 else 1
        levels.append(level)
    if ascii_only:
        return "".join(" " if one is None else _ASCII[one] for one in levels)
    return "".join(
        chr(0x2800 + (0 if left is None else _LEFT[left]) + (0 if right is None else _RIGHT[right]))
        for left, right in zip(levels[::2], levels[1::2], strict=True)
    )
