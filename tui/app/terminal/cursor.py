"""Shortest moves of the terminal's cursor."""

from __future__ import annotations

from typing import Final

UNKNOWN: Final = -1
_FEW: Final = 3
"""A control character this often is shorter than the sequence with a number, or as short."""


def move(row: int, column: int, y: int, x: int) -> str:
    """Returns the sequence that moves the cursor to a cell.

    Args:
        row: the row it is in, or `UNKNOWN`.
        column: the column it is in, or `UNKNOWN`.
        y: the row it goes to.
        x: the column it goes to.
    """
    if row == y:
        return _along(column, x)
    straight = f"\x1b[{y + 1};{x + 1}H" if x else f"\x1b[{y + 1}H"
    if not UNKNOWN < row < y:
        return straight
    # A vertical tab goes down a line; unlike a newline no terminal driver adds a return to it.
    down = "\v" * (y - row) if y - row <= _FEW else f"\x1b[{y - row}B"
    return min(down + _along(column, x), straight, key=len)


def _along(column: int, x: int) -> str:
    if column == x:
        return ""
    if x == 0:
        return "\r"
    straight = f"\x1b[{x + 1}G"
    if column == UNKNOWN:
        return straight
    by = x - column
    if by > 0:
        step = f"\x1b[{by}C" if by > 1 else "\x1b[C"
    else:
        step = "\b" * -by if -by <= _FEW else f"\x1b[{-by}D"
    return min(step, straight, key=len)
