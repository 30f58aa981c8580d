"""A list of any length that draws only the lines on screen.

Unlike a table widget it holds no cells: a subclass says how many lines there are and draws one when
asked. The frame's right side is the scroll bar, so it costs no column.
"""

from __future__ import annotations

import textwrap
from typing import ClassVar, Final, Self

from rich.style import Style
from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tui.app.keys.actions import MOVE
from tui.app.keys.keymap import DoublePress, bindings
from tui.app.terminal.text_lines import framed_strip, plain
from tui.app.terminal.theme import Palette, palette

Piece = tuple[str, Style]

_KEPT_LINES: Final = 256
"""Lines that are kept at most; some screens full."""


class VirtualList(Widget, can_focus=True):
    """Draws cursor, scroll bar and frame; subclasses draw the lines."""

    BINDINGS: ClassVar = bindings(MOVE)
    ALLOW_SELECT = False
    HEADER: ClassVar[int] = 0
    """Lines at the top that do not scroll."""
    CURSOR: ClassVar[bool] = True
    """Whether a line is selected; without it, the moves scroll."""
    SIGNED: ClassVar[bool] = True
    """Whether the lines show that the cursor is on them; else the frame beside them does."""

    class Moved(Message):
        """The cursor is on another line."""

        def __init__(self, sender: VirtualList, index: int) -> None:
            super().__init__()
            self.sender = sender
            self.index = index

        @property
        def control(self) -> VirtualList:
            """The list, so that handlers can select by it."""
            return self.sender

    class Scrolled(Message):
        """A list without a cursor shows other lines."""

    class Opened(Message):
        """A line was clicked twice."""

        def __init__(self, sender: VirtualList, index: int) -> None:
            super().__init__()
            self.sender = sender
            self.index = index

        @property
        def control(self) -> VirtualList:
            """The list, so that handlers can select by it."""
            return self.sender

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  Textual's own name
        super().__init__(id=id)
        self.index = 0
        self.top = 0
        self._second_g = DoublePress()
        self._kept: dict[object, tuple[object, Strip]] = {}

    # -- content: subclasses say what it is; this list is empty -------------------------------

    @property
    def count(self) -> int:
        """The number of lines."""
        return 0

    def line(self, index: int, width: int, colors: Palette) -> list[Piece]:  # noqa: ARG002  for subclasses
        """Returns a line without its frame."""
        return []

    def line_parts(self, index: int) -> tuple[object, ...] | None:  # noqa: ARG002  for subclasses
        """Returns what a line is made of, its own name first; None where it is made anew each time.

        A line is used again while the list only moves. Every redrawing that somebody asks for
        forgets all of them, so only what changes without one has to be here.
        """
        return None

    def header_line(self, number: int, width: int, colors: Palette) -> list[Piece]:  # noqa: ARG002  for subclasses
        """Returns one of the `HEADER` fixed lines at the top."""
        return []

    @property
    def shows_cursor(self) -> bool:
        """Whether the line of the cursor stands out."""
        return self.CURSOR

    def empty_lines(self) -> list[str]:
        """Returns the message for a list without lines."""
        return []

    def on_focus(self) -> None:
        """Draws the cursor."""
        self.refresh()

    def on_blur(self) -> None:
        """Takes the cursor away."""
        self.refresh()

    # -- cursor -------------------------------------------------------------------------------

    @property
    def page(self) -> int:
        """The number of lines that fit."""
        return max(1, self.size.height - self.HEADER)

    def move_to(self, index: int, *, tell: bool = True) -> None:
        """Puts the cursor on a line and scrolls to it."""
        if not self.CURSOR:
            self._scroll_to_line(index)
            return
        index = max(0, min(index, self.count - 1))
        before, self.index = self.index, index
        if self._show_cursor():
            super().refresh()
        elif index != before:
            self._refresh_line(before)
            self._refresh_line(index)
        if tell and index != before:
            self.post_message(self.Moved(self, index))

    def _scroll_to_line(self, index: int) -> None:
        before = self.top
        self.top = self.index = max(0, min(index, self.count - self.page))
        self.refresh()
        if self.top != before:
            self.post_message(self.Scrolled())

    def _show_cursor(self) -> bool:
        """Scrolls as little as needed; returns whether it scrolled."""
        top = min(max(self.top, self.index - self.page + 1), self.index)
        top = max(0, min(top, self.count - self.page))
        moved, self.top = top != self.top, top
        return moved

    def _refresh_line(self, index: int) -> None:
        y = index - self.top + self.HEADER
        if self.HEADER <= y < self.size.height:
            super().refresh(Region(0, y, self.size.width, 1))

    def refresh_line(self, index: int) -> None:
        """Redraws a line, if it is on screen."""
        self.forget_lines()
        self._refresh_line(index)

    def forget_lines(self) -> None:
        """Lets each line be made anew when it is drawn next."""
        self._kept.clear()

    def refresh(
        self,
        *regions: Region,
        repaint: bool = True,
        layout: bool = False,
        recompose: bool = False,
    ) -> Self:
        """Redraws what is asked for; no line is known to be as it was."""
        self._kept.clear()
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)

    def shown_lines(self) -> range:
        """Returns the indexes of the lines on screen."""
        return range(self.top, min(self.top + self.page, self.count))

    def action_perform(self, action_id: str) -> None:
        """Does one of the moves."""
        page = self.page
        target = {
            "move.down": self.index + 1,
            "move.up": self.index - 1,
            "move.bottom": self.count - 1,
            "move.half_down": self.index + page // 2,
            "move.half_up": self.index - page // 2,
        }.get(action_id)
        if action_id != "move.top":
            self._second_g.forget()
        elif self._second_g():
            target = 0
        if target is not None:
            self.move_to(target)
        elif action_id in ("move.page_down", "move.page_up"):
            self._turn_page(page if action_id == "move.page_down" else -page)

    def key_home(self) -> None:
        """Goes to the top; unlike `g`, the home key needs no second press."""
        self.move_to(0)

    def _turn_page(self, lines: int) -> None:
        """Scrolls a page; the cursor keeps its place on the screen."""
        if not self.CURSOR:
            self._scroll_to_line(self.top + lines)
            return
        before = self.index
        self.top = max(0, min(self.top + lines, self.count - self.page))
        self.index = max(0, min(self.index + lines, self.count - 1))
        self._show_cursor()
        if self.index != before:
            super().refresh()
            self.post_message(self.Moved(self, self.index))

    # -- events -------------------------------------------------------------------------------

    def on_resize(self) -> None:
        """Keeps the cursor on screen."""
        if not self.CURSOR:
            self._scroll_to_line(self.top)
        elif self._show_cursor():
            self.refresh()  # the last drawing may have used the old size

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Scrolls three lines down."""
        event.stop()
        self._wheel(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Scrolls three lines up."""
        event.stop()
        self._wheel(-3)

    def _wheel(self, lines: int) -> None:
        if not self.CURSOR:
            self._scroll_to_line(self.top + lines)
            return
        self.top = max(0, min(self.top + lines, self.count - self.page))
        index = max(self.top, min(self.index, self.top + self.page - 1, self.count - 1))
        moved, self.index = index != self.index, max(0, index)
        self.refresh()
        if moved:
            self.post_message(self.Moved(self, self.index))

    def on_click(self, event: events.Click) -> None:
        """Puts the cursor on a line; a second click opens it."""
        row = event.y - self.HEADER
        if row < 0:
            self.header_clicked(event.x)
            return
        index = self.top + row
        if index < self.count:
            self.move_to(index)
            if event.chain == 2:
                self.post_message(self.Opened(self, index))

    def header_clicked(self, x: int) -> None:
        """Handles a click on the fixed lines; subclasses may sort."""

    # -- drawing ------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        """Returns a line of the widget with its frame."""
        colors = palette(self.app)
        inner = self.size.width - 2
        index = self.top + y - self.HEADER
        if y < self.HEADER:
            pieces = self.header_line(y, inner, colors)
        elif index < self.count:
            return self._kept_line(y, index, inner, colors)
        else:
            pieces = self._empty(y - self.HEADER, inner, colors)
        return self._framed(pieces, inner, colors, thumb=False, signs=False)

    def _kept_line(self, y: int, index: int, inner: int, colors: Palette) -> Strip:
        """Returns the line of an index, as it was drawn before if all is as it was then."""
        here = index == self.index and self.shows_cursor
        thumb = self._is_thumb(y)
        parts = self.line_parts(index)
        if parts is None:
            return self._line_strip(index, inner, colors, thumb=thumb, here=here)
        # The palettes of the themes are made once, so their identity is enough.
        name, state = parts[0], (parts, here, thumb, inner, id(colors))
        kept = self._kept.get(name)
        if kept is not None and kept[0] == state:
            return kept[1]
        strip = self._line_strip(index, inner, colors, thumb=thumb, here=here)
        if len(self._kept) >= _KEPT_LINES:
            self._kept.clear()
        self._kept[name] = (state, strip)
        return strip

    def _line_strip(
        self, index: int, inner: int, colors: Palette, *, thumb: bool, here: bool
    ) -> Strip:
        pieces = self.line(index, inner, colors)
        if here:
            cursor = colors.cursor
            pieces = [(text, style + cursor) for text, style in pieces]
        signs = here and not self.SIGNED
        return self._framed(pieces, inner, colors, thumb=thumb, signs=signs)

    @staticmethod
    def _framed(
        pieces: list[Piece], inner: int, colors: Palette, *, thumb: bool, signs: bool
    ) -> Strip:
        """Returns a line between the frame's sides.

        Args:
            pieces: the line.
            inner: its width.
            colors: the colours.
            thumb: whether the scroll bar's mark is beside it.
            signs: whether the frame shows that the cursor is on it.
        """
        edge = ("│", colors.line)
        left = ("▸", colors.accent) if signs else edge
        right = ("┃", colors.dim) if thumb else edge
        return framed_strip(pieces, inner, colors.base, (left, right))

    def _is_thumb(self, y: int) -> bool:
        page, count = self.page, self.count
        if count <= page or y < self.HEADER:
            return False
        size = max(1, page * page // count)
        start = round(self.top / (count - page) * (page - size))
        return start <= y - self.HEADER < start + size

    def _empty(self, y: int, width: int, colors: Palette) -> list[Piece]:
        if self.count:
            return []
        said = self.empty_lines()
        lines = [part for text in said for part in textwrap.wrap(plain(text), width - 4) or [""]]
        first = max(0, (self.page - len(lines)) // 2)
        if not first <= y < first + len(lines):
            return []
        heading = len(textwrap.wrap(plain(said[0]), width - 4))
        style = colors.base if y - first < heading else colors.dim
        return [(lines[y - first].center(width), style)]
