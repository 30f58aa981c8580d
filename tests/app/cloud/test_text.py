"""Charts of a card, as lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tui.app.cloud.text import Words, columns
from tui.base.formatting import money


def said(lines: list[Words]) -> list[str]:
    return ["".join(text for text, _ in line) for line in lines]


def test_a_chart_has_an_axis_for_money_and_one_for_days() -> None:
    chart = columns(
        [0, 500_000, 1_000_000], 40, 2, "accent", label=money, ends=("11-01", "11-03")
    )  # fmt: skip
    assert said(chart) == [
        "$1.00 ┤        ███ ",
        "      │    ███ ███ ",
        "$0.00 └────────────",
        "       11-01  11-03",
    ]


@pytest.mark.parametrize("wide", [1, 9, 20, 57])
@given(values=st.lists(st.integers(0, 10**10), max_size=120))
def test_no_line_of_a_chart_is_wider_than_its_card(wide: int, values: list[int]) -> None:
    chart = said(columns(values, wide, 4, "accent", label=money, ends=("1", "2")))
    assert all(cell_len(line) <= wide for line in chart)
