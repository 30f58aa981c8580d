"""The columns of the list: any choice in any order fits, and is kept from one run to the next."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.app.conftest import lines_of, opened, wait_for
from tests.app.world import NOW
from tui.app.jobs.columns import (
    COLUMNS,
    CURVE_CELLS,
    FURTHER,
    GAP,
    GUTTER,
    chosen_columns,
    place_columns,
)
from tui.app.jobs.columns_sheet import ColumnsSheet
from tui.app.jobs.job_list import _live
from tui.app.jobs.small_curves import SmallCurves
from tui.settings import Home
from tui.store.writer import Change, StoreWriter

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


def test_a_curve_is_drawn_anew_once_in_ten_seconds() -> None:
    curves = SmallCurves(ascii_only=True)
    assert curves.of("a", (), NOW) == ""
    falling = curves.of("a", (3.0, 2.0, 1.0, 0.0), NOW)
    assert (falling[0], falling[-1], len(falling)) == ("'", "_", CURVE_CELLS)
    rising = (0.0, 1.0, 2.0, 3.0)
    assert curves.of("a", rising, NOW + timedelta(seconds=9)) == falling
    assert curves.of("a", rising, NOW + timedelta(seconds=10)) != falling


async def test_columns_are_chosen_moved_kept_and_put_back(world: Home) -> None:
    writer = StoreWriter(world)
    outline = {"values": [*[9.0] * 4, *[1.0] * 44], "apart": 1, "count": 48}
    config = {"--lora-rank": "16", "learning_rate": 1e-4}
    values: Any = {"parser": {"health": {"outline": outline}}, "config": config}
    writer.apply("job00000", Change(values=values))
    writer.close()
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
        await wait_for(pilot, lambda: "STEP/S" in lines_of(app)[2])
        chosen = lines_of(app)[2].strip("│┃ ").split()
        assert chosen[:5] == ["STEP/S", "MODEL", "NAME", "STATE", "HW"]  # no age
        await pilot.press("q")
    async with opened(world, size=(120, 30)) as (app, pilot):
        assert lines_of(app)[2].strip("│┃ ").split() == chosen
        await pilot.press("C")
        await wait_for(pilot, lambda: isinstance(app.screen, ColumnsSheet))
        await pilot.press("delete", "escape")
        await wait_for(pilot, lambda: lines_of(app)[2] == usual)
        model = app.model
        model.columns = ("name", "curve", "rank", "lr", "pace", "tags")
        app.screen.list.refresh()  # type: ignore[attr-defined]
        await wait_for(pilot, lambda: "RANK" in lines_of(app)[2])
        assert "CURVE" not in lines_of(app)[2]  # 132 columns at least
        await pilot.resize_terminal(132, 30)
        await wait_for(pilot, lambda: "CURVE" in lines_of(app)[2])
        heads, *rows = (line.strip("│┃ ▸").split() for line in lines_of(app)[2:5])
        assert heads == ["NAME", "CURVE", "RANK", "LR", "STEP/S", "TAGS"]
        assert rows[0] == ["cat-lora-0", "⠉⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀", "16", "0.0001", "0.529"]
        assert rows[1] == ["portrait-v3-1", "0.529"]  # nobody knows its config
        await pilot.resize_terminal(60, 15)
        await pilot.press("C", *("j" for _ in NAMES))
        await wait_for(pilot, lambda: any("▸   AGE" in line or "▸   COST" in line
                                          for line in lines_of(app)[2:14]))  # fmt: skip
        assert "╰" in lines_of(app)[13] or "╰" in lines_of(app)[14]
