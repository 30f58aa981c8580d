"""The line above the tabs: their names, and the state of the open one."""

from __future__ import annotations

from collections.abc import Sequence

from rich.style import Style
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tui.app.terminal.text_lines import fit, length, strip_of
from tui.app.terminal.theme import palette

_LEAST = 6
_WORTH = 20
"""Cells below which words are left out, not cut; the most important ones may be cut to less."""


class TabStatus(Message):
    """The texts that a tab shows at the end of the bar have changed.

    Attributes:
        panel: the tab's widget.
        words: shown at the right end, the most important last.
    """

    def __init__(self, panel: Widget, words: Sequence[str]) -> None:
        super().__init__()
        self.panel = panel
        self.words = tuple(words)


class TabBar(Widget):
    """`├ [Log]  Metrics  Stages ───────── following ─ line 812 of 1,000 ─┤`."""

    ALLOW_SELECT = False
    DEFAULT_CSS = "TabBar { height: 1; width: 100%; }"

    class Picked(Message):
        """The name of a tab was clicked."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.names = tuple(names)
        self.open = self.names[0]
        self._words: tuple[str, ...] = ()
        self._places: list[tuple[int, int, str]] = []

    def set(self, name: str, words: Sequence[str] = ()) -> None:
        """Shows another tab as open, or other texts about it."""
        if (name, tuple(words)) != (self.open, self._words):
            self.open, self._words = name, tuple(words)
            self.refresh()

    def render_line(self, y: int) -> Strip:  # noqa: ARG002  one line
        """Returns the bar: names on the left, as many texts as fit on the right."""
        colors, width = palette(self.app), self.size.width
        left: list[tuple[str, Style]] = [("├─", colors.line)]
        self._places = []
        for name in self.names:
            start = length(left)
            if name == self.open:
                left.append((f"[{name}]", colors.accent))
            else:
                left += [(" ", colors.line), (name, colors.dim), (" ", colors.line)]
            self._places.append((start, length(left), name))
        right: list[tuple[str, Style]] = [("─┤", colors.line)]
        for words in reversed(self._words):
            room = width - length(left) - length(right) - 4
            needed = length([(words, colors.dim)])
            if room < min(needed, _WORTH if len(right) > 1 else _LEAST):
                break
            text = words if needed <= room else fit(words, room)
            right[:0] = [("─ ", colors.line), (text, colors.dim), (" ", colors.line)]
        gap = "─" * max(0, width - length(left) - length(right))
        return strip_of([*left, (gap, colors.line), *right], width, colors.line)

    def on_click(self, event: events.Click) -> None:
        """Opens the tab whose name was clicked."""
        for start, end, name in self._places:
            if start <= event.x < end:
                self.post_message(self.Picked(name))
