"""The step of display that is replaced: what is sent as a difference, and what gives way."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip

from tests.app.terminal.terminals import HEIGHT, WIDTH, Terminals
from tui.app.terminal import frame_diff
from tui.app.terminal.frame_diff import DiffUpdate, FrameDiff, TerminalCells, cells_of
from tui.app.terminal.paced_file import PacedFile
from tui.app.terminal.sgr import RESET

CONSOLE = Console(color_system="truecolor", force_terminal=True, width=WIDTH)


def strip(text: str) -> Strip:
    return Strip([Segment(text)])


LINE = LayoutUpdate([[strip("stock")]], Region(0, 0, 5, 1))


class Stock:
    """The part of Textual's app that is replaced or called."""

    size = (WIDTH, HEIGHT)

    def __init__(self) -> None:
        self.shown: list[Any] = []
        self.log = self.sight = self._driver = self
        self.paced = PacedFile(StringIO(), self.terminal_caught_up)
        self.later: list[Callable[[], None]] = []
        self.call_later = self.later.append

    def _display(self, screen: object, renderable: object) -> None:
        self.shown.append(renderable)

    def terminal_caught_up(self) -> None:
        raise NotImplementedError

    def leaves(self) -> None:
        self.before = len(self.shown)

    def left(self) -> None:
        assert self.before == len(self.shown) - 1

    def error(self, text: str) -> None:
        assert "switched off" in text

    refreshed = 0

    def refresh(self) -> None:
        """Asked for when the display is changed."""
        self.refreshed += 1


class App(FrameDiff, Stock):
    def __init__(self) -> None:
        Stock.__init__(self)
        self.terminal_cells = TerminalCells()

    def hand_on(self, renderable: object) -> Any:
        self._display(None, renderable)  # type: ignore[arg-type]  # a screen is not looked at
        return self.shown[-1]


def test_only_updates_of_the_compositor_are_sent_as_differences(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = App()
    update = app.hand_on(LINE)
    assert isinstance(update, DiffUpdate)
    assert "stock" in update.render_segments(CONSOLE)
    assert update.render_segments(CONSOLE) == ""  # the terminal shows it
    assert app.hand_on(None) is None
    assert update.render_segments(CONSOLE) == ""
    assert app.hand_on("text of another program") == "text of another program"
    assert "stock" in update.render_segments(CONSOLE)  # the terminal may show anything now
    chops = ChopsUpdate([{0: strip("a")}], [(0, 0, 1)], [[1]])
    assert isinstance(app.hand_on(chops), DiffUpdate)
    app.frame_diff_on = False
    assert app.hand_on(LINE) is LINE
    app.frame_diff_on = True
    monkeypatch.setattr(frame_diff, "supported", lambda: False)
    assert app.hand_on(LINE) is LINE


def test_a_difference_that_fails_gives_way_to_the_stock_display_for_good() -> None:
    app = App()
    update = app.hand_on(LINE)
    del app.terminal_cells
    assert update.render_segments(CONSOLE) == RESET + LINE.render_segments(CONSOLE)
    assert not app.frame_diff_on
    assert app.later == [app.refresh]
    assert app.hand_on(LINE) is LINE


def test_while_the_terminal_is_behind_nothing_is_drawn_and_then_what_is_to_be_seen_now() -> None:
    app = App()
    app.hand_on(LINE)
    app.paced.hand_over()
    assert not app.paced.is_behind  # a write may last a moment
    app.paced._since -= 1
    assert app.paced.is_behind
    for _ in range(3):
        assert len(app.shown) == 1
        app._display(None, LINE)
    app.paced.write("the text that was waited for")
    assert not app.refreshed
    app.paced._taken = app.paced._handed  # the app is not told yet, and would draw a part
    assert not app.paced.is_behind
    app._display(None, LINE)
    assert len(app.shown) == 1
    app.paced.flush()
    assert app.refreshed == 1
    assert not app.paced.is_behind
    app.hand_on(LINE)
    assert len(app.shown) == 2
    app.terminal_caught_up()
    assert app.refreshed == 1


@pytest.mark.parametrize(("known", "exact"), [("standard", False), (None, True)])
def test_colours_are_those_that_the_terminal_knows(known: str | None, *, exact: bool) -> None:
    console = Console(color_system=known, force_terminal=True)  # type: ignore[arg-type]  # a Literal
    line = Strip([Segment("x", Style(color="#fe010" + ("2" if exact else "3")))])
    update = App().hand_on(LayoutUpdate([[line]], Region(0, 0, 1, 1)))
    assert ("38;2;254;1" in update.render_segments(console)) is exact


@pytest.mark.parametrize(
    "span", [(0, 24), (3, 12), (10, 18), (6, 10), (18, 20), (0, 6), (5, 7), (9, 11), (10, 17)]
)
def test_a_part_of_a_line_is_drawn_where_the_stock_display_draws_it(span: tuple[int, int]) -> None:
    terminals = Terminals()
    terminals.show([[("." * WIDTH, frame_diff._NULL)]] * HEIGHT)
    row = {0: strip("abcdef"), 6: None, 10: strip("漢字ghij"), 18: strip("klmnop")}
    update = ChopsUpdate([row] * 3, [(1, *span)], [[6, 10, 18, 24]] * 3)
    terminals.feed(update)
    terminals.check()


def sizes(rows: list[str], tops: list[int], mark: bool = False) -> list[int]:
    """The bytes of frames that show the rows from each of the tops on, between fixed lines."""
    terminals = Terminals()
    taken = []
    for top in tops:
        body = [
            [(rows[n], Style()), ("#" if mark and n % 7 == top % 7 else "|", Style(bold=True))]
            for n in range(top, top + HEIGHT - 2)
        ]
        taken.append(terminals.show([[("title", Style())], *body, [("foot", Style())]]))
        terminals.check()
    return taken


RISING = [f"row {n:02} {'é' * (n % 3)} x" for n in range(40)]
MIXED = [f"{'zebra' if n * 7 % 5 < 2 else 'apple'} {n:02}" for n in range(40)]
TOPS = [0, 1, 3, 2, 10, 6, 6, 20, 21]


@pytest.mark.parametrize(
    ("rows", "mark", "taken"),
    [
        (RISING, False, [187, 48, 69, 48, 132, 108, 0, 133, 47]),
        (RISING[::-1], False, [199, 47, 73, 47, 132, 112, 0, 132, 48]),
        (MIXED, False, [172, 44, 79, 52, 62, 106, 0, 76, 39]),
        (MIXED[::-1], True, [172, 71, 88, 61, 63, 70, 0, 72, 71]),
    ],
)
def test_lines_that_moved_are_not_sent_again(
    rows: list[str], taken: list[int], *, mark: bool
) -> None:
    """In bytes; a frame without moves takes as many as the first one."""
    assert sizes(rows, TOPS, mark) == taken


def test_spaces_of_any_colour_are_alike_in_every_script() -> None:
    red, green = Style(color="#ff0000"), Style(color="#00ff00")
    colors = ColorSystem.TRUECOLOR
    plain, accented = (
        [cell for style in (red, green) for cell in cells_of(Strip([Segment(text, style)]), colors)]
        for text in ("e e", "é é")
    )
    assert plain[1] == accented[1] == plain[4] == accented[4]
    assert plain[0] != plain[3]
    assert [cell[0] for cell in cells_of(Strip([Segment("漢e\u0301 ", red)]), colors)] == [
        "漢", "", "e\u0301", " ",
    ]  # fmt: skip
    parted = Strip([Segment("ne", red), Segment("\u0301e\u0301", green)])
    assert [cell[0] for cell in cells_of(parted, colors)] == ["n", "e\u0301", "e\u0301"]
