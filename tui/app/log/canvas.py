"""Draws the rows of a log, the cursor's mark and the scroll bar. Keys are the view's business."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from tui.app.log.document import LogDocument
from tui.app.log.paint import paint
from tui.app.log.window import LogWindow
from tui.app.terminal.theme import palette
from tui.store.log_line import LogLine

_LOOKED_AT_ONCE: Final = 2_000
"""Lines that are painted once and kept, so that moving about repaints little."""


class LogCanvas(Widget, can_focus=True):
    """What is on screen of a log file.

    Args:
        path: the file; it may come later.
        id: widget id.
    """

    ALLOW_SELECT = False

    def __init__(self, path: Path, *, id: str | None = None) -> None:  # noqa: A002  Textual's name
        super().__init__(id=id)
        self.document = LogDocument(path)
        self.window = LogWindow(self.document, self._paint)
        self._painted: dict[tuple[int, int, int], Strip] = {}

    @property
    def busy(self) -> str:
        """What is being looked for; empty when nothing is."""
        return ""

    def paint_again(self) -> None:
        """Lines look different now."""
        self._painted.clear()
        self.window.invalidate()

    def notify_style_update(self) -> None:
        """Colours changed."""
        super().notify_style_update()
        self.paint_again()

    def on_focus(self) -> None:
        """The cursor appears."""
        self.refresh()

    def on_blur(self) -> None:
        """The cursor disappears."""
        self.refresh()

    def _paint(self, line: LogLine) -> Strip:
        key = (line.offset, line.end, hash(line.raw))
        strip = self._painted.get(key)
        if strip is None:
            if len(self._painted) > _LOOKED_AT_ONCE:
                self._painted.clear()
            strip = paint(line.text, palette(self.app), self.document.marks)
            self._painted[key] = strip
        return strip

    def render_line(self, y: int) -> Strip:
        """One row with the frame; the right edge is the scroll bar."""
        colors, window, width = palette(self.app), self.window, self.size.width
        window.resize(width - 3, self.size.height)
        rows = window.rows()
        edge = Segment("│", colors.line)
        thumb = Segment("┃", colors.dim) if self._is_thumb(y) else edge
        if y < len(rows):
            line, strip = rows[y]
            here, chosen = line.offset == window.cursor, window.is_selected(line.offset)
            first = not y or rows[y - 1].line.offset != line.offset
            mark = "▸" if here and first and self.has_focus else "┃" if chosen else " "
            body = Strip.join([Strip([Segment(mark, colors.accent)], 1), strip])
            body = body.adjust_cell_length(width - 2, colors.base)
            if chosen or (here and self.has_focus and not window.follow):
                body = Strip([Segment(text, (style or colors.base) + colors.cursor)
                              for text, style, _ in body], width - 2)  # fmt: skip
        else:
            text = f" {self._empty_text()}" if not y else ""
            body = Strip([Segment(text, colors.dim)]).adjust_cell_length(width - 2, colors.base)
        return Strip.join([Strip([edge], 1), body, Strip([thumb], 1)])

    def _empty_text(self) -> str:
        if not self.document.log.size:
            return "No log yet. It appears here as soon as the trainer writes the first line."
        return "Looking…" if self.busy else "No line is like that. t and esc show other lines."

    def _is_thumb(self, y: int) -> bool:
        size, rows = self.document.log.size, self.window.rows()
        if not rows or not size:
            return False
        top, bottom = rows[0].line.offset, rows[-1].line.end + 1
        if bottom - top >= size:
            return False
        page = self.size.height
        length = max(1, page * (bottom - top) // size)
        start = round(top / max(1, size - (bottom - top)) * (page - length))
        return min(start, page - length) <= y < min(start, page - length) + length
