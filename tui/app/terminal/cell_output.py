"""The sequence that puts changed cells on the terminal.

Changes of colour are most of the bytes of an update, and moves of the cursor most of the rest. So
everything of one style is sent before the next, columns of single characters (the lines of a box)
downwards, the rest row by row, and long blanks are erased, not written.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from tui.app.terminal.cell_runs import LONG_BLANK, UNSEEN, Change, Run, plan
from tui.app.terminal.cursor import UNKNOWN, move
from tui.app.terminal.sgr import blank_codes, change_of_style, good_for_blank, is_background

_FILL: Final = 6
"""A move over more cells is always shorter than writing them."""
_COLUMN: Final = 5
"""Single characters below each other from this many on are sent as a column."""
_BACKGROUND: Final = ";48;"
"""What stands before the background, which Rich puts last."""
_STYLES: Final = 32
"""With more styles those of one background are sent one after the other, in any order."""


def erases_in_colour(environ: Mapping[str, str]) -> bool:
    """Returns whether the terminal erases in the background in force.

    GNU screen does not. A `TERM` that both it and tmux use is tmux only where tmux says so.
    """
    if environ.get("STY"):
        return False
    return not environ.get("TERM", "").startswith("screen") or bool(environ.get("TMUX"))


def sequence(changes: list[Change], present: str = "") -> tuple[str, str]:
    """Returns the sequence that makes changes, and the SGR codes after it.

    Args:
        changes: rows that differ, in any order; their `old` and `erase` are used up.
        present: the SGR codes in force before it.
    """
    return _Writer(changes, present, can_erase=erases_in_colour(os.environ)).write()


class _Writer:
    """Writes one update."""

    def __init__(self, changes: list[Change], present: str, *, can_erase: bool) -> None:
        self._can_erase = can_erase
        self._present = present
        runs, self._blank = plan(changes, can_erase=can_erase)
        self._changes = {change.y: change for change in changes}
        self._groups = _cheapest_first(_groups(runs), present)
        self._owner = self._owners()
        self._out: list[str] = []
        self._row = self._column = UNKNOWN

    def _owners(self) -> dict[int, list[int]]:
        """For each row, the number of the group that writes each cell; -1 for none."""
        owner = {y: [-1] * len(change.row) for y, change in self._changes.items()}
        for number, runs in enumerate(self._groups.values()):
            for run in runs:
                owner[run.y][run.x : run.end] = [number] * (run.end - run.x)
        return owner

    def write(self) -> tuple[str, str]:
        self._erase_first()
        for number, (codes, runs) in enumerate(self._groups.items()):
            self._set(codes)
            order = _in_order(runs)
            for run, after in zip(order, [*order[1:], None], strict=True):
                self._go_to(run, number)
                self._put(run, after)
        return "".join(self._out), self._present

    def _set(self, codes: str) -> None:
        self._out.append(change_of_style(self._present, codes))
        self._present = codes

    def _erase_first(self) -> None:
        """Erases rows before anything is written."""
        erased = [change for change in self._changes.values() if change.erase]
        if not erased:
            return
        fits = (codes for codes in self._groups if good_for_blank(codes, self._blank))
        self._set(next(fits, self._blank))
        for change in sorted(erased, key=lambda change: change.y):
            start, end = change.erase or (0, 0)
            self._out.append(move(self._row, self._column, change.y, start))
            self._out.append(_erase(start, end, len(change.row)))
            self._row, self._column = change.y, start

    def _go_to(self, run: Run, group: int) -> None:
        moved = move(self._row, self._column, run.y, run.x)
        if self._row == run.y and UNKNOWN < self._column < run.x <= self._column + _FILL:
            filled = self._fill(run, group)
            if filled is not None and len(filled.encode()) <= len(moved):
                moved = filled
        self._out.append(moved)

    def _fill(self, run: Run, group: int) -> str | None:
        """Returns text that may be written up to a run instead of moving there.

        That is what stands there in the present style (a blank run may be sent in another one than
        its own), and anything where a later group will write.
        """
        row, owner, present = self._changes[run.y].row, self._owner[run.y], self._present
        filled = ""
        for x in range(self._column, run.x):
            char, codes = row[x]
            if owner[x] > group:
                filled += " "
            elif char in ("", UNSEEN[0]):
                return None
            elif codes == present or (char == " " and good_for_blank(present, codes)):
                filled += char
            else:
                return None
        return filled

    def _put(self, run: Run, after: Run | None) -> None:
        width = len(self._changes[run.y].row)
        count = run.end - run.x
        # Lines do not wrap: behind the last column the cursor stays in it.
        self._row, self._column = run.y, min(run.end, width - 1)
        if self._can_erase and run.is_blank and count >= LONG_BLANK and is_background(run.codes):
            erased = _erase(run.x, run.end, width)
            stay, go = len(erased), count
            if after is not None:
                stay += len(move(run.y, run.x, after.y, after.x))
                go += len(move(self._row, self._column, after.y, after.x))
            if stay < go:
                self._out.append(erased)
                self._column = run.x
                return
        self._out.append(run.text)
        if len(run.text) != count:  # terminals disagree about the width of such characters
            self._column = UNKNOWN


def _erase(start: int, end: int, width: int) -> str:
    return "\x1b[K" if end == width else f"\x1b[{end - start}X"


def _groups(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Puts runs together that are sent in one style; a blank joins what it touches, if it can."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        if not run.is_blank:
            groups.setdefault(run.codes, []).append(run)
    for_blank: dict[str, str] = {}
    for number, run in enumerate(runs):
        if not run.is_blank:
            continue
        before, behind = runs[number - 1 : number], runs[number + 1 : number + 2]
        beside = (
            other.codes
            for other in (*before, *behind)
            if other.y == run.y
            and run.x in (other.end, other.x - (run.end - run.x))
            and good_for_blank(other.codes, run.codes)
        )
        codes = next(beside, None)
        if codes is None:
            for_blank = for_blank or _first_for_blanks(groups)
            codes = for_blank.setdefault(run.codes, run.codes)
        groups.setdefault(codes, []).append(run)
    return groups


def _first_for_blanks(groups: Iterable[str]) -> dict[str, str]:
    """Returns the first of the styles that each blank can be sent in."""
    found: dict[str, str] = {}
    for codes in groups:
        if "\0" not in codes:
            found.setdefault(blank_codes(codes), codes)
    return found


def _cheapest_first(groups: dict[str, list[Run]], present: str) -> dict[str, list[Run]]:
    """Puts the groups in an order with short changes of style, from the present one on."""
    if len(groups) > _STYLES:  # a picture: looking for the next one takes too long
        families: dict[str, list[str]] = {}
        for codes in groups:
            families.setdefault(codes.rpartition(_BACKGROUND)[2], []).append(codes)
        return {codes: groups[codes] for family in families.values() for codes in family}
    left = list(groups)
    order: dict[str, list[Run]] = {}
    while left:
        present = min(left, key=lambda codes: len(change_of_style(present, codes)))
        left.remove(present)
        order[present] = groups[present]
    return order


def _in_order(runs: list[Run]) -> list[Run]:
    """Returns the runs of a group in the order that they are sent in."""
    if len(runs) == 1:  # as most of a picture are
        return runs
    runs = sorted(runs, key=lambda run: (run.y, run.x))
    columns: dict[int, list[list[Run]]] = {}
    for run in runs:
        if run.end - run.x == 1:
            pieces = columns.setdefault(run.x, [])
            if pieces and pieces[-1][-1].y == run.y - 1:
                pieces[-1].append(run)
            else:
                pieces.append([run])
    downwards = [piece for pieces in columns.values() for piece in pieces if len(piece) >= _COLUMN]
    apart = {id(run) for piece in downwards for run in piece}
    rest = [run for run in runs if id(run) not in apart]
    return [*rest, *(run for piece in downwards for run in piece)]
