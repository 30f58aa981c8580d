"""Amounts of money in columns and sentences."""

from __future__ import annotations

import pytest

from tui.base.formatting import dollars, money


@pytest.mark.parametrize(
    ("micros", "cell", "words"),
    [
        (None, "—", "—"),
        (0, "$0.00", "$0"),
        (1, "<$0.01", "<$0.01"),
        (4_999, "<$0.01", "<$0.01"),
        (5_000, "$0.01", "$0.01"),
        (14_999, "$0.01", "$0.01"),
        (100_000, "$0.10", "$0.10"),
        (-1, "$0.00", "$0"),  # nothing is no debt
        (-4_999, "$0.00", "$0"),
        (-5_000, "-$0.01", "-$0.01"),
        (-1_500_000, "-$1.50", "-$1.50"),
        (-2_000_000, "-$2.00", "-$2"),
        (31_200_000, "$31.20", "$31.20"),
        (50_000_000, "$50.00", "$50"),
        (1_234_567_890, "$1,234.57", "$1,234.57"),
    ],
)
def test_an_amount_has_a_sign_only_where_it_shows_something(
    micros: int | None, cell: str, words: str
) -> None:
    assert (money(micros), dollars(micros)) == (cell, words)
