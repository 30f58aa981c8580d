"""Filters with names: saved from the list, listed, kept, and taken away again."""

from __future__ import annotations

from tests.app.conftest import lines_of, opened, text_of, wait_for
from tui.app.jobs.saved_filters import name_of, named, read_filters, written
from tui.app.widgets.picker import Picker
from tui.settings import Home


def test_a_filter_has_one_name_and_an_empty_one_takes_it_away() -> None:
    first = named({}, " state:failed  flux ", "bad  ones")
    assert first == {"bad ones": "state:failed  flux"}
    assert name_of(first, "state:failed flux") == "bad ones"
    renamed = named(first, "state:failed flux", "failures")
    assert renamed == {"failures": "state:failed flux"}
    assert named(renamed, "state:failed flux", " ") == {}
    assert named(renamed, "cost>2", "failures") == {"failures": "cost>2"}
    assert named({}, "x" * 3_000, "too long") is None  # or it would not be read again


def test_what_was_kept_is_read_and_damage_is_no_filter() -> None:
    kept = {"ö": "flux", "b": "tag:face"}
    assert read_filters(written(kept)) == kept
    assert written({}) == ""
    for damaged in ("", "[1]", "{", '{"a": 3, "": "x", "b": " "}', "[" * 90_000):
        assert read_filters(damaged) == {}


async def test_a_filter_is_named_listed_and_forgotten(world: Home) -> None:
    async with opened(world, size=(120, 30)) as (app, pilot):
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: app.notices)
        assert app.notices[-1].message == "There is no filter to save. / begins one."
        await pilot.press("slash", *"state:failed", "ctrl+s")
        await wait_for(pilot, lambda: "Name of “state:failed”" in text_of(app))
        await pilot.press(*"bad", "enter")
        await wait_for(pilot, lambda: "‹bad›" in lines_of(app)[1])
        await pilot.press("escape")
        await wait_for(pilot, lambda: "‹bad›" not in lines_of(app)[1])
    async with opened(world, size=(120, 30)) as (app, pilot):  # after a crash as well
        await pilot.press("slash", "down")
        picker = await wait_for(pilot, lambda: isinstance(app.screen, Picker) and app.screen)
        assert "state:failed" in text_of(app)
        await pilot.press("enter")
        await wait_for(pilot, lambda: app.screen is not picker)
        await wait_for(pilot, lambda: "‹bad› " in lines_of(app)[1])
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: "Name of “state:failed”" in text_of(app))
        await pilot.press("backspace", "enter")
        await wait_for(pilot, lambda: "‹bad›" not in lines_of(app)[1])
        assert app.model.saved_filters == {}
        await pilot.press("slash", "down")
        await wait_for(pilot, lambda: not app.screen.query("#filter"))
        assert not isinstance(app.screen, Picker)
