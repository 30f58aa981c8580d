"""What is sent for cells at the edges of the terminal and of wide characters, judged by pyte."""

from __future__ import annotations

from collections.abc import Iterable

import pyte
from hypothesis import given
from hypothesis import strategies as st
from rich.color import ColorSystem
from rich.segment import Segment
from textual._compositor import LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip

from tui.app.terminal.frame_diff import TerminalCells

WIDTH, HEIGHT = 12, 6


class Terminal:
    """A terminal that is sent differences."""

    def __init__(self) -> None:
        self.cells = TerminalCells()
        self.screen = pyte.Screen(WIDTH, HEIGHT)
        self.screen.reset_mode(pyte.modes.DECAWM)  # as the app does when it starts
        self.stream = pyte.Stream(self.screen)

    def paint(self, x: int, y: int, *lines: str) -> str:
        strips: list[Iterable[Strip]] = [[Strip([Segment(line)])] for line in lines]
        update = LayoutUpdate(strips, Region(x, y, WIDTH, len(lines)))
        sent = self.cells.render(update, (WIDTH, HEIGHT), ColorSystem.TRUECOLOR)
        self.stream.feed(sent)
        return sent


pieces = st.tuples(
    st.integers(0, WIDTH), st.integers(-1, HEIGHT),
    st.lists(st.text("ab ", max_size=WIDTH + 3), min_size=1, max_size=HEIGHT + 1),
)  # fmt: skip


@given(st.lists(pieces, max_size=6))
def test_the_terminal_shows_what_was_painted_and_nothing_beyond_its_edges(
    painted: list[tuple[int, int, list[str]]],
) -> None:
    terminal = Terminal()
    blank = [" " * WIDTH] * HEIGHT
    terminal.paint(0, 0, *blank)
    wanted = [list(row) for row in blank]
    for x, y, lines in painted:
        terminal.paint(x, y, *lines)
        for at, line in enumerate(lines, y):
            if 0 <= at < HEIGHT:
                wanted[at][x : x + len(line)] = line
                del wanted[at][WIDTH:]
        assert terminal.screen.display == ["".join(row) for row in wanted]


def test_a_wide_character_at_the_left_edge_is_drawn_whole() -> None:
    """Only its right half had been painted over, so only that cell differs."""
    terminal = Terminal()
    terminal.paint(0, 0, "漢字")
    terminal.paint(1, 0, "x")
    sent = terminal.paint(0, 0, "漢字")
    assert "\x1b[1H漢" in sent


def test_a_wide_character_in_a_line_is_drawn_from_its_left_half() -> None:
    terminal = Terminal()
    terminal.paint(0, 0, "ab漢字")
    terminal.paint(3, 0, "x")
    assert "\x1b[1;3H漢" in terminal.paint(0, 0, "ab漢字")


def test_cells_between_two_changes_are_sent_again_up_to_a_gap_of_four() -> None:
    """Moving the cursor costs as many bytes."""
    for gap, moves in ((4, 0), (5, 1)):
        terminal = Terminal()
        terminal.paint(0, 0, "." * WIDTH)
        sent = terminal.paint(0, 0, f"x{'.' * gap}x".ljust(WIDTH, "."))
        assert sent.count("C") == moves
