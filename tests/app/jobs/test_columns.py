"""The columns of the list: any choice in any order fits, and is kept from one run to the next."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.app.conftest import lines_of, opened, wait_for
from tui.app.jobs.columns import COLUMNS, FURTHER, GAP, GUTTER, chosen_columns, place_columns
from tui.app.jobs.columns_sheet import ColumnsSheet
from tui.app.jobs.job_list import _live
from tui.settings import Home

NAMES = [column.sort for column in (*COLUMNS, *FURTHER)]


@given(st.lists(st.sampled_from([*NAMES, "of another version"]), max_size=15), st.integers(58, 250))
def test_every_choice_has_its_name_fits_and_never_overlaps(names: list[str], width: int) -> None:
    placed = place_columns(width, names)
    assert "name" in [item.column.sort for item in placed]
    end = GUTTER
    for item in placed:
        assert item.start == end
        assert item.width >= item.column.width
        end = item.start + item.width + GAP
    assert end - GAP < width
    order = [column.sort for column in chosen_columns(names)]
    assert [name for name in order if name in {item.column.sort for item in placed}] == [
        item.column.sort for item in placed
    ]


def test_words_take_only_the_figures_that_follow_the_progress() -> None:
    """Or they would cover a column that was put between."""
    placed = place_columns(150, ("name", "loss", "progress", "step", "cost", "eta"))
    assert [item.column.sort for item in _live(placed)] == ["progress", "step"]
    assert [item.column.sort for item in _live(place_columns(150))] == [
        "progress", "step", "loss", "best", "eta",
    ]  # fmt: skip
    assert _live(place_columns(150, ("name", "loss"))) == []


async def test_columns_are_chosen_moved_kept_and_put_back(world: Home) -> None:
    async with opened(world, size=(120, 30)) as (app, pilot):
        usual = lines_of(app)[2]
        await pilot.press("C")
        sheet = await wait_for(pilot, lambda: isinstance(app.screen, ColumnsSheet) and app.screen)
        await pilot.press("space", "K")  # the name stays
        for _ in NAMES:
            await pilot.press("j")
        await pilot.press("space", *("K" for _ in NAMES), "j", "J", "j", "j", "space")
        await pilot.press("escape")
        await wait_for(pilot, lambda: app.screen is not sheet)
        await wait_for(pilot, lambda: "TAGS" in lines_of(app)[2])
        chosen = lines_of(app)[2].strip("│┃ ").split()
        assert chosen[:5] == ["TAGS", "MODEL", "NAME", "STATE", "HW"]  # no age
        await pilot.press("q")
    async with opened(world, size=(120, 30)) as (app, pilot):
        assert lines_of(app)[2].strip("│┃ ").split() == chosen
        await pilot.press("C")
        await wait_for(pilot, lambda: isinstance(app.screen, ColumnsSheet))
        await pilot.press("delete", "escape")
        await wait_for(pilot, lambda: lines_of(app)[2] == usual)
