"""Where one stands among the pictures: following, moving, marking, what is on the page."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.app.pictures.state import SIZES, PicturesState, titled
from tui.simpletuner.validation_media import Grid, Medium, grid, grid_of_runs


def pictures(prompts: int, steps: int) -> Grid:
    return grid(
        Medium(f"p{prompt}-{step}.png", 100 * step, f"prompt {prompt}", 0, 64, 64, "picture")
        for step in range(1, steps + 1)
        for prompt in range(prompts)
    )


def at(prompts: int, steps: int) -> PicturesState:
    state = PicturesState()
    state.show(pictures(prompts, steps))
    return state


def test_the_newest_step_is_followed_until_one_moves_away() -> None:
    state = at(2, 3)
    assert state.column == 2
    state.show(pictures(2, 4))
    assert state.column == 3
    state.move(0, -1)
    state.show(pictures(2, 6))
    assert state.column == 2
    state.move(0, 3)
    state.show(pictures(2, 7))
    assert state.column == 6


def test_the_cursor_keeps_its_prompt_when_another_one_comes_before_it() -> None:
    state = at(2, 2)
    state.move(1, 0)
    more = [
        *pictures(2, 2).cells.values(),
        Medium("a.png", 100, "a first one", 0, 1, 1, "picture"),
    ]
    state.show(grid(more))
    assert state.grid.rows[state.row] == ("prompt 1", 0)


def test_the_cursor_stays_within_the_grid() -> None:
    state = at(2, 2)
    assert not state.move(5, 5) or (state.row, state.column) == (1, 1)
    assert state.move(-5, -5)
    assert (state.row, state.column) == (0, 0)
    assert not state.move(-1, 0)


def test_pictures_that_are_gone_leave_a_cursor_that_is_there() -> None:
    state = at(3, 5)
    state.move(2, -1)
    state.show(pictures(1, 2))
    assert state.current is not None
    state.show(Grid())
    assert state.current is None
    assert state.spots(80, 24) == []
    assert not state.move(1, 1)


def test_two_pictures_are_set_beside_each_other() -> None:
    state = at(1, 3)
    assert not state.set_beside()
    assert state.mark()
    state.move(0, -1)
    assert state.set_beside()
    assert state.marked != state.current
    assert state.step_back()
    assert not state.beside
    assert state.step_back()
    assert state.marked is None
    assert not state.step_back()


def test_the_mark_is_taken_away_where_it_is() -> None:
    state = at(1, 2)
    state.mark()
    state.set_beside()
    state.mark()
    assert (state.marked, state.beside) == (None, False)


def test_two_marked_pictures_stand_beside_each_other_and_none_beside_itself() -> None:
    state = at(2, 3)
    state.mark()
    assert not state.set_beside(), "the cursor is still on the marked one"
    first, _ = state.marked, state.move(1, 0)
    state.mark()
    assert state.set_beside()
    assert (state.marked, state.current != first) == (first, True)
    assert state.step_back()
    assert state.step_back()
    assert (state.marked, state.set_beside()) == (None, False)


def test_a_long_prompt_is_shortened_and_the_step_stays() -> None:
    assert titled("▸ ", "a cat", "1,200", 26) == "▸ a cat · 1,200"
    assert titled("▸ ", "1 cat-lora-r32 · validation", "200", 26) == "▸ 1 cat-lora-r32 · … · 200"
    assert titled("* ", "猫" * 20, "200", 16) == "* 猫猫猫 … · 200"
    assert titled("", "a cat on a table", "1,200", 6) == "1,200"


def test_only_pictures_can_be_set_beside() -> None:
    state = PicturesState()
    state.show(grid([Medium("a.mp4", 1, "cat", 0, 1, 1, "video")]))
    assert not state.mark()


@given(
    st.integers(1, 6), st.integers(1, 30), st.integers(0, 6), st.integers(-30, 0),
    st.integers(1, 200), st.integers(2, 60), st.integers(0, len(SIZES) - 1),
)  # fmt: skip
def test_the_cursor_is_on_the_page_and_nothing_overlaps_or_leaves_it(
    prompts: int, steps: int, down: int, left: int, width: int, height: int, size: int
) -> None:
    state = at(prompts, steps)
    state.size = size
    state.move(down, left)
    spots = state.spots(width, height)
    assert (spots[0].row, spots[0].column) == (state.row, state.column)
    taken: set[tuple[int, int]] = set()
    for spot in spots:
        assert spot.x + spot.width <= width
        assert spot.y + 1 + spot.height <= height
        corner = (spot.x, spot.y)
        assert corner not in taken
        taken.add(corner)


@pytest.mark.parametrize(("column", "expected"), [(9, [6, 7, 8, 9]), (0, [0, 1, 2, 3])])
def test_the_newest_steps_stand_at_the_right(column: int, expected: list[int]) -> None:
    state = at(1, 10)
    state.move(0, column - 9)
    assert sorted(spot.column for spot in state.spots(118, 30)) == expected


def test_runs_below_each_other_at_the_steps_they_have_in_common() -> None:
    def run(*steps: int, prompts: tuple[str, ...] = ("validation",)) -> Grid:
        return grid(
            Medium(f"{prompt}{step}", step, prompt, 0, 8, 8, "picture")
            for step in steps
            for prompt in prompts
        )

    both = grid_of_runs([
        ("1 a", run(100, 200, 300, prompts=("validation", "cat"))), ("2 b", Grid()),
        ("3 c", run(200, 300, 400)),
    ])  # fmt: skip
    assert both.rows == [("1 a · validation", 0), ("3 c · validation", 0), ("1 a · cat", 0)]
    assert both.steps == [200, 300]
    first = [both.at(row, 0) for row in range(3)]
    assert [one.path for one in first if one] == ["validation200", "validation200", "cat200"]
    apart = grid_of_runs([("1 a", run(100)), ("2 b", run(200))])
    assert apart.steps == [100, 200]
    assert apart.at(0, 1) is None
    assert grid_of_runs([("1 a", Grid())]) == Grid()
