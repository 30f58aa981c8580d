"""The first run, and coming back to where one was."""

from __future__ import annotations

import json
from typing import cast

import pytest

from tests.app.conftest import opened, text_of, wait_for
from tests.app.stand_in_engine import StandInEngine
from tui.app.cloud.card_form import CardForm
from tui.app.cloud.first_run import PAGES, FirstRun
from tui.app.cloud.screen import CloudScreen
from tui.app.shell.saved_view import SavedView, load_view, save_view
from tui.settings import Home

ONBOARDING = ("GET", "/api/engine/onboarding")
NEW = {
    "steps": [{"id": "first_job", "title": "Submit a first job", "state": "open", "detail": ""}],
    "open": 1, "finished": False,
}  # fmt: skip


async def test_a_new_user_sees_the_introduction_once(home: Home, engine: StandInEngine) -> None:
    engine.answers[ONBOARDING] = (200, NEW)
    engine.answers["PUT", "/api/engine/limit"] = (200, {"message": "Limit set"})
    async with opened(home, engine) as (app, pilot):
        await wait_for(pilot, lambda: isinstance(app.screen, FirstRun) and app.screen.is_mounted)
        assert "Where your data go" in text_of(app)
        await pilot.press("right", "enter")
        await pilot.pause()
        assert "$3.51/h" in text_of(app)
        await pilot.press("right", "enter")
        await wait_for(pilot, lambda: isinstance(app.screen, CardForm) and app.screen.is_mounted)
        form = cast("CardForm", app.screen)
        await wait_for(pilot, lambda: form.input.has_focus)
        assert form.input.password
        await pilot.press("escape", "escape")
        await wait_for(pilot, lambda: isinstance(app.screen, FirstRun))
        assert "$50 in 30 days" in text_of(app)
        await pilot.press("enter")
        await wait_for(
            pilot, lambda: ("PUT", "/api/engine/limit",
                            {"enabled": True, "amount": "50", "period": "monthly",
                             "action": "block"}) in engine.asked
        )  # fmt: skip
        assert "demo" in text_of(app)
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(app.screen, CloudScreen))
        await wait_for(
            pilot,
            lambda: ("PUT", "/api/engine/onboarding", {"finished": True}) in engine.asked,
        )
        assert len(PAGES) == 6


@pytest.mark.parametrize("known", [{**NEW, "finished": True}, {}])
async def test_another_user_does_not_see_it(
    home: Home, engine: StandInEngine, known: dict[str, object]
) -> None:
    engine.answers[ONBOARDING] = (200, known)
    async with opened(home, engine) as (app, pilot):
        await wait_for(pilot, lambda: "/api/engine/onboarding" in engine.calls("GET"))
        await pilot.pause()
        assert "[2 Jobs]" in text_of(app)


async def test_it_can_be_skipped_with_one_key(home: Home, engine: StandInEngine) -> None:
    engine.answers[ONBOARDING] = (200, NEW)
    async with opened(home, engine, size=(60, 15)) as (app, pilot):
        await wait_for(pilot, lambda: isinstance(app.screen, FirstRun) and app.screen.is_mounted)
        assert "skip all" in text_of(app)
        await pilot.press("escape")
        await wait_for(pilot, lambda: isinstance(app.screen, CloudScreen))
        await wait_for(pilot, lambda: "/api/engine/onboarding" in engine.calls("PUT"))


async def test_the_app_comes_back_to_where_it_was(world: Home) -> None:
    async with opened(world) as (app, pilot):
        await pilot.press("T", "s", "j", "j")
        app.model.set_filter("flux")
        chosen = app.screen.query_one("#jobs").job_id  # type: ignore[attr-defined]
        sort, theme = app.model.sort, app.theme
        await pilot.press("3")
        await pilot.pause()
        await pilot.press("q")
    async with opened(world) as (app, pilot):
        await wait_for(pilot, lambda: "[3 Publishing]" in text_of(app))
        assert (app.model.sort, app.model.filter.text, app.theme) == (sort, "flux", theme)
        await pilot.press("2")
        await pilot.pause()
        place = app.model.position(chosen)
        if place is not None:
            assert app.screen.query_one("#jobs").job_id == chosen  # type: ignore[attr-defined]


BROKEN = (
    '{"format": 1, "sort": "; drop", "screen": 7, "filter": null, "descending": "no", "theme": "x"}'
)


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 5000, '{"format": 9}', BROKEN])
def test_a_broken_saved_view_gives_the_defaults(home: Home, text: str) -> None:
    home.create()
    (home.root / "place.json").write_text(text)
    found = load_view(home)
    assert (found.screen, found.sort, found.filter, found.descending) == (
        "jobs",
        "created",
        "",
        True,
    )


def test_a_saved_view_is_readable_by_the_user_alone(home: Home) -> None:
    home.create()
    view = SavedView("cloud", "cost", False, "flux state:failed", "job1", "simpletuner-light", "x")
    save_view(home, view)
    path = home.root / "place.json"
    assert load_view(home) == view
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text())["format"] == 1
