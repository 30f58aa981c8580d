"""The sequences that put changed cells on the terminal.

A small update goes row by row. In a large one, a whole screen for instance, changes of colour are
most of the bytes: there everything of one colour is sent before the next, and long blanks are
erased, not written.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tui.app.terminal.sgr import change_of_style, good_for_blank, is_background

Cell = tuple[str, str]
"""A character and the SGR codes it is drawn with; the right half of a wide one is an empty text.

The address of a hyperlink stands behind the codes, after a zero.
"""
Span = tuple[int, int, list[Cell]]
"""Row, column and cells that are to be sent."""
_ERASE: Final = 12
"""Blanks from this many on are erased: that costs the sequence and a move after it."""


def by_row(spans: Sequence[Span]) -> tuple[str, str]:
    """Returns the sequence that sends pieces in their order, and the SGR codes after it."""
    out: list[str] = []
    present = ""
    for y, x, cells in spans:
        out.append(f"\x1b[{y + 1};{x + 1}H")
        for char, codes in cells:
            if codes != present and not (char == " " and good_for_blank(present, codes)):
                out.append(change_of_style(present, codes))
                present = codes
            out.append(char)
    return "".join(out), present


@dataclass(slots=True)
class _Run:
    """Cells beside each other that are drawn in one style."""

    y: int
    x: int
    codes: str
    text: str = ""
    width: int = 0

    @property
    def is_blank(self) -> bool:
        return not self.text.strip(" ")


def by_style(spans: Sequence[Span], width: int) -> tuple[str, str]:
    """Returns a sequence that sends everything of one style before the next, and the codes after.

    Args:
        spans: the pieces.
        width: columns of the terminal.
    """
    groups: dict[str, list[_Run]] = {}
    blanks: list[_Run] = []
    for run in _runs(spans):
        if run.is_blank:
            blanks.append(run)
        else:
            groups.setdefault(run.codes, []).append(run)
    for run in blanks:
        fits = (codes for codes in groups if good_for_blank(codes, run.codes))
        groups.setdefault(next(fits, run.codes), []).append(run)
    can_erase = not os.environ.get("STY")  # GNU screen erases in its own background
    out: list[str] = []
    present, cursor = "", (-1, -1)
    for codes, runs in groups.items():
        out.append(change_of_style(present, codes))
        present = codes
        for run in sorted(runs, key=lambda run: (run.y, run.x)):
            if cursor != (run.y, run.x):
                out.append(_move(cursor[0], run.y, run.x))
            if can_erase and run.is_blank and run.width >= _ERASE and is_background(run.codes):
                out.append(f"\x1b[{run.width}X")
                cursor = (run.y, run.x)
            else:
                out.append(run.text)
                end = run.x + run.width
                cursor = (run.y, end if end < width else -1)
    return "".join(out), present


def _move(row: int, y: int, x: int) -> str:
    if y == row:
        return f"\x1b[{x + 1}G"
    return f"\x1b[{y + 1};{x + 1}H" if x else f"\x1b[{y + 1}H"


def _runs(spans: Sequence[Span]) -> list[_Run]:
    runs: list[_Run] = []
    for y, x, cells in spans:
        start = 0
        while start < len(cells):
            run = _Run(y, x + start, cells[start][1])
            end = start
            while end < len(cells):
                char, codes = cells[end]
                if char == " ":
                    blanks = _blanks(cells, end)
                    is_long = blanks - end >= _ERASE
                    if is_long and end > start:
                        break
                    if codes != run.codes and not good_for_blank(run.codes, codes):
                        break
                    run.text += " " * (blanks - end)
                    end = blanks
                    if is_long:
                        break
                elif codes == run.codes or not char:
                    run.text += char
                    end += 1
                else:
                    break
            run.width = end - start
            runs.append(run)
            start = end
    return runs


def _blanks(cells: Sequence[Cell], start: int) -> int:
    """Returns where blanks of one look end."""
    end = start
    while end < len(cells) and cells[end] == cells[start]:
        end += 1
    return end
