"""Where one stands among a run's pictures: cursor, size, what is enlarged or beside what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len

from tui.app.terminal.text_lines import fit
from tui.simpletuner.validation_media import Grid, Medium

SIZES: Final = ((16, 8), (26, 13), (34, 17))
"""Cells of a picture in the grid. Looked at: the first shows colours and layout, the second a face,
the third its likeness."""
GAP: Final = 2
_LABEL: Final = 1


@dataclass(frozen=True, slots=True)
class Spot:
    """A cell of the grid on the screen.

    Attributes:
        row: row of the grid.
        column: its column.
        x: first cell from the left.
        y: line of its label; the picture is below.
        width: cells of the picture.
        height: lines of the picture.
    """

    row: int
    column: int
    x: int
    y: int
    width: int
    height: int


class PicturesState:
    """The grid and the place in it. The newest step is followed until one moves away from it.

    Attributes:
        grid: the pictures.
        row: the row of the cursor.
        column: its column.
        size: index into `SIZES`.
        enlarged: whether one picture fills the page.
        marked: the picture that others are set beside.
        beside: whether the marked picture stands beside that of the cursor.
    """

    def __init__(self) -> None:
        self.grid = Grid()
        self.row = 0
        self.column = 0
        self.size = 1
        self.enlarged = False
        self.marked: Medium | None = None
        self.beside = False
        self._marked_before: Medium | None = None
        self._follows = True

    @property
    def current(self) -> Medium | None:
        """The picture of the cursor; None where that prompt has none at that step."""
        if not self.grid.rows:
            return None
        return self.grid.at(self.row, self.column)

    def show(self, grid: Grid) -> None:
        """Show other pictures; the cursor keeps its prompt and step where they still are."""
        if self.grid.rows:
            prompt, step = self.grid.rows[self.row], self.grid.steps[self.column]
            self.row = grid.rows.index(prompt) if prompt in grid.rows else 0
            if not self._follows and step in grid.steps:
                self.column = grid.steps.index(step)
            else:
                self._follows = True
        self.grid = grid
        if self._follows:
            self.column = max(0, len(grid.steps) - 1)

    @property
    def step(self) -> int | None:
        """The step of the cursor; None while the newest one is followed."""
        return self.grid.steps[self.column] if self.grid.rows and not self._follows else None

    def go_to_step(self, step: int) -> None:
        """Move the cursor to the last pictures that are not newer than a step, else the first."""
        if self.grid.rows:
            older = sum(1 for known in self.grid.steps if known is not None and known <= step)
            self.move(0, max(0, older - 1) - self.column)

    def move(self, rows: int, columns: int) -> bool:
        """Move the cursor; returns whether it moved."""
        if not self.grid.rows:
            return False
        row = min(max(self.row + rows, 0), len(self.grid.rows) - 1)
        column = min(max(self.column + columns, 0), len(self.grid.steps) - 1)
        moved = (row, column) != (self.row, self.column)
        self.row, self.column = row, column
        if columns:
            self._follows = column == len(self.grid.steps) - 1
        return moved

    def mark(self) -> bool:
        """Mark the picture of the cursor, or take its mark away; returns whether there is one."""
        current = self.current
        if current is None or current.kind != "picture":
            return False
        before, self.marked = self.marked, None if self.marked == current else current
        self._marked_before = before if self.marked is not None else None
        self.beside = self.beside and self.marked is not None
        return True

    def set_beside(self) -> bool:
        """Set the marked picture beside that of the cursor, or no more.

        On the marked one itself the one marked before it is taken: who marks two means these two.
        """
        if not self.beside and self.marked == self.current:
            self.marked, self._marked_before = self._marked_before or self.marked, None
        if self.marked is None or (not self.beside and self.marked == self.current):
            return False
        self.beside = not self.beside
        return True

    def step_back(self) -> bool:
        """Undo the last of: beside, enlarged, marked; returns whether there was one."""
        if self.beside:
            self.beside = False
        elif self.enlarged:
            self.enlarged = False
        elif self.marked is not None:
            self.marked = self._marked_before = None
        else:
            return False
        return True

    def spots(self, width: int, height: int) -> list[Spot]:
        """Return what of the grid is on a page of cells, the cursor's spot first.

        The cursor is always among them; a page that is too small for the size gets a smaller one.
        """
        if not self.grid.rows:
            return []
        size = self.size
        while size and (SIZES[size][0] > width or SIZES[size][1] + _LABEL > height):
            size -= 1
        cells, lines = min(SIZES[size][0], width), min(SIZES[size][1], max(1, height - _LABEL))
        across = max(1, (width + GAP) // (cells + GAP))
        down = max(1, height // (lines + _LABEL))
        left = _first_shown(self.column, across, len(self.grid.steps))
        top = _first_shown(self.row, down, len(self.grid.rows), at_end=False)
        spots = [
            Spot(row, column, (column - left) * (cells + GAP), (row - top) * (lines + _LABEL),
                 cells, lines)
            for row in range(top, min(top + down, len(self.grid.rows)))
            for column in range(left, min(left + across, len(self.grid.steps)))
        ]  # fmt: skip
        return sorted(spots, key=lambda spot: (spot.row, spot.column) != (self.row, self.column))


def _first_shown(cursor: int, shown: int, count: int, *, at_end: bool = True) -> int:
    """The first row or column on the page: the last ones while the cursor is among them."""
    last_page = max(0, count - shown)
    if at_end and cursor >= last_page:
        return last_page
    return min(max(0, cursor - shown // 2 if at_end else cursor - shown + 1), last_page)


def titled(cursor: str, prompt: str, step: str, width: int) -> str:
    """Return the title of a picture in at most `width` cells; the prompt gives way to its step."""
    whole = f"{cursor}{prompt} · {step}"
    if cell_len(whole) <= width:
        return whole
    room = width - cell_len(f"{cursor} · {step}")
    return f"{cursor}{fit(prompt, room).rstrip()} · {step}" if room > 1 else f"{cursor}{step}"
