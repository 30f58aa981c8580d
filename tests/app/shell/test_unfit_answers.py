"""The window against an engine whose answers lack every field: it says so, and stays."""

from __future__ import annotations

from tests.app.conftest import opened, text_of, wait_for
from tests.app.stand_in_engine import StandInEngine
from tui.app.jobs.screen import JobsScreen
from tui.settings import Home


async def test_answers_without_their_fields_are_told_and_the_window_stays(
    world: Home, engine: StandInEngine
) -> None:
    async with opened(world, engine) as (app, pilot):
        await pilot.press("down", "down", "r")  # its worker reads the answer after the call
        await wait_for(pilot, lambda: app.notices[1:])
        assert "it has no `differences`" in app.notices[1].message
        await pilot.press("n")  # the form shows what its check met
        await wait_for(pilot, lambda: "cannot be understood" in text_of(app))
        assert "engine.log" in text_of(app)  # the last words of the advice: all of it is there
        await pilot.press("escape", "1", "3", "4", "5", "2")
        await wait_for(pilot, lambda: isinstance(app.screen, JobsScreen))
        assert app._exception is None
