"""Two terminals that must show the same: one of the stock display, one of differences."""

from __future__ import annotations

import pyte
from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip

from tui.app.terminal.frame_diff import TerminalCells

WIDTH, HEIGHT = 24, 10
STYLES = [
    Style.parse(text)
    for text in (
        "", "bold", "#ff0000", "bold #ff0000 on #102030", "on #102030", "dim green", "reverse",
        "underline #00ff00", "#ff0000 on #000000", "blue on white", "italic",
    )
] + [Style(bold=True, link="https://hub/a"), Style(link="https://hub/b")]  # fmt: skip


class Terminals:
    """One terminal fed by the stock display, one by differences."""

    def __init__(self) -> None:
        self.stock, self.ours = (pyte.Screen(WIDTH, HEIGHT) for _ in range(2))
        self._streams = [pyte.Stream(self.stock), pyte.Stream(self.ours)]
        self._console = Console(color_system="truecolor", force_terminal=True, width=WIDTH)
        self._cells = TerminalCells()
        self.sent = ""
        for screen in (self.stock, self.ours):
            screen.reset_mode(pyte.modes.DECAWM)

    def show(self, lines: list[list[tuple[str, Style]]], top: int = 0) -> int:
        """Show lines from `top` on in both; the bytes the difference took."""
        strips = [
            [Strip([Segment(*piece) for piece in line]).adjust_cell_length(WIDTH, STYLES[0])]
            for line in lines
        ]
        update = LayoutUpdate(list(strips), Region(0, top, WIDTH, len(lines)))
        return self.feed(update)

    def feed(self, update: LayoutUpdate | ChopsUpdate) -> int:
        """Show an update in both; the bytes the difference took."""
        self._streams[0].feed(update.render_segments(self._console).replace("\n", ""))
        text = self._cells.render(update, (WIDTH, HEIGHT), ColorSystem.TRUECOLOR)
        self._streams[1].feed(text)
        self.sent += text
        return len(text)

    def check(self) -> None:
        """Every cell looks the same."""
        for y in range(HEIGHT):
            for x in range(WIDTH):
                one, two = self.stock.buffer[y][x], self.ours.buffer[y][x]
                assert look(one) == look(two), (x, y, one, two)


def look(char: pyte.screens.Char) -> tuple[object, ...]:
    """What is seen of a cell: the colour of a space's ink is not."""
    if char.data == " " and not char.reverse and not char.underscore:
        return (" ", char.bg)
    return tuple(char)
