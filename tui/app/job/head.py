"""The line of figures at the top of a job's page."""

from __future__ import annotations

from collections.abc import Sequence

from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from tui.app.terminal.text_lines import fit, length, strip_of
from tui.app.terminal.theme import palette


class JobHead(Widget):
    """`│ ● running · Step 1,240 of 2,000 · 62 % · ETA 21 m · $1.84 so far · L40S $3.51/h │`."""

    ALLOW_SELECT = False
    DEFAULT_CSS = "JobHead { height: 1; width: 100%; }"

    def __init__(self) -> None:
        super().__init__()
        self._words: Sequence[tuple[str, str]] = ()

    def set(self, words: Sequence[tuple[str, str]]) -> None:
        """Say something else; what does not fit is left out from the end."""
        if list(words) != list(self._words):
            self._words = words
            self.refresh()

    def render_line(self, y: int) -> Strip:  # noqa: ARG002  one line
        """State and figures in the frame."""
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
