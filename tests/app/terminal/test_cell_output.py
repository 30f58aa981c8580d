"""What a row's change is sent as: cells that nobody knows stay unsent, and short ways are taken."""

from __future__ import annotations

import re

import pyte
import pytest

from tui.app.terminal.cell_output import sequence
from tui.app.terminal.cell_runs import UNSEEN, Cell, Change

BACKGROUND = "48;2;1;2;3"
RED = f"38;2;255;0;0;{BACKGROUND}"


def cells(text: str, codes: str = "") -> list[Cell]:
    """Cells of one look; `?` is one that nobody has seen."""
    return [UNSEEN if char == "?" else (char, codes if char != " " else "") for char in text]


@pytest.mark.parametrize("row", ["ab?cd", "a          b???????????c          d"])
def test_cells_that_nobody_knows_are_neither_written_nor_erased(row: str) -> None:
    screen = pyte.Screen(len(row), 1)
    screen.reset_mode(pyte.modes.DECAWM)
    screen.draw("#" * len(row))
    sent, _ = sequence([Change(0, cells(row), [UNSEEN] * len(row))])
    pyte.Stream(screen).feed(sent)
    assert screen.display[0] == row.replace("?", "#")


def test_a_row_of_many_pieces_is_erased_first_and_its_blanks_are_not_sent() -> None:
    old = cells("x" * 60)
    pieces = "".join(f"{word:12}" for word in ("one", "two", "three", "four", "five"))
    sent, _ = sequence([Change(4, cells(pieces), old)])
    assert sent.startswith("\x1b[5H\x1b[K")
    assert " " not in sent
    assert sent.count("\x1b[") == 2 + 4


def test_styles_follow_each_other_by_short_changes() -> None:
    other = "48;2;9;9;9"
    row = [("a", f"1;{RED}"), ("b", other), ("c", BACKGROUND), ("d", f"1;{BACKGROUND}"), ("e", RED)]
    sent, _ = sequence([Change(0, row, cells("....."))])
    assert re.findall(r"\x1b\[([0-9;]*)m", sent) == [other, BACKGROUND, "1", "38;2;255;0;0", "22"]


def test_of_very_many_styles_those_of_one_background_are_together() -> None:
    pairs = [(ink, ground) for ink in range(100, 120) for ground in (21, 22, 23)]
    row = [("▀", f"38;5;{ink};48;5;{ground}") for ink, ground in pairs]
    sent, _ = sequence([Change(0, row, cells("." * len(row)))])
    assert sent.count("48;5;") == 3


def test_the_lines_of_a_box_are_sent_downwards() -> None:
    old = cells(" " * 20)
    rows = [Change(y, [*cells("│"), *cells(" " * 18), *cells("│")], old) for y in range(8)]
    sent, _ = sequence(rows)
    assert "│\v\r│\v\r│" in sent
    assert "│\v│\v│" in sent  # the last column: the cursor stays in it
    assert len(sent) == 48


def test_what_a_later_style_will_write_is_written_over_instead_of_moved_over() -> None:
    old = cells("." * 9)
    row = [("a", RED), ("b", f"1;{BACKGROUND};38;2;255;255;255"), ("c", RED), *cells("......")]
    sent, _ = sequence([Change(0, row, old)])
    assert "a c" in sent
    assert sent.endswith("b")


def test_behind_a_character_of_doubtful_width_the_cursor_is_placed() -> None:
    old = cells("." * 9)
    row = [("🐈", ""), ("", ""), ("x", "1"), ("y", ""), *cells(".....")]
    sent, _ = sequence([Change(0, row, old)])
    assert "🐈\x1b[4Gy" in sent
