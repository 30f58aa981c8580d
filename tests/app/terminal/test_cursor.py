"""Moves of the cursor, judged by pyte."""

from __future__ import annotations

import pyte
from hypothesis import given
from hypothesis import strategies as st

from tui.app.terminal.cursor import UNKNOWN, move

WIDTH, HEIGHT = 130, 12
rows, columns = st.integers(0, HEIGHT - 1), st.integers(0, WIDTH - 1)


@given(at=st.tuples(rows, columns), to=st.tuples(rows, columns), known=st.sampled_from([0, 1, 2]))
def test_the_cursor_gets_where_it_shall_whatever_is_known_of_it(
    at: tuple[int, int], to: tuple[int, int], known: int
) -> None:
    screen = pyte.Screen(WIDTH, HEIGHT)
    screen.cursor.y, screen.cursor.x = at
    moved = move(at[0] if known else UNKNOWN, at[1] if known > 1 else UNKNOWN, *to)
    pyte.Stream(screen).feed(moved)
    assert (screen.cursor.y, screen.cursor.x) == to
    assert len(moved) <= len(f"\x1b[{to[0] + 1};{to[1] + 1}H")


def test_small_moves_are_small() -> None:
    assert move(3, 7, 3, 7) == ""
    assert move(3, 7, 4, 7) == "\v"
    assert move(3, 7, 3, 5) == "\b\b"
    assert move(3, 7, 4, 0) == "\v\r"
    assert move(3, 7, 3, 9) == "\x1b[2C"
    assert move(3, UNKNOWN, 8, 9) == "\x1b[9;10H"
