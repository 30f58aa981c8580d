"""Keys that come in one piece, as a slow connection delivers them, go where they were meant."""

from __future__ import annotations

from textual.widgets import Input

from tests.app.conftest import opened, text_of, wait_for
from tests.app.keys.bursts import burst
from tests.app.stand_in_engine import StandInEngine
from tui.app.annotations.sheet import AnnotationSheet
from tui.app.jobs.screen import JobsScreen
from tui.app.new_job.screen import NewJobScreen
from tui.app.publishing.screen import PublishingScreen
from tui.app.widgets.confirm import Confirm
from tui.settings import Home


async def test_the_rest_of_a_filter_is_typed_into_its_line(world: Home) -> None:
    async with opened(world) as (app, pilot):
        jobs = app.screen
        assert isinstance(jobs, JobsScreen)
        for _ in range(3):
            burst(app, "slash", *"dyxq", "enter", "G")
            await wait_for(pilot, lambda: app.model.filter.text == "dyxq")
            burst(app, "slash", *"dyxq", "ctrl+u", *"cat", "enter", "j", "G", "k")
            await wait_for(pilot, lambda: app.model.filter.text == "cat")
            await wait_for(pilot, lambda: jobs.list.index == len(app.model.ids) - 2)
            assert app.screen is jobs
            await pilot.press("escape")
            assert len(app.model.ids) == 40


async def test_screens_and_sheets_get_the_keys_that_follow(world: Home) -> None:
    async with opened(world) as (app, pilot):
        widths: dict[str, int] = {}

        def note_first() -> None:
            for side in app.screen.query(".column, #form-side").results():
                widths.setdefault(type(app.screen).__name__, side.region.width)

        app.post_display_hook = note_first  # type: ignore[method-assign]  # Textual's, for tests
        await pilot.press("1")
        await wait_for(pilot, lambda: "CloudScreen" in widths)
        burst(app, "3", "slash", *"dq2", "enter", "2")
        await wait_for(pilot, lambda: isinstance(app.screen, JobsScreen))
        burst(app, "3", "slash", *"ink", "ctrl+u", *"q", "enter")
        await wait_for(pilot, lambda: "/ q · " in text_of(app))
        assert isinstance(app.screen, PublishingScreen)
        burst(app, "escape", "2", "i", *"dyq", "shift+tab", *"fa")
        sheet = await wait_for(
            pilot, lambda: isinstance(app.screen, AnnotationSheet) and app.screen
        )
        await wait_for(pilot, lambda: (sheet.note.text, sheet.tag_line.value) == ("dyq", "fa"))
        burst(app, "escape", "escape", "colon", *"new job", "enter")
        await wait_for(pilot, lambda: isinstance(app.screen, NewJobScreen))
        burst(app, "escape", "n", "j", "enter", *"qdy", "ctrl+u", *"cy")
        line = await wait_for(pilot, lambda: isinstance(app.focused, Input) and app.focused)
        await wait_for(pilot, lambda: line.value == "cy")
        assert isinstance(app.screen, NewJobScreen)
        assert widths["CloudScreen"] == 60, "arranged in its first frame, not in a second one"
        assert widths["NewJobScreen"] == 69


async def test_a_question_is_not_answered_by_keys_that_were_typed_before_it(
    world: Home, engine: StandInEngine
) -> None:
    async with opened(world, engine) as (app, pilot):
        burst(app, *"Gd", "y", "right", "enter")
        await wait_for(pilot, lambda: isinstance(app.screen, Confirm) and "Delete" in text_of(app))
        await wait_for(pilot, lambda: not app.type_ahead.holds)
        assert isinstance(app.screen, Confirm)
        assert "▸ n  No" in text_of(app)
        assert not engine.asked
        for key, open_after in (("y", True), ("right", True), ("enter", True), ("escape", False)):
            asking = app.screen
            assert isinstance(asking, Confirm)
            asking.read_at = None  # as while its frame is on its way, or is being read
            await pilot.press(key)
            assert (app.screen is asking) is open_after, key
            assert ("That key came before" in text_of(app)) is open_after
        assert not engine.asked
