"""Lines up columns of text by the width that a terminal shows, and cuts what is too wide."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

TYPE_CHECKING = False  # `typing` takes longer to load than a short command to run
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Final

_GAP: Final = "  "
_NARROWEST: Final = 6
"""Letters that a cut column keeps at least."""
WIDEST: Final = 40
"""Letters up to which a cell widens its column where nothing is cut; a longer one sticks out."""


def width_of(text: str) -> int:
    """The columns that a terminal needs for a printable text: two for East Asian wide letters."""
    if text.isascii():
        return len(text)
    return sum(map(_width, text))


@lru_cache(1024)
def _width(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1


def clip(text: str, width: int) -> str:
    """The text in at most so many columns; `…` stands for its cut end."""
    if width_of(text) <= width:
        return text
    left, kept = width - 1, []
    for char in text:
        left -= _width(char)
        if left < 0:
            break
        kept.append(char)
    return f"{''.join(kept)}…"


def fold(text: str, width: int | None, indent: int) -> list[str]:
    """The text in lines of at most so many columns, broken between words alone.

    Args:
        text: one line of printable text. A word that is wider, such as a path, stands by itself.
        width: columns of a line; None breaks none.
        indent: spaces before each line but the first, where half a line is left for the text.
    """
    if width is None or width_of(text) <= width:
        return [text]
    margin = " " * (indent if indent <= width // 2 else 0)
    first, *words = text.split(" ")
    lines = [first]
    for word in words:
        longer = f"{lines[-1]} {word}"
        if width_of(longer) > width and lines[-1].strip():
            lines.append(f"{margin}{word}")
        else:
            lines[-1] = longer
    return lines


def line_up(
    rows: Sequence[Sequence[str]],
    right: frozenset[int],
    columns: int | None,
    paint: Callable[[int, int, str], str] | None = None,
) -> list[str]:
    """Lines with the cells of each column below each other.

    Args:
        rows: cells of printable text, all rows as long as the first.
        right: numbers of the columns to align right.
        columns: width of the terminal, to which the widest columns are cut; None cuts nothing, and
            a cell beyond `WIDEST` widens its own row alone.
        paint: colours a cell: its row, its column, and its text as wide as it is shown.
    """
    upright = list(zip(*rows, strict=True))
    sizes = [_widths(column) for column in upright]
    if columns is None:
        widths = [max((size for size in of if size <= WIDEST), default=0) for of in sizes]
    else:
        widths = [max(of) for of in sizes]
        _shrink(widths, columns - len(_GAP) * (len(widths) - 1))
    shown = [
        _padded(column, of, width, right=number in right, cut=columns is not None)
        for number, (column, of, width) in enumerate(zip(upright, sizes, widths, strict=True))
    ]
    if paint is not None:
        shown = [
            [paint(at, number, cell) for at, cell in enumerate(column)]
            for number, column in enumerate(shown)
        ]
    return [_GAP.join(row).rstrip() for row in zip(*shown, strict=True)]


def _widths(column: Sequence[str]) -> list[int]:
    """The width of each cell. A thousand are measured one by one only where one is not ASCII."""
    return list(map(len if "".join(column).isascii() else width_of, column))


def _shrink(widths: list[int], room: int) -> None:
    """Take columns from the widest ones until all fit, or all are at their narrowest."""
    while (over := sum(widths) - room) > 0:
        widest = max(widths)
        if widest <= _NARROWEST:
            return
        next_widest = max((width for width in widths if width < widest), default=0)
        step = max(1, min(over, widest - max(next_widest, _NARROWEST)))
        widths[widths.index(widest)] -= step


def _padded(
    column: Sequence[str], sizes: Sequence[int], width: int, *, right: bool, cut: bool
) -> list[str]:
    """The cells of a column, all as wide as it is."""
    if cut and max(sizes) > width:
        column = [clip(cell, width) for cell in column]
        sizes = _widths(column)
    if right:
        return [" " * (width - size) + cell for cell, size in zip(column, sizes, strict=True)]
    return [cell + " " * (width - size) for cell, size in zip(column, sizes, strict=True)]
