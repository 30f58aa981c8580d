"""The log of a job on screen: a cursor, following, selection, filter, hits.

Only what is on screen is read and painted. Following redraws at most four times a second, whatever
the file does: fifteen times as many frames would cost a slow line 200 kB/s and show nothing more.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Final

from rich.segment import Segment
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget

from tui.app.keys.actions import LOG, MOVE
from tui.app.keys.keymap import DoublePress, bindings
from tui.app.log.document import SHOWN, LogDocument
from tui.app.log.paint import paint
from tui.app.log.seeker import LogSeeker
from tui.app.log.window import SIDEWAYS, LogWindow
from tui.app.terminal.theme import palette
from tui.store.log_line import LogLine

PERIOD: Final = 0.25
"""Seconds between two looks at the file."""
_WANTED: Final = frozenset({"search", "step", "save", "pipe", "pager", "copy"})
_LOOKED_AT_ONCE: Final = 2_000
"""Lines that are painted once and kept, so that moving about repaints little."""


class LogView(Widget, can_focus=True):
    """Shows a log file and follows it.

    Args:
        path: the file; it may come later.
        id: widget id.
    """

    ALLOW_SELECT = False
    DEFAULT_CSS = "LogView { width: 100%; height: 1fr; }"
    BINDINGS: ClassVar = bindings((*MOVE, *LOG))

    class Changed(Message):
        """The title of the log is out of date."""

    class Wanted(Message):
        """An action that needs more than the view: a line to type in, another program, words.

        Attributes:
            what: `search`, `step`, `save`, `pipe`, `pager`, `copy`; `no hit`, `no step`,
                `gave up`, `from the top`, `from the end`.
        """

        def __init__(self, what: str) -> None:
            super().__init__()
            self.what = what

    def __init__(self, path: Path, *, id: str | None = None) -> None:  # noqa: A002  Textual's name
        super().__init__(id=id)
        self.document = LogDocument(path)
        self.window = LogWindow(self.document, self._paint)
        self._painted: dict[tuple[int, int, int, bool], Strip] = {}
        self.steps: tuple[int, int] | None = None
        """The training steps that the page is zoomed to; None for the whole run."""
        self.unseen = 0
        """Lines that came while not following."""
        self.seeker = LogSeeker(
            self, self.document, go_to=self.go_to, missed=self._want, done=self.changed
        )
        self._timer: Timer | None = None
        self._second_g = DoublePress()

    @property
    def busy(self) -> str:
        """What a thread searches for; empty when none does."""
        return self.seeker.busy

    # -- life ---------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Starts to number the lines, once the first frame is out."""
        self.call_after_refresh(self._begin_numbering)

    def _begin_numbering(self) -> None:
        self.document.log.start_index(self._numbered)

    def _numbered(self) -> None:
        self.post_message(self.Changed())  # may come from a thread

    def on_unmount(self) -> None:
        """Ends the threads and closes the file."""
        self.seeker.close()
        self.document.close()

    @property
    def is_live(self) -> bool:
        """Whether the file is looked at for new lines."""
        return self._timer is not None

    def live(self, on: bool) -> None:
        """Begins or ends looking at the file four times a second."""
        if on and self._timer is None:
            self._timer = self.set_interval(PERIOD, self.poll)
        elif not on and self._timer is not None:
            self._timer.stop()
            self._timer = None
        self.poll()

    def poll(self) -> None:
        """Shows what has come since the last look."""
        new = self.document.refresh()
        if new is None:
            return
        if new < 0:
            self.paint_again()
            self.window.start_anew()
        self.unseen = 0 if self.window.follow else self.unseen + max(new, 0)
        if self.document.pending and not self.seeker.busy:
            self.seeker.scan("lines")
        else:
            self.changed()

    def changed(self) -> None:
        """Lays out and draws again."""
        self.window.invalidate()
        if self.window.follow:
            self.unseen = 0
        self.refresh()
        self.post_message(self.Changed())

    # -- moving -------------------------------------------------------------------------------

    def action_perform(self, action_id: str) -> None:
        """Does one of the moves or one of the log's actions."""
        group, _, name = action_id.partition(".")
        if group == "log":
            if name in _WANTED:
                self._want(name)
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
        elif name == "top" and self._second_g():
            self.window.go_to(0)
        if name != "top":
            self._second_g.forget()
        self.changed()

    def key_home(self) -> None:
        """Goes to the top; unlike `g`, the home key needs no second press."""
        self.go_to(0)

    def go_to(self, position: int) -> None:
        """Puts the cursor on the line at a byte and stops following."""
        self.window.go_to(position)
        self.changed()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Scrolls three lines down."""
        event.stop()
        self.window.scroll(3)
        self.changed()

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Scrolls three lines up."""
        event.stop()
        self.window.scroll(-3)
        self.changed()

    def on_click(self, event: events.Click) -> None:
        """Puts the cursor on the line that was clicked."""
        rows = self.window.rows()
        if event.y < len(rows):
            self.go_to(rows[event.y].line.offset)

    # -- actions ------------------------------------------------------------------------------

    def do_left(self) -> None:
        """Scrolls long lines to the left."""
        self.window.sideways(-SIDEWAYS)
        self.changed()

    def do_right(self) -> None:
        """Scrolls long lines to the right."""
        self.window.sideways(SIDEWAYS)
        self.changed()

    def do_wrap(self) -> None:
        """Wraps long lines, or cuts them at the edge."""
        self.window.wrap = not self.window.wrap
        self.window.left = 0
        self.changed()

    def do_select(self) -> None:
        """Begins a selection at the cursor, or ends it."""
        self.window.toggle_selection()
        self.changed()

    def step_back(self) -> bool:
        """Undoes selection, filter or query, in this order; returns whether there was one."""
        document = self.document
        if self.window.anchor is not None:
            self.window.anchor = None
            self.changed()
        elif document.is_filtered:
            self._show(lambda: document.show("all", only_hits=False))
        elif document.query is not None:
            self.look_for("")
        else:
            return False
        return True

    # -- looking for things -------------------------------------------------------------------

    def look_for(self, text: str, *, regex: bool = False) -> str:
        """Searches; the cursor goes to the first hit at or below it, else to the last one above.

        Returns:
            What is wrong with the query; empty when nothing is.
        """
        place = self.window.span[0]  # lays out and paints, with the hits of the query before
        self.paint_again()
        problem = self.seeker.look_for(text, place, regex=regex)
        self.changed()
        return problem

    def do_next(self) -> None:
        """Goes to the next hit below."""
        self.seeker.next_hit(self.window.span[1])

    def do_previous(self) -> None:
        """Goes to the next hit above."""
        self.seeker.previous_hit(self.window.span[0])

    def go_to_step(self, step: int) -> None:
        """Goes to the first line about a training step."""
        self.seeker.step(step)

    def do_only(self) -> None:
        """Shows only lines with hits, else only those of the zoomed steps; or all again."""
        document = self.document
        if document.between is not None:
            self._show(lambda: document.show(document.shown, only_hits=document.only_hits))
        elif document.query is not None:
            self._show(lambda: document.show(document.shown, only_hits=not document.only_hits))
        elif self.steps is not None:
            self.seeker.steps(*self.steps, self.window.span[0], self._show_between)
        else:
            self._want("search")

    def _show_between(self, between: tuple[int, int]) -> None:
        document = self.document
        self._show(lambda: document.show(document.shown, only_hits=False, between=between))

    def do_show(self) -> None:
        """Shows fewer kinds of lines, and all again after the fewest."""
        self._show_kinds(1)

    def do_more(self) -> None:
        """Shows more kinds of lines, and the fewest after all."""
        self._show_kinds(-1)

    def _show_kinds(self, by: int) -> None:
        document = self.document
        further = SHOWN[(SHOWN.index(document.shown) + by) % len(SHOWN)]
        only, between = document.only_hits, document.between
        self._show(lambda: document.show(further, only_hits=only, between=between))

    def _show(self, change: Callable[[], None]) -> None:
        """Shows other lines; the cursor stays on its line, or goes to the one before it."""
        window = self.window
        cursor = window.span[0]
        change()
        self.seeker.scan("lines", lambda: None if window.follow else window.go_to(cursor))

    def _want(self, what: str) -> None:
        self.post_message(self.Wanted(what))

    # -- drawing ------------------------------------------------------------------------------

    def paint_again(self) -> None:
        """Drops the painted lines: they look different now."""
        self._painted.clear()
        self.window.invalidate()

    def notify_style_update(self) -> None:
        """Paints again in the new colours."""
        super().notify_style_update()
        self.paint_again()

    def on_focus(self) -> None:
        """Draws the cursor."""
        self.refresh()

    def on_blur(self) -> None:
        """Takes the cursor away."""
        self.refresh()

    def _paint(self, line: LogLine) -> Strip:
        search = self.document.search
        # Lines painted while a new expression was not compiled yet have no marks.
        key = (line.offset, line.end, hash(line.raw), search is None or search.is_ready)
        strip = self._painted.get(key)
        if strip is None:
            if len(self._painted) > _LOOKED_AT_ONCE:
                self._painted.clear()
            strip = paint(line.text, palette(self.app), search.spans if search else None)
            self._painted[key] = strip
        return strip

    def render_line(self, y: int) -> Strip:
        """Returns a row with the frame; the right edge is the scroll bar."""
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
        return "Looking…" if self.busy else "No line is like that. + and esc show other lines."

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
