"""The log of a job on screen: a cursor, following, selection, filter, hits.

Only what is on screen is read and painted. Following redraws at most four times a second, whatever
the file does: fifteen times as many frames would cost a slow line 200 kB/s and show nothing more.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Final

from rich.segment import Segment
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget

from tui.app.actions import MOVE
from tui.app.keymap import bindings
from tui.app.page_actions import LOG
from tui.app.theme import palette
from tui.app.widgets.log_document import SHOWN, LogDocument
from tui.app.widgets.log_paint import paint
from tui.app.widgets.log_search import Query, find_step
from tui.app.widgets.log_source import Line
from tui.app.widgets.log_window import SIDEWAYS, LogWindow

PERIOD: Final = 0.25
"""Seconds between two looks at the file."""
_TWICE_WITHIN: Final = 1.0  # seconds between the two presses of `g g`
_WANTED: Final = frozenset({"search", "step", "save", "pipe", "pager", "copy"})
_LOOKED_AT_ONCE: Final = 2_000
"""Lines that are painted once and kept, so that moving about repaints little."""


class LogView(Widget, can_focus=True):
    """A log file.

    Args:
        path: the file; it may come later.
        id: widget id.
    """

    DEFAULT_CSS = "LogView { width: 100%; height: 1fr; }"
    BINDINGS: ClassVar = bindings((*MOVE, *LOG))
    ALLOW_SELECT = False

    class Changed(Message):
        """What is said about the log (its title) is out of date."""

    class Wanted(Message):
        """An action that needs more than the view: a line to type in, another program, words.

        Attributes:
            what: `search`, `step`, `save`, `pipe`, `pager`, `copy`; `no hit`, `no step`.
        """

        def __init__(self, what: str) -> None:
            super().__init__()
            self.what = what

    def __init__(self, path: Path, *, id: str | None = None) -> None:  # noqa: A002  Textual's name
        super().__init__(id=id)
        self.document = LogDocument(path)
        self.window = LogWindow(self.document, self._paint)
        self.unseen = 0
        """Lines that came while not following."""
        self.busy = ""
        """What a thread is looking for; empty when none is."""
        self._painted: dict[tuple[int, int], Strip] = {}
        self._timer: Timer | None = None
        self._stop = threading.Event()
        self._looking = threading.Event()
        self._first_g = 0.0

    # -- life ---------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Number the lines behind the first frame."""
        self.call_after_refresh(self._begin_numbering)

    def _begin_numbering(self) -> None:
        self.run_worker(self._number(), group="log-number")

    def on_unmount(self) -> None:
        """Let threads end."""
        self._stop.set()
        self._looking.set()

    async def _number(self) -> None:
        source, stop = self.document.source, self._stop

        def number() -> None:
            while not stop.is_set() and source.count():
                pass

        await asyncio.to_thread(number)
        self.post_message(self.Changed())

    def live(self, on: bool) -> None:
        """Look at the file four times a second, or no more."""
        if on and self._timer is None:
            self._timer = self.set_interval(PERIOD, self.poll)
        elif not on and self._timer is not None:
            self._timer.stop()
            self._timer = None
        self.poll()

    def poll(self) -> None:
        """Show what has come since the last look."""
        new = self.document.refresh()
        if new is None:
            return
        if new < 0:
            self._painted.clear()
            self.window.start_anew()
        if not self.busy:
            self._scan("lines")
        self.unseen = 0 if self.window.follow else self.unseen + max(new, 0)
        for _ in range(4):  # keep the numbering up with a growing file
            if not self.document.source.count():
                break
        self.changed()

    def changed(self) -> None:
        """Lay out and draw again."""
        self.window.invalidate()
        if self.window.follow:
            self.unseen = 0
        self.refresh()
        self.post_message(self.Changed())

    # -- drawing ------------------------------------------------------------------------------

    def notify_style_update(self) -> None:
        """Colours changed."""
        super().notify_style_update()
        self._painted.clear()
        self.window.invalidate()

    def on_focus(self) -> None:
        """The cursor appears."""
        self.refresh()

    def on_blur(self) -> None:
        """The cursor disappears."""
        self.refresh()

    def _paint(self, line: Line) -> Strip:
        key = (line.start, line.end)
        strip = self._painted.get(key)
        if strip is None:
            if len(self._painted) > _LOOKED_AT_ONCE:
                self._painted.clear()
            raw = self.document.source.text(line)
            length = line.end - line.start
            strip = paint(raw, length, palette(self.app), self.document.pattern)
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
            here, chosen = line.start == window.cursor, window.is_selected(line.start)
            first = not y or rows[y - 1].line.start != line.start
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
        if not self.document.source.size:
            return "No log yet. It appears here as soon as the trainer writes the first line."
        return "Looking…" if self.busy else "No line is like that. t and esc show other lines."

    def _is_thumb(self, y: int) -> bool:
        size, rows = self.document.source.size, self.window.rows()
        if not rows or not size:
            return False
        top, bottom = rows[0].line.start, rows[-1].line.after
        if bottom - top >= size:
            return False
        page = self.size.height
        length = max(1, page * (bottom - top) // size)
        start = round(top / max(1, size - (bottom - top)) * (page - length))
        return min(start, page - length) <= y < min(start, page - length) + length

    # -- moving -------------------------------------------------------------------------------

    def action_perform(self, action_id: str) -> None:
        """Do one of the moves or one of the log's actions."""
        group, _, name = action_id.partition(".")
        if group == "log":
            if name in _WANTED:
                self.post_message(self.Wanted(name))
            else:
                getattr(self, f"do_{name}")()
            return
        half = max(1, self.size.height // 2)
        distances = {"down": 1, "up": -1, "half_down": half, "half_up": -half}
        if name in distances:
            self.window.move(distances[name])
        elif name in ("page_down", "page_up"):
            self.window.turn_page(name == "page_down")
        elif name == "bottom":
            self.window.to_end()
        elif name == "top":
            now = time.monotonic()
            if now - self._first_g < _TWICE_WITHIN:
                self.window.go_to(0)
            self._first_g = now
        self.changed()

    def key_home(self) -> None:
        """The home key needs no second press."""
        self.go_to(0)

    def go_to(self, position: int) -> None:
        """Put the cursor on the line at a byte and stop following."""
        self.window.go_to(position)
        self.changed()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Three lines down."""
        event.stop()
        self.window.scroll(3)
        self.changed()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Three lines up."""
        event.stop()
        self.window.scroll(-3)
        self.changed()

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on a line."""
        rows = self.window.rows()
        if event.y < len(rows):
            self.go_to(rows[event.y].line.start)

    # -- actions ------------------------------------------------------------------------------

    def do_left(self) -> None:
        """Scroll long lines back."""
        self.window.sideways(-SIDEWAYS)
        self.changed()

    def do_right(self) -> None:
        """Scroll long lines on."""
        self.window.sideways(SIDEWAYS)
        self.changed()

    def do_wrap(self) -> None:
        """Wrap long lines, or cut them."""
        self.window.wrap = not self.window.wrap
        self.window.left = 0
        self.changed()

    def do_select(self) -> None:
        """Begin a selection at the cursor, or end it."""
        self.window.toggle_selection()
        self.changed()

    def step_back(self) -> bool:
        """Undo one of selection, filter, query; False when there is nothing of it."""
        document = self.document
        if self.window.anchor is not None:
            self.window.anchor = None
            self.changed()
        elif document.only_hits or document.shown != "all":
            self._show(lambda: document.show("all", only_hits=False))
        elif document.query is not None:
            self.look_for("")
        else:
            return False
        return True

    # -- looking for things -------------------------------------------------------------------

    def look_for(self, text: str, *, regex: bool = False) -> str:
        """Search; the cursor goes to the first hit at or below it, or else to the last one above.

        Returns:
            What is wrong with the expression; empty when nothing is.
        """
        self.window.rows()
        try:
            self.document.look_for(Query(text, regex) if text else None)
        except re.error as error:
            return f"Not a regular expression: {error}."
        self._painted.clear()
        self._scan("hits", go=bool(text))
        return ""

    def do_next(self) -> None:
        """The next hit below."""
        self.window.rows()
        line = self.document.lines.at(self.window.cursor)
        end = self.window.cursor if line is None else max(line.start, line.end - 1)
        self._to_hit(self.document.hits.after(end))

    def do_previous(self) -> None:
        """The next hit above."""
        self.window.rows()
        self._to_hit(self.document.hits.before(self.window.cursor))

    def _to_hit(self, position: int | None) -> None:
        if position is None:
            self.post_message(self.Wanted("no hit" if self.document.query else "search"))
        else:
            self.go_to(position)

    def do_only(self) -> None:
        """Show only lines with hits, or all again."""
        document = self.document
        if document.query is None:
            self.post_message(self.Wanted("search"))
            return
        self._show(lambda: document.show(document.shown, only_hits=not document.only_hits))

    def do_show(self) -> None:
        """Let the next kind of lines through."""
        document = self.document
        further = SHOWN[(SHOWN.index(document.shown) + 1) % len(SHOWN)]
        self._show(lambda: document.show(further, only_hits=document.only_hits))

    def _show(self, change: Callable[[], None]) -> None:
        """Let other lines through; the cursor stays on its line, or goes to the one before it."""
        self.window.rows()
        change()
        self._scan("lines", settle=not self.window.follow)

    def _scan(self, what: str, *, go: bool = False, settle: bool = False) -> None:
        """Find what is pending: at once where that is little, else in a thread.

        Args:
            what: a word for what is looked for.
            go: go to a hit when done.
            settle: bring the cursor to a line that is shown when done.
        """
        document, cursor = self.document, self.window.cursor
        self._looking.set()  # ends the scan that went before
        if document.scan_is_short:
            document.scan_all()
            self.busy = ""
            self._scanned(cursor, go, settle)
            return
        self.busy = what
        cancelled = self._looking = threading.Event()

        async def scan() -> None:
            await asyncio.to_thread(document.scan_all, cancelled.is_set)
            if not cancelled.is_set():
                self.busy = ""
                self._scanned(cursor, go, settle)

        self.run_worker(scan(), group="log-scan")
        self.changed()

    def _scanned(self, cursor: int, go: bool, settle: bool) -> None:
        hits = self.document.hits
        if go:
            place = hits.after(cursor - 1)
            self._to_hit(hits.before(cursor) if place is None else place)
        elif settle:
            self.window.go_to(cursor)
        self.changed()

    def go_to_step(self, step: int) -> None:
        """Go to the first line about a training step."""
        source, stop = self.document.source, self._stop

        async def find() -> None:
            place = await asyncio.to_thread(find_step, source, step, stop.is_set)
            if place is None:
                self.post_message(self.Wanted("no step"))
            else:
                self.go_to(place)

        self.run_worker(find(), group="log-step", exclusive=True)
