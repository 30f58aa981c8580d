"""The publishing settings of a job in the making, by keys, against a stand-in engine."""

from __future__ import annotations

from typing import Any

import pytest
from textual.widgets import Input

from tests.app.conftest import opened, text_of, wait_for
from tests.app.new_job.check_answer import answer
from tests.app.new_job.steps import CHECK, CONFIG, asked, open_form
from tests.app.stand_in_engine import StandInEngine
from tui.app.new_job.publish_sheet import PublishSheet
from tui.settings import Home

HUB = {"kind": "hub", "hub_model_id": "alice/cat"}
LOOK = ("GET", "/api/engine/hub/repository?name=bob%2Fcat&private=true")


@pytest.fixture
def ready(engine: StandInEngine) -> StandInEngine:
    way = {"kind": "hub", "hub_model_id": "alice/cat", "private": True, "push_checkpoints": True,
            "background": False, "safe_for_work": False, "licence": {"license": "mit"}}  # fmt: skip
    engine.answers[CHECK] = (200, {**answer(), "delivery": way})
    engine.answers["GET", "/api/engine/hub/namespaces"] = (200, {"namespaces": [
        {"name": "alice", "kind": "user", "writable": True},
        {"name": "cats-inc", "kind": "org", "writable": False}]})  # fmt: skip
    engine.answers[LOOK] = (200, {
        "repo": "bob/cat", "state": "taken", "level": "error", "words": "bob/cat is not yours",
        "advice": ""})  # fmt: skip
    return engine


async def open_sheet(app: Any, pilot: Any) -> PublishSheet:
    form = await open_form(app, pilot, {"config": CONFIG, "delivery": dict(HUB)})
    form.form.go_to("publishing")
    await pilot.press("enter")
    await wait_for(pilot, lambda: isinstance(app.screen, PublishSheet))
    await wait_for(pilot, lambda: "Licence" in text_of(app))
    sheet: PublishSheet = app.screen
    return sheet


def draft(engine: StandInEngine) -> dict[str, Any]:
    found: dict[str, Any] = asked(engine, CHECK)[-1]
    return found


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_every_setting_is_there_and_a_switch_is_one_key(
    home: Home, ready: StandInEngine, size: tuple[int, int]
) -> None:
    async with opened(home, ready, size=size) as (app, pilot):
        sheet = await open_sheet(app, pilot)
        for words in ("Owner", "alice/cat", "Private", "Checkpoints", "In background",
                      "Safe for work", "Note on card", "mit", "Comment"):  # fmt: skip
            assert words in text_of(app), words
        sheet.form.go_to("model_card_private")
        await pilot.press("space")
        await wait_for(
            pilot, lambda: draft(ready).get("overrides") == {"model_card_private": False}
        )
        await pilot.press("escape")
        await wait_for(pilot, lambda: "public · checkpoints too" in text_of(app))


async def test_a_name_is_looked_up_while_typed_and_a_wrong_one_stays_to_be_mended(
    home: Home, ready: StandInEngine
) -> None:
    async with opened(home, ready) as (app, pilot):
        sheet = await open_sheet(app, pilot)
        sheet.form.go_to("hub_model_id")
        await pilot.press("enter")
        await wait_for(pilot, lambda: app.focused is not sheet.form)
        await pilot.press(*"bob", "slash", *"cat")
        await wait_for(pilot, lambda: "✗ bob/cat is not yours" in text_of(app))
        await pilot.press("ctrl+a", "ctrl+k", "a", "space", "b", "enter")
        await wait_for(pilot, lambda: "is no repository's name" in text_of(app))
        assert app.focused is not sheet.form
        assert isinstance(app.focused, Input)
        assert app.focused.value == "a b"
        assert draft(ready)["delivery"] == HUB
        await pilot.press("escape")
        await wait_for(pilot, lambda: sheet.form.has_focus)
        assert app.screen is sheet


async def test_an_owner_is_picked_from_the_hubs_answer(home: Home, ready: StandInEngine) -> None:
    async with opened(home, ready) as (app, pilot):
        sheet = await open_sheet(app, pilot)
        sheet.form.go_to("hub_owner")
        await pilot.press("enter")
        await wait_for(pilot, lambda: "the token may not write there" in text_of(app))
        await pilot.press("j", "enter")
        await wait_for(pilot, lambda: draft(ready)["delivery"]["hub_model_id"] == "cats-inc/cat")


async def test_recommended_is_one_key(home: Home, ready: StandInEngine) -> None:
    ready.answers["POST", "/api/engine/recommended"] = (200, {
        "delivery": {"kind": "hub", "hub_model_id": "alice/new"},
        "overrides": {"model_card_private": True}, "words": "To the Hub."})  # fmt: skip
    async with opened(home, ready) as (app, pilot):
        await open_form(app, pilot)
        await pilot.press("b")
        await wait_for(pilot, lambda: draft(ready)["delivery"].get("hub_model_id") == "alice/new")
        assert draft(ready)["overrides"] == {"model_card_private": True}


async def test_an_s3_destination_has_lines_of_its_own(home: Home, engine: StandInEngine) -> None:
    way = {"kind": "s3", "destination": "nas", "bucket": "models", "base_path": "runs/{job_id}",
            "region": "us-east-1", "endpoint": "http://nas.local:9000"}  # fmt: skip
    engine.answers[CHECK] = (200, {**answer(), "delivery": way})
    s3 = {"kind": "s3", "destination": "nas"}
    async with opened(home, engine) as (app, pilot):
        form = await open_form(app, pilot, {"config": CONFIG, "delivery": dict(s3)})
        form.form.go_to("publishing")
        await pilot.press("enter")
        sheet: Any = await wait_for(
            pilot, lambda: isinstance(app.screen, PublishSheet) and app.screen
        )
        for words in ("S3 keys of", "nas", "models", "us-east-1", "runs/{job_id}",
                      "http://nas.local:9000", "Comment"):  # fmt: skip
            await wait_for(pilot, lambda words=words: words in text_of(app))
        assert "Licence" not in text_of(app)
        sheet.form.go_to("bucket")
        await pilot.press("enter")
        await wait_for(pilot, lambda: app.focused is not sheet.form)
        await pilot.press("ctrl+a", "ctrl+k", *"own", "enter")
        await wait_for(pilot, lambda: draft(engine)["delivery"] == {**s3, "bucket": "own"})
