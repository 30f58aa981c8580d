"""The sheet and the pin, by keys: nothing that was typed is lost without a question."""

from __future__ import annotations

from tests.app.conftest import opened, text_of, wait_for
from tests.app.stand_in_engine import StandInEngine
from tui.app.annotations.sheet import AnnotationSheet
from tui.settings import Home
from tui.store.annotations import Annotation
from tui.store.writer import Change, StoreWriter

ONE = "job00003"
CHANGE = ("PATCH", f"/api/cloud/jobs/{ONE}")
FULL = {"message": "The disk is full.", "advice": "Free some space.", "error": "storage_full"}


async def test_the_sheet_keeps_what_was_typed_until_it_is_stored(
    world: Home, engine: StandInEngine
) -> None:
    writer = StoreWriter(world)
    writer.apply(ONE, Change(annotation=Annotation(("face", "v3"), pinned=True).with_note("why")))
    writer.apply("job00004", Change(annotation=Annotation(("style",)).with_note("")))
    writer.close()
    engine.answers[CHANGE] = (507, FULL)
    async with opened(world, engine) as (app, pilot):
        assert app.model.ids[0] == ONE  # pinned
        assert "* pinned ─ note (i) ─ tags: face, v3" in text_of(app)
        await pilot.press("i")
        sheet = await wait_for(
            pilot, lambda: isinstance(app.screen, AnnotationSheet) and app.screen
        )
        await pilot.press("?", "ctrl+z")  # in a text it undoes, and does not stop the window
        assert (sheet.note.text, app.notices) == ("why", [])
        await pilot.press("!", "shift+tab", *"sty")
        await wait_for(pilot, lambda: sheet.tag_line._suggestion == "face v3 style")
        await pilot.press("right", "ctrl+s")
        await wait_for(pilot, lambda: "The disk is full. Free some space." in text_of(app))
        await pilot.press("escape")
        assert "esc again drops it" in text_of(app)
        assert app.screen is sheet
        engine.answers[CHANGE] = (200, {"job": {}})
        await pilot.press("enter")
        await wait_for(pilot, lambda: app.screen is not sheet)
        bodies = [body for method, path, body in engine.asked if (method, path) == CHANGE]
        assert bodies == [{"note": "why!", "add_tags": ["style"]}] * 2

        await pilot.press("i")
        await wait_for(pilot, lambda: isinstance(app.screen, AnnotationSheet))
        await pilot.press("escape")  # nothing was typed: nothing is asked
        await wait_for(pilot, lambda: not isinstance(app.screen, AnnotationSheet))
        engine.answers["PATCH", "/api/cloud/jobs/job00000"] = (200, {"job": {}})
        await pilot.press("j", "asterisk")
        await wait_for(pilot, lambda: "Pinned: it stands first." in str(app.notices))
        assert ("PATCH", "/api/cloud/jobs/job00000", {"pinned": True}) in engine.asked


async def test_a_pin_moves_its_job_and_the_cursor_with_it(
    world: Home, engine: StandInEngine
) -> None:
    async with opened(world, engine) as (app, pilot):
        writer = StoreWriter(world)
        change = Change(annotation=Annotation(pinned=True).with_note(""))
        writer.apply("job00005", change)
        writer.close()
        engine.send(
            "job", {"job_id": "job00005", "rev": app.reader.max_rev(), "status": "completed"}
        )
        await wait_for(pilot, lambda: app.model.ids[0] == "job00005")
        assert app.screen.query_one("#jobs").job_id == "job00000"  # type: ignore[attr-defined]
        app.model.set_sort("cost")
        assert app.model.ids[0] == "job00005"
