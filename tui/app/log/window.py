"""The rows of a log on screen, the cursor and the selection; no widget."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from rich.segment import Segment
from textual.strip import Strip

from tui.app.log.document import LogDocument
from tui.store.log_line import LogLine

Painter = Callable[[LogLine], Strip]
SIDEWAYS: Final = 16
"""Cells that long lines move at once."""
COPY_LIMIT: Final = 2_000
"""Lines that a copy may have; terminals refuse more than about 100 kB."""
_CUT: Final = Strip([Segment("…")], 1)
"""Stands at the edge where a line goes on."""


class Row(NamedTuple):
    """One row of the screen and the line it belongs to."""

    line: LogLine
    strip: Strip


class LogWindow:
    """The part of a document on screen.

    Attributes:
        cursor: the byte at which the cursor's line begins.
        place: the byte in it that was gone to, or None; of a line that was drawn over and over,
            the drawing that holds it is shown.
        follow: whether the last line is kept in sight.
        anchor: the byte at which the selection began; None without a selection.
        wrap: whether long lines go on in the next row.
        left: cells that long lines are moved to the left.
        width: cells for a line's text.
        height: rows.
    """

    def __init__(self, document: LogDocument, painter: Painter) -> None:
        self.document = document
        self.cursor = 0
        self.place: int | None = None
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
        """Sets the size."""
        if (width, height) != (self.width, self.height):
            self.width, self.height = max(1, width), max(1, height)
            self.invalidate()

    def invalidate(self) -> None:
        """Makes the next `rows` lay out again."""
        self._valid = False

    def rows(self) -> list[Row]:
        """Returns the rows on screen, from the top."""
        if not self._valid:
            self._valid = True
            self._lay_out()
        return self._rows

    def _lay_out(self) -> None:
        lines = self.document.lines
        last = lines.tail(1)
        if not last:
            self._rows = []
        elif self.follow:
            self._stand_on(last[0].offset)
            self._rows = self._upwards(last[0])
        else:
            top = lines.at(self._top) or lines.nearest(self._top)
            self._rows = self._downwards(top)
            if len(self._rows) < self.height:  # never more empty rows than needed
                self._rows = self._upwards(last[0])
        self._top = self._rows[0].line.offset if self._rows else 0

    def _stand_on(self, offset: int, place: int | None = None) -> None:
        self.cursor, self.place = offset, place

    def _downwards(self, line: LogLine | None) -> list[Row]:
        rows: list[Row] = []
        for shown in self.document.lines.after(line.offset, self.height) if line else ():
            rows += self._paint(shown)
            if len(rows) >= self.height:
                break
        return rows[: self.height]

    def _upwards(self, line: LogLine | None) -> list[Row]:
        """Returns the rows that end with a line; the first may be the middle of a wrapped line."""
        if line is None:
            return []
        rows = self._paint(line)[::-1]
        for shown in reversed(self.document.lines.before(line.offset, self.height - 1)):
            if len(rows) >= self.height:
                break
            rows += self._paint(shown)[::-1]
        return rows[: self.height][::-1]

    def _paint(self, line: LogLine) -> list[Row]:
        if self.place is not None and line.offset == self.cursor:
            line = self.document.log.drawing(line, self.place)
        strip = self._painter(line)
        if not self.wrap:
            return [Row(line, _marked(strip, self.left, self.width))]
        edges = range(0, max(1, strip.cell_length), self.width)[: self.height]
        return [Row(line, strip.crop(edge, edge + self.width)) for edge in edges]

    # -- moving -------------------------------------------------------------------------------

    def start_anew(self) -> None:
        """Begins anew: the file is another one now."""
        self._top = 0
        self._stand_on(0)
        self.anchor, self.follow = None, True
        self.invalidate()

    def to_end(self) -> None:
        """Goes to the last line and follows new ones."""
        self.follow, self.left = True, 0
        self.invalidate()

    def go_to(self, place: int) -> None:
        """Puts the cursor on the line at a byte; centres it if it was out of sight."""
        line = self.document.lines.nearest(place)
        if line is None:
            return
        shown = {row.line.offset for row in self.rows()}
        self.follow = False
        self._stand_on(line.offset, place if line.offset < place < line.end else None)
        if line.offset not in shown:
            above = self._upwards(line)[-max(1, self.height // 2) :]
            self._top = above[0].line.offset
        self.invalidate()

    @property
    def span(self) -> tuple[int, int]:
        """The first and the last byte of what the cursor's line shows."""
        self.rows()
        line = self.document.lines.at(self.cursor)
        if line is None:
            return self.cursor, self.cursor
        if self.place is None:
            return line.offset, line.end
        return self.document.log.drawing_span(line, self.place)

    def move(self, count: int) -> bool:
        """Moves the cursor by lines, scrolls as little as needed; returns whether it moved."""
        self.rows()
        line = self._walk(self.cursor, count)
        if line is None or line.offset == self.cursor:
            return False
        self.follow = False
        self._stand_on(line.offset)
        if line.offset <= self._top:
            self._top = line.offset
        elif line.offset >= self._rows[-1].line.offset:
            self._top = self._upwards(line)[0].line.offset
        self.invalidate()
        return True

    def _walk(self, offset: int, count: int) -> LogLine | None:
        """Returns the line so many further on, or the last one that way."""
        lines = self.document.lines
        here = lines.at(offset) or lines.nearest(offset)
        if here is None:
            return None
        if count > 0:
            return lines.after(here.offset, count + 1)[-1]
        return next(iter(lines.before(here.offset, -count)), here)

    def turn_page(self, down: bool) -> None:
        """Turns a page down or up; the cursor keeps its place on the screen."""
        before = self.rows()
        if not before:
            return
        at = next((n for n, row in enumerate(before) if row.line.offset == self.cursor), 0)
        self.follow = False
        if down:
            self._top = before[-1].line.offset
        else:
            self._top = self._upwards(before[0].line)[0].line.offset
        self.invalidate()
        after = self.rows()
        if after[0].line.offset == before[0].line.offset:  # already at the end or the beginning
            at = len(after) - 1 if down else 0
        self._stand_on(after[min(at, len(after) - 1)].line.offset)
        self.invalidate()

    def scroll(self, lines: int) -> None:
        """Scrolls; the cursor stays on its line as long as that is in sight."""
        rows = self.rows()
        line = self._walk(rows[0].line.offset, lines) if rows else None
        if line is None:
            return
        self.follow = False
        self._top = line.offset
        self.invalidate()
        offsets = [row.line.offset for row in self.rows()]
        if not offsets[0] <= self.cursor <= offsets[-1]:
            self._stand_on(offsets[0] if self.cursor < offsets[0] else offsets[-1])

    def sideways(self, cells: int) -> None:
        """Scrolls long lines sideways."""
        longest = max((row.strip.cell_length for row in self.rows()), default=0)
        if not self.wrap and (cells < 0 or longest > SIDEWAYS):
            self.left = max(0, self.left + cells)
            self.invalidate()

    # -- selection ----------------------------------------------------------------------------

    def toggle_selection(self) -> None:
        """Begins a selection at the cursor, or ends it."""
        self.rows()
        self.follow = False
        self.anchor = self.cursor if self.anchor is None else None

    def is_selected(self, offset: int) -> bool:
        """Returns whether a line is part of the selection."""
        if self.anchor is None:
            return False
        low, high = sorted((self.anchor, self.cursor))
        return low <= offset <= high

    def selected(self) -> list[str]:
        """Returns the selected lines, else the cursor's as it is shown; at most `COPY_LIMIT`."""
        rows = self.rows()
        if self.anchor is None:
            return [row.line.text for row in rows if row.line.offset == self.cursor][:1]
        low, high = sorted((self.anchor, self.cursor))
        lines = self.document.lines.after(low, COPY_LIMIT)
        return [line.text for line in lines if line.offset <= high]


def _marked(strip: Strip, left: int, width: int) -> Strip:
    """Returns the part of a line that is shown, with `…` at each end where it was cut."""
    before, after = left > 0 and strip.cell_length > 0, strip.cell_length > left + width
    if width < 3 or not (before or after):
        return strip.crop(left, left + width)
    inner = strip.crop(left + before, left + width - after)
    parts = [_CUT] * before + [inner] + [_CUT] * after
    return Strip.join(parts)
