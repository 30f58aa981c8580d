"""The difference display must leave the terminal exactly as the stock display would."""

from __future__ import annotations

import random
import re

import pyte
import pytest
import textual
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual._compositor import LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip

from tests.app.terminal.terminals import HEIGHT, STYLES, WIDTH, Terminals
from tui.app.terminal.cell_output import erases_in_colour
from tui.app.terminal.frame_diff import TerminalCells, _version, supported
from tui.app.terminal.sgr import change_of_style

TEXTS = ["a", "cat lora", "   ", "━━╸", "漢字", "é", "e\u0301", " ", "x" * 9, "│", "🐈"]

pieces = st.lists(
    st.tuples(st.sampled_from(TEXTS), st.sampled_from(STYLES)), min_size=0, max_size=6
)
frames = st.lists(pieces, min_size=HEIGHT, max_size=HEIGHT)


@pytest.mark.parametrize("term", ["xterm-256color", "screen"])
@settings(max_examples=150, deadline=None)
@given(steps=st.lists(st.tuples(frames, st.integers(0, HEIGHT - 1)), min_size=1, max_size=5))
def test_any_sequence_of_frames_ends_like_the_stock_display(
    term: str,
    steps: list[tuple[list, int]],  # type: ignore[type-arg]
) -> None:
    terminals = Terminals()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TERM", term)
        patch.delenv("TMUX", raising=False)
        for number, (frame, top) in enumerate(steps):
            first = 0 if number == 0 else top
            terminals.show(frame[first:], first)
            terminals.check()
    if term == "screen":
        assert not re.search(r"\x1b\[\d*[KX]", terminals.sent)


@pytest.mark.parametrize(
    ("environ", "erases"),
    [
        ({"TERM": "xterm-256color"}, True),
        ({"TERM": "linux"}, True),
        ({"TERM": "tmux-256color", "TMUX": "/tmp/t,1,0"}, True),
        ({"TERM": "screen-256color", "TMUX": "/tmp/t,1,0"}, True),
        ({"TERM": "screen.xterm-256color"}, False),  # over ssh nobody says whether it is tmux
        ({"TERM": "xterm", "STY": "1.pts"}, False),
        ({}, True),
    ],
)
def test_only_terminals_that_erase_in_colour_are_made_to(
    environ: dict[str, str], *, erases: bool
) -> None:
    assert erases_in_colour(environ) is erases


@pytest.mark.parametrize("shift", [1, 3, -1, -4])
def test_scrolled_lines_are_moved_by_the_terminal(shift: int) -> None:
    texts = [[(f"line {number:02} of many lines", STYLES[number % 3])] for number in range(60)]
    terminals = Terminals()
    top = 20
    whole = terminals.show(texts[top : top + HEIGHT])
    moved = terminals.show(texts[top + shift : top + shift + HEIGHT])
    terminals.check()
    assert moved < whole * (abs(shift) + 1.5) / HEIGHT + 30


def test_scrolling_inside_a_frame_with_a_cursor_line() -> None:
    random.seed(4)
    names = [f"job {random.random():.12f}" for _ in range(80)]
    terminals = Terminals()

    def frame(top: int, cursor: int) -> list[list[tuple[str, Style]]]:
        body = [
            [("│", STYLES[2]), (f"{names[n]:20}", STYLES[3] if n == cursor else STYLES[0]),
             ("┃" if n % 7 == top % 7 else "│", STYLES[2])]
            for n in range(top, top + HEIGHT - 2)
        ]  # fmt: skip
        return [[("title", STYLES[1])], *body, [("foot", STYLES[5])]]

    for top in (0, 1, 2, 3, 9, 5, 4, 40, 41):
        terminals.show(frame(top, top + HEIGHT - 3))
        terminals.check()


def test_a_cell_that_is_written_over_on_the_way_to_a_blank_keeps_its_style() -> None:
    terminals = Terminals()
    terminals.show([[("zy" + "w" * 10, STYLES[0])], *[[]] * (HEIGHT - 1)])
    terminals.show([[("X", STYLES[1]), ("y", STYLES[0])], *[[]] * (HEIGHT - 1)])
    terminals.check()


def test_an_unchanged_frame_costs_nothing() -> None:
    terminals = Terminals()
    frame = [[("same", STYLES[3])] for _ in range(HEIGHT)]
    assert terminals.show(frame) > 0
    assert terminals.show(frame) == 0


def test_a_frame_begins_in_the_style_that_the_last_one_left() -> None:
    """What most small updates take is the way to a colour and back."""
    terminals = Terminals()
    red = STYLES[3]
    terminals.show([[("first", red)], *[[]] * (HEIGHT - 1)])
    assert terminals.show([[("birst", red)], *[[]] * (HEIGHT - 1)]) == len("\x1b[1Hb")
    terminals.check()
    terminals._streams[1].feed("\x1b[4m")
    terminals._cells.forget()  # now nobody knows it
    terminals.show([[("birst", red)], *[[]] * (HEIGHT - 1)])
    terminals.check()


def test_forgetting_sends_everything_again() -> None:
    terminals = Terminals()
    frame = [[("same", STYLES[3])] for _ in range(HEIGHT)]
    whole = terminals.show(frame)
    terminals.ours.reset()
    terminals.ours.reset_mode(pyte.modes.DECAWM)
    terminals._cells.forget()
    assert terminals.show(frame) == whole
    terminals.check()


@pytest.mark.parametrize(
    ("before", "after", "sequence"),
    [
        ("1", "1", ""),
        ("", "1", "\x1b[1m"),
        ("1;38;2;1;2;3", "38;2;1;2;3", "\x1b[22m"),
        ("38;2;1;2;3;48;2;4;5;6", "38;2;9;9;9;48;2;4;5;6", "\x1b[38;2;9;9;9m"),
        ("38;2;1;2;3;48;2;4;5;6", "48;2;4;5;6", "\x1b[39m"),
        ("31", "", "\x1b[0m"),
        ("1;2", "1", "\x1b[0;1m"),
        ("5", "1", "\x1b[0;1m"),
    ],
)
def test_colour_changes_are_the_shortest(before: str, after: str, sequence: str) -> None:
    found = change_of_style(before, after)
    assert len(found) == len(sequence)
    screens = [pyte.Screen(4, 1), pyte.Screen(4, 1)]
    pyte.Stream(screens[0]).feed(f"\x1b[{before}m{found}x")
    pyte.Stream(screens[1]).feed(f"\x1b[0m\x1b[{after}mx" if after else "x")
    assert screens[0].buffer[0][0] == screens[1].buffer[0][0]


def test_this_textual_is_one_of_those_tested() -> None:
    assert supported()
    assert _version() == textual.__version__


def test_links_are_opened_for_their_cells_alone_and_closed() -> None:
    cells = TerminalCells()
    line = [
        Segment("at ", Style()),
        Segment("the hub", Style(link="https://hub/a")),
        Segment(" or ", Style()),
        Segment("here", Style(link="https://hub/b")),
    ]
    update = LayoutUpdate(
        [[Strip(line).adjust_cell_length(WIDTH, Style())]], Region(0, 0, WIDTH, 1)
    )
    said = cells.render(update, (WIDTH, HEIGHT), ColorSystem.TRUECOLOR)
    parts = said.split("\x1b]8;")
    opened = [part.partition("\x1b\\") for part in parts[1:]]
    linked = [
        (address.partition(";")[2], re.sub(r"\x1b\[[0-9;]*[A-Z]", "", text))
        for address, _, text in opened
    ]
    by_link: dict[str, str] = {}
    for address, text in linked:
        by_link[address] = by_link.get(address, "") + text
    assert set(by_link) == {"", "https://hub/a", "https://hub/b"}
    assert by_link["https://hub/a"] == "thehub"  # a gap stays unlinked
    assert by_link["https://hub/b"] == "here"
    assert linked[-1][0] == ""
    ids = {part.partition(";")[0] for part in parts[1:] if "hub/a" in part}
    assert len(ids) == 1
    assert cells.render(update, (WIDTH, HEIGHT), ColorSystem.TRUECOLOR) == ""


def test_only_addresses_that_cannot_disturb_become_links() -> None:
    from tui.app.terminal.text_lines import linked

    assert linked(Style(), "https://hub/a").link == "https://hub/a"
    for bad in ("javascript:x", "https://a\x1b]8;;", "https://a b", "https://\u202ea", ""):
        assert linked(Style(bold=True), bad) == Style(bold=True)
