"""Tables: one long cell neither breaks the lines of a terminal nor widens every row of a pipe."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tui.base.columns import WIDEST, clip, fold, line_up, width_of

LONG = "x" * 5000
PRINTABLE = st.text(st.characters(exclude_categories=("C", "Z")), max_size=30)


def test_on_a_terminal_the_widest_column_is_cut() -> None:
    rows = [["ID", "NAME", "COST"], ["job00001", LONG, "$1.20"], ["job00002", "cat", "$13.00"]]
    lines = line_up(rows, frozenset({2}), 40)
    assert [len(line) for line in lines] == [40, 40, 40]
    assert lines[1] == f"job00001  {'x' * 21}…   $1.20"
    assert lines[2] == f"job00002  cat{' ' * 19}  $13.00"
    wide = line_up(rows[:1] + rows[2:], frozenset(), 200)
    assert wide[1] == "job00002  cat   $13.00"


def test_elsewhere_nothing_is_cut_and_a_long_cell_widens_its_own_row_alone() -> None:
    rows = [["NAME", "COST"], [LONG, "$1"], ["cat", "$2"], ["y" * WIDEST, "$3"]]
    lines = line_up(rows, frozenset(), None)
    assert lines[1] == f"{LONG}  $1"
    assert lines[2] == f"cat{' ' * (WIDEST - 3)}  $2"
    assert lines[3] == f"{'y' * WIDEST}  $3"


@pytest.mark.parametrize("columns", [1, 5, 20])
def test_a_terminal_that_is_too_narrow_for_all_columns_ends_the_search(columns: int) -> None:
    assert line_up([["a" * 50] * 8], frozenset(), columns)[0].count("…") == 8


@given(
    st.lists(st.tuples(PRINTABLE, PRINTABLE, PRINTABLE), min_size=1, max_size=4),
    st.integers(22, 60),
)
def test_lines_fit_and_columns_stand_below_each_other(
    rows: list[tuple[str, str, str]], columns: int
) -> None:
    for line in line_up(rows, frozenset(), columns):
        assert width_of(line) <= columns


def test_widths_are_those_of_the_screen() -> None:
    for text in ("cat", "猫の絵", "e\u0301a", "ｆｕｌｌ", "äöü✓"):
        assert width_of(text) == cell_len(text), text
    assert clip("猫の絵が好き", 6) == "猫の…"
    assert clip("abc", 3) == "abc"


@given(st.lists(PRINTABLE, min_size=1), st.integers(1, 40), st.integers(0, 20))
def test_folded_lines_have_the_words_whole_and_fit(
    words: list[str], width: int, indent: int
) -> None:
    text = " ".join(words)
    lines = fold(text, width, indent)
    assert " ".join(lines).split() == text.split()
    for line in lines:
        assert width_of(line) <= width or len(line.split()) == 1, line
    assert all(line.startswith(" " * indent) for line in lines[1:]) or indent > width // 2
    assert fold(text, None, indent) == [text]
