"""The top edge of a panel with its title, and the status line of a page."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from tui.app.terminal.text_lines import fit, length, plain, strip_of
from tui.app.terminal.theme import Palette, palette

Words = list[tuple[str, Style]]


class PanelTitle(Widget):
    """`╭─ Jobs ── 2 running ───────── sort: newest ─╮`, or with `├ ┤` between two panels."""

    ALLOW_SELECT = False

    def __init__(self, *, joined: bool = False, id: str | None = None) -> None:  # noqa: A002  Textual's name
        super().__init__(id=id)
        self._ends = "├┤" if joined else "╭╮"
        self._left: tuple[str, ...] = ()
        self._right: tuple[str, ...] = ()
        self._wrong = False

    def set(
        self, left: tuple[str, ...], right: tuple[str, ...] = (), *, wrong: bool = False
    ) -> None:
        """Shows other texts.

        Args:
            left: the first one is the panel's name.
            right: at the other end.
            wrong: whether the last of `right` says that something is wrong.
        """
        left, right = tuple(map(plain, left)), tuple(map(plain, right))
        if (left, right, wrong) != (self._left, self._right, self._wrong):
            self._left, self._right, self._wrong = left, right, wrong
            self.refresh()

    def _right_words(self, colors: Palette) -> Words:
        """Returns the texts that fit beside the left ones; the first ones give way."""
        needed = sum(cell_len(words) + 3 for words in self._left)
        parts = list(self._right)
        while len(parts) > 1 and needed + sum(cell_len(words) + 3 for words in parts) > (
            self.size.width - 4
        ):
            parts.pop(0)
        if parts and cell_len(parts[0]) > self.size.width - 8:  # what is wrong is never left out
            parts = [fit(parts[0], max(0, self.size.width - 8))]
        pieces: Words = []
        for number, words in enumerate(parts):
            tone = colors.bad if self._wrong and number == len(parts) - 1 else colors.dim
            pieces += [(" ─ " if number else " ", colors.line), (words, tone)]
        return [*pieces, (" ─", colors.line)] if pieces else []

    def render_line(self, y: int) -> Strip:  # noqa: ARG002  one line
        """Returns the edge."""
        colors = palette(self.app)
        width, line = self.size.width, colors.line
        right = self._right_words(colors)
        left: Words = [("─ ", line)]
        for number, words in enumerate(self._left):
            style = colors.dim if number else colors.strong
            room = width - 6 - length(left) - length(right)
            if room < 4:
                break
            text = words if length([(words, style)]) <= room else fit(words, room)
            left += [(" ─ " if number else "", line), (text, style)]
        left.append((" ", line))
        if length(left) + length(right) > width - 2:
            right = []
        gap = "─" * max(0, width - 2 - length(left) - length(right))
        pieces = [(self._ends[0], line), *left, (gap, line), *right, (self._ends[1], line)]
        return strip_of(pieces, width, line)


class StatusLine(Widget):
    """`│ ● running · Step 1,240 of 2,000 · 62 % · ETA 21 m · $1.84 so far · L40S $3.51/h │`."""

    ALLOW_SELECT = False
    DEFAULT_CSS = "StatusLine { height: 1; width: 100%; }"

    def __init__(self) -> None:
        super().__init__()
        self._words: Sequence[tuple[str, str]] = ()

    def set(self, words: Sequence[tuple[str, str]]) -> None:
        """Shows other texts; what does not fit is left out from the end."""
        if list(words) != list(self._words):
            self._words = words
            self.refresh()

    def render_line(self, y: int) -> Strip:  # noqa: ARG002  one line
        """Returns the texts in the frame."""
        colors, width = palette(self.app), self.size.width
        pieces: list[tuple[str, Style]] = [("│ ", colors.line)]
        for number, (text, tone) in enumerate(self._words):
            part = [(" · ", colors.line)] if number else []
            part.append((text, getattr(colors, tone)))
            room = width - 2 - length(pieces)
            if length(part) > room:
                if not number:  # the most important words are cut, the others left out
                    pieces.append((fit(text, room), part[0][1]))
                break
            pieces += part
        gap = " " * max(0, width - 1 - length(pieces))
        return strip_of([*pieces, (gap, colors.base), ("│", colors.line)], width, colors.line)
