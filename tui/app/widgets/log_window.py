"""Which rows of a log are on screen, and where the cursor stands. Knows no widget."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from textual.strip import Strip

from tui.app.widgets.log_document import LogDocument
from tui.app.widgets.log_source import Line

Painter = Callable[[Line], Strip]
SIDEWAYS: Final = 16
"""Cells that long lines move at once."""
COPY_LIMIT: Final = 2_000
"""Lines that a copy may have; terminals refuse more than about 100 kB."""


class Row(NamedTuple):
    """One row of the screen and the line it belongs to."""

    line: Line
    strip: Strip


class LogWindow:
    """The part of a document that is looked at.

    Attributes:
        cursor: the byte at which the cursor's line starts.
        follow: whether the last line is kept in sight.
        anchor: where a selection began, or None.
        wrap: whether long lines go on in the next row.
        left: cells that long lines are moved to the left.
        width: cells for a line's text.
        height: rows.
    """

    def __init__(self, document: LogDocument, painter: Painter) -> None:
        self.document = document
        self.cursor = 0
        self.follow = True
        self.anchor: int | None = None
        self.wrap = False
        self.left = 0
        self.width = 80
        self.height = 24
        self._painter = painter
        self._top = 0
        self._rows: list[Row] = []
        self._valid = False

    # -- rows ---------------------------------------------------------------------------------

    def resize(self, width: int, height: int) -> None:
        """Have another size."""
        if (width, height) != (self.width, self.height):
            self.width, self.height = max(1, width), max(1, height)
            self.invalidate()

    def invalidate(self) -> None:
        """Lay out again when rows are next asked for."""
        self._valid = False

    def rows(self) -> list[Row]:
        """What is on screen, from the top."""
        if not self._valid:
            self._valid = True
            self._lay_out()
        return self._rows

    def _lay_out(self) -> None:
        lines = self.document.lines
        last = lines.last()
        if last is None:
            self._rows = []
        elif self.follow:
            self._rows = self._upwards(last)
            self.cursor = last.start
        else:
            self._rows = self._downwards(lines.at(self._top) or lines.nearest(self._top))
            if len(self._rows) < self.height:  # never more empty rows than needed
                self._rows = self._upwards(last)
        self._top = self._rows[0].line.start if self._rows else 0

    def _downwards(self, line: Line | None) -> list[Row]:
        rows: list[Row] = []
        while line is not None and len(rows) < self.height:
            rows += self._paint(line)
            line = self.document.lines.next(line.start)
        return rows[: self.height]

    def _upwards(self, line: Line | None) -> list[Row]:
        """Rows that end with a line; those above a wrapped line may begin in its middle."""
        parts: list[list[Row]] = []
        count = 0
        while line is not None and count < self.height:
            parts.append(self._paint(line))
            count += len(parts[-1])
            line = self.document.lines.previous(line.start)
        rows = [row for part in reversed(parts) for row in part]
        return rows[-self.height :]

    def _paint(self, line: Line) -> list[Row]:
        strip = self._painter(line)
        if not self.wrap:
            return [Row(line, strip.crop(self.left, self.left + self.width))]
        edges = range(0, max(1, strip.cell_length), self.width)[: self.height]
        return [Row(line, strip.crop(edge, edge + self.width)) for edge in edges]

    # -- moving -------------------------------------------------------------------------------

    def start_anew(self) -> None:
        """The file is another one now."""
        self._top = self.cursor = 0
        self.anchor, self.follow = None, True
        self.invalidate()

    def to_end(self) -> None:
        """Go to the last line and stay there while lines come."""
        self.follow, self.left = True, 0
        self.invalidate()

    def go_to(self, position: int) -> None:
        """Put the cursor on the line at a byte, and that into the middle if it was not in sight."""
        line = self.document.lines.nearest(position)
        if line is None:
            return
        shown = {row.line.start for row in self.rows()}
        self.follow = False
        self.cursor = line.start
        if line.start not in shown:
            above = self._upwards(line)[-max(1, self.height // 2) :]
            self._top = above[0].line.start
        self.invalidate()

    def move(self, count: int) -> bool:
        """Move the cursor by lines and scroll as little as needed; whether it moved."""
        self.rows()
        line = self._walk(self.cursor, count)
        if line is None or line.start == self.cursor:
            return False
        self.follow = False
        self.cursor = line.start
        if line.start <= self._top:
            self._top = line.start
        elif line.start >= self._rows[-1].line.start:
            self._top = self._upwards(line)[0].line.start
        self.invalidate()
        return True

    def _walk(self, start: int, count: int) -> Line | None:
        lines = self.document.lines
        line = lines.at(start) or lines.nearest(start)
        step = lines.next if count > 0 else lines.previous
        for _ in range(abs(count)):
            further = step(line.start) if line is not None else None
            if further is None:
                break
            line = further
        return line

    def turn_page(self, down: bool) -> None:
        """A page down or up, the cursor keeping its place on the screen."""
        before = self.rows()
        if not before:
            return
        at = next((n for n, row in enumerate(before) if row.line.start == self.cursor), 0)
        self.follow = False
        if down:
            self._top = before[-1].line.start
        else:
            self._top = self._upwards(before[0].line)[0].line.start
        self.invalidate()
        after = self.rows()
        if after[0].line.start == before[0].line.start:  # already at the end or the beginning
            at = len(after) - 1 if down else 0
        self.cursor = after[min(at, len(after) - 1)].line.start

    def scroll(self, lines: int) -> None:
        """Move the screen; the cursor stays where it is as long as that is in sight."""
        rows = self.rows()
        line = self._walk(rows[0].line.start, lines) if rows else None
        if line is None:
            return
        self.follow = False
        self._top = line.start
        self.invalidate()
        starts = [row.line.start for row in self.rows()]
        self.cursor = min(max(self.cursor, starts[0]), starts[-1])

    def sideways(self, cells: int) -> None:
        """Move long lines."""
        longest = max((row.strip.cell_length for row in self.rows()), default=0)
        if not self.wrap and (cells < 0 or longest > SIDEWAYS):
            self.left = max(0, self.left + cells)
            self.invalidate()

    # -- selection ----------------------------------------------------------------------------

    def toggle_selection(self) -> None:
        """Begin a selection at the cursor, or end it."""
        self.rows()
        self.follow = False
        self.anchor = self.cursor if self.anchor is None else None

    def is_selected(self, start: int) -> bool:
        """Whether a line is part of the selection."""
        if self.anchor is None:
            return False
        low, high = sorted((self.anchor, self.cursor))
        return low <= start <= high

    def selected(self) -> list[bytes]:
        """The raw lines of the selection, or the cursor's; at most `COPY_LIMIT`."""
        self.rows()
        low, high = sorted((self.cursor if self.anchor is None else self.anchor, self.cursor))
        lines = self.document.lines
        line = lines.at(low) or lines.nearest(low)
        found: list[bytes] = []
        while line is not None and line.start <= high and len(found) < COPY_LIMIT:
            found.append(self.document.source.text(line))
            line = lines.next(line.start)
        return found
