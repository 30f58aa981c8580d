"""What is sent of a row: runs of changed cells in one style, and where erasing comes first.

Between two runs the cursor has to move, which costs five bytes or so. Where a row has many short
runs between blanks, it is cheaper to erase it first: then its blanks are there already.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tui.app.terminal.sgr import good_for_blank, is_background

Cell = tuple[str, str]
"""A character and the SGR codes it is drawn with; the right half of a wide one is an empty text.

The address of a hyperlink stands behind the codes, after a zero.
"""
UNSEEN: Final[Cell] = ("\0", "")
"""A cell of which nobody knows what the terminal shows."""
NO_BLANK: Final = "\0"
"""Codes that no blank has."""
LONG_BLANK: Final = 6
"""Blanks from this many on are a run of their own, which may be erased."""
_MOVE: Final = 5
"""Bytes that a move of the cursor takes, about; erasing takes as many."""
_ERASE_AND_MOVE: Final = 8
_MANY: Final = 3
"""With fewer runs erasing the row first is not thought about."""


@dataclass(slots=True)
class Change:
    """A row that has to change.

    Attributes:
        y: the row.
        row: its cells as they shall be.
        old: its cells as the terminal shows them.
        erase: the columns from and to which it is erased before anything is written; else None.
    """

    y: int
    row: list[Cell]
    old: list[Cell]
    erase: tuple[int, int] | None = None


@dataclass(slots=True)
class Run:
    """Cells beside each other that are drawn in one style."""

    y: int
    x: int
    end: int
    codes: str
    text: str
    is_blank: bool = False


def runs_of(change: Change) -> list[Run]:
    """Returns the runs that a row needs; cells that are right already lie between them."""
    row, old = change.row, change.old
    width = len(row)
    runs: list[Run] = []
    x = 0
    while x < width:
        if row[x] == old[x]:
            x += 1
            continue
        while x and not row[x][0]:
            x -= 1
        start, codes = x, row[x][1]
        if row[x][0] == " ":
            x = _blank_end(row, old, x)
            # A short blank is cheaper as a part of the text that follows.
            follows = x < width and row[x] != old[x] and row[x][0] not in ("", " ")
            if not (follows and x - start < LONG_BLANK and good_for_blank(row[x][1], codes)):
                runs.append(Run(change.y, start, x, codes, " " * (x - start), is_blank=True))
                continue
            codes = row[x][1]
        x = _text_end(row, old, x, codes)
        text = "".join([char for char, _ in row[start:x]])
        runs.append(Run(change.y, start, x, codes, text))
    return runs


def _blank_end(row: list[Cell], old: list[Cell], x: int) -> int:
    """Returns where blanks of one look end, those at their end that are right already left out."""
    blank, end = row[x], x
    while x < len(row) and row[x] == blank:
        x += 1
        if row[x - 1] != old[x - 1]:
            end = x
    return end


def _text_end(row: list[Cell], old: list[Cell], x: int, codes: str) -> int:
    """Returns where text of one style ends, with the short blanks in and behind it.

    Its first character belongs to it in any case: only its right half may have changed.
    """
    width = len(row)
    x += 1
    while x < width:
        char, own = row[x]
        if char == " ":
            end = x
            while end < width and row[end] == row[x]:
                end += 1
            if end - x >= LONG_BLANK or not good_for_blank(codes, own):
                break
            goes_on = end < width and row[end][1] == codes and row[end] != old[end]
            changed = end if goes_on else _blank_end(row, old, x)
            if changed == x:
                break
            x = changed
        elif not char or (own == codes and row[x] != old[x]):
            x += 1
        else:
            break
    return x


def plan(changes: list[Change], *, can_erase: bool) -> tuple[list[Run], str]:
    """Decides which rows are erased first.

    Args:
        changes: the rows; `erase` and `old` are set where a row is erased.
        can_erase: whether erasing leaves the background in force.

    Returns:
        All runs, and the codes of the blank that erasing leaves.
    """
    plain = [runs_of(change) for change in changes]
    blank = _commonest_blank(plain)
    runs: list[Run] = []
    for change, own in zip(changes, plain, strict=True):
        many = can_erase and len(own) >= _MANY
        runs += _erased(change, own, blank) if many else own
    return runs, blank


def _commonest_blank(rows: list[list[Run]]) -> str:
    widths: dict[str, int] = {}
    for run in (run for runs in rows for run in runs if run.is_blank and is_background(run.codes)):
        widths[run.codes] = widths.get(run.codes, 0) + run.end - run.x
    return max(widths, key=lambda codes: widths[codes], default=NO_BLANK)


def _erased(change: Change, runs: list[Run], blank: str) -> list[Run]:
    """Erases a row first where that is cheaper; returns the runs it needs then."""
    row, old = change.row, change.old
    cell = (" ", blank)
    first, last = runs[0].x, runs[-1].end
    while first and row[first - 1] == cell:
        first -= 1
    if UNSEEN in row[first:last]:
        return runs
    after = [*old[:first], *[cell] * (last - first), *old[last:]]
    runs_after = runs_of(Change(change.y, row, after))
    if _cost(runs_after) + _ERASE_AND_MOVE >= _cost(runs):
        return runs
    change.old, change.erase = after, (first, last)
    return runs_after


def _cost(runs: list[Run]) -> int:
    return sum(
        _MOVE + (min(run.end - run.x, _MOVE) if run.is_blank else len(run.text.encode()))
        for run in runs
    )
