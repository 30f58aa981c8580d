"""One card on the Cloud screen: a titled frame as high as what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual.geometry import Size
from textual.strip import Strip
from textual.widget import Widget

from tui.app.actions import MOVE
from tui.app.cards.words import Words, cut
from tui.app.keymap import bindings
from tui.app.lines import fit, length, strip_of
from tui.app.theme import palette

if TYPE_CHECKING:
    from rich.style import Style

    from tui.app.cards.card import Card
    from tui.app.screens.cloud import CloudScreen

_FRAME = 4


class CardView(Widget, can_focus=True):
    """Shows a card; the one with the keys has its title marked."""

    BINDINGS: ClassVar = bindings(MOVE)
    ALLOW_SELECT = False
    DEFAULT_CSS = "CardView { height: auto; width: 100%; }"

    def __init__(self, card: Card) -> None:
        super().__init__(id=f"card-{card.NAME}")
        self.card = card
        self._lines: list[Words] = []
        self._title: tuple[str, str] = ("", "")
        self._width = 0

    # -- content ------------------------------------------------------------------------------

    def update(self) -> None:
        """Ask the card again; draws only if it says something else."""
        self.display = self.card.shown
        if self._width:
            self._read(self._width)

    def _read(self, width: int) -> None:
        lines = [cut(words, width - _FRAME) for words in self.card.lines(width - _FRAME)]
        state, tone = self.card.state()
        title = ("checking…", "dim") if self.card.busy() and not state else (state, tone)
        if self.card.busy() and state and state != "checking…":
            title = (f"{state} ◌", tone)
        if (lines, title, width) == (self._lines, self._title, self._width):
            return
        higher = len(lines) != len(self._lines)
        self._lines, self._title, self._width = lines, title, width
        self.refresh(layout=higher)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002
        """As high as the card's lines at this width."""
        if width != self._width:
            self._read(width)
        return len(self._lines) + 2

    # -- keys ---------------------------------------------------------------------------------

    def action_perform(self, action_id: str) -> None:
        """The moves scroll the screen that the card is on."""
        cast("CloudScreen", self.screen).move(action_id)

    def on_focus(self) -> None:
        """The mark shows."""
        self.refresh()

    def on_blur(self) -> None:
        """The mark hides."""
        self.refresh()

    # -- drawing ------------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        """The frame and one line in it."""
        colors = palette(self.app)
        width, line = self.size.width, colors.accent if self.has_focus else colors.line
        if y == 0:
            return self._head(width, line)
        if y > len(self._lines):
            return strip_of([("╰" + "─" * (width - 2) + "╯", line)], width, line)
        pieces = [(text, getattr(colors, tone)) for text, tone in self._lines[y - 1]]
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
