"""The widget of a card: a titled frame as high as the card's lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tui.app.cloud.text import Words, cut
from tui.app.keys.actions import MOVE
from tui.app.keys.keymap import bindings
from tui.app.terminal.text_lines import fit, length, strip_of
from tui.app.terminal.theme import palette

if TYPE_CHECKING:
    from rich.style import Style

    from tui.app.cloud.card import Card

_FRAME = 4


class CardView(Widget, can_focus=True):
    """Shows a card; the one with the keys has its title marked."""

    BINDINGS: ClassVar = bindings(MOVE)
    ALLOW_SELECT = False
    DEFAULT_CSS = "CardView { height: auto; width: 100%; }"

    class MoveWanted(Message):
        """A key that moves was pressed; the screen that the card is on scrolls.

        Attributes:
            action_id: the move, such as `move.down`; `home` for the home key.
        """

        def __init__(self, action_id: str) -> None:
            super().__init__()
            self.action_id = action_id

    def __init__(self, card: Card) -> None:
        super().__init__(id=f"card-{card.NAME}")
        self.card = card
        self._shown: list[Words] = []
        self._title: tuple[str, str] = ("", "")
        self._by_width: dict[int, list[Words]] = {}

    # -- content ------------------------------------------------------------------------------

    def update(self) -> None:
        """Reads the card again and draws it if something has changed."""
        self.display = self.card.shown
        self._by_width.clear()
        before = (self._shown, self._title)
        self._shown, self._title = self.lines, self._state()
        if (self._shown, self._title) != before:
            self.refresh(layout=len(self._shown) != len(before[0]))

    @property
    def lines(self) -> list[Words]:
        """The lines in the frame now."""
        return self._lines(self.size.width)

    def _lines(self, width: int) -> list[Words]:
        """Returns the card's lines at a width in cells.

        A layout asks for the height at several widths, with and without a scroll bar, and need
        not ask last for the one it takes: the lines belong to a width, not to the last question.
        """
        lines = self._by_width.get(width)
        if lines is None:
            room = max(1, width - _FRAME)
            lines = [cut(words, room) for words in self.card.lines(room)] if width else []
            self._by_width[width] = lines
        return lines

    def _state(self) -> tuple[str, str]:
        state, tone = self.card.state()
        if self.card.busy():
            return (f"{state} ◌", tone) if state not in ("", "checking…") else ("checking…", "dim")
        return state, tone

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002  Textual's
        """Returns the height of the card's lines at this width."""
        return len(self._lines(width)) + 2

    def on_resize(self) -> None:
        """Reads the lines of the new width."""
        self._shown, self._title = self.lines, self._state()

    # -- keys ---------------------------------------------------------------------------------

    def action_perform(self, action_id: str) -> None:
        """Asks the screen to scroll."""
        self.post_message(self.MoveWanted(action_id))

    def key_home(self) -> None:
        """Asks for the top; unlike `g`, the home key needs no second press."""
        self.post_message(self.MoveWanted("home"))

    def on_focus(self) -> None:
        """Draws the mark."""
        self.refresh()

    def on_blur(self) -> None:
        """Takes the mark away."""
        self.refresh()

    # -- drawing ------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        """Returns a line of the frame."""
        colors = palette(self.app)
        width, line = self.size.width, colors.accent if self.has_focus else colors.line
        if y == 0:
            return self._head(width, line)
        lines = self.lines
        if y > len(lines):
            return strip_of([("╰" + "─" * (width - 2) + "╯", line)], width, line)
        pieces = [(text, getattr(colors, tone)) for text, tone in lines[y - 1]]
        gap = " " * max(0, width - _FRAME - length(pieces))
        return strip_of(
            [("│ ", line), *pieces, (gap, colors.base), (" │", line)], width, colors.base
        )

    def _head(self, width: int, line: Style) -> Strip:
        colors = palette(self.app)
        mark = "▸ " if self.has_focus else "─ "
        name = fit(self.card.TITLE, min(len(self.card.TITLE), width - 6))
        left = [("╭", line), (mark, line), (name, colors.strong), (" ", line)]
        state, tone = self._title
        room = width - length(left) - 5
        right: list[tuple[str, Style]] = []
        if state and room >= 4:
            words = fit(state, min(len(state), room))
            right = [(" ", line), (words, getattr(colors, tone)), (" ─", line)]
        gap = "─" * max(0, width - length(left) - length(right) - 1)
        return strip_of([*left, (gap, line), *right, ("╮", line)], width, line)
