"""The card of staged data: where images go, which job reads a copy, and its removal."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import Any

import pytest

from tests.app.cloud.world import done, open_form, said
from tests.app.conftest import opened, text_of, wait_for
from tests.app.stand_in_engine import StandInEngine
from tests.app.world import NOW
from tui.app.cloud.card_view import CardView
from tui.app.cloud.screen import CloudScreen
from tui.app.widgets.confirm import Confirm
from tui.app.widgets.picker import Picker
from tui.settings import Home
from tui.store.transfer_records import DestinationRecord
from tui.store.writer import StoreWriter

STAGED = ("GET", "/api/cloud/staged")
COPY = {
    "key": "abc123", "place": "hub", "where": "the private dataset alice/staged-cats on the Hub",
    "datasets": ["cats"], "images": 1, "bytes": 2048, "created_at": NOW.isoformat(),
    "complete": True, "keep": False, "readers": ["job00001"], "problem": "", "damage": "",
}  # fmt: skip


async def shown(pilot: Any) -> CloudScreen:
    """Go to the card with its key, from the list of jobs."""
    await pilot.press("ctrl+t")
    screen: CloudScreen = await wait_for(
        pilot, lambda: isinstance(pilot.app.screen, CloudScreen) and pilot.app.screen
    )
    await wait_for(pilot, lambda: screen.data.known.get("staged"))
    return screen


async def test_a_copy_is_listed_with_its_reader_and_removed_after_a_question(
    world: Home, engine: StandInEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.app.shell.screen.AGE_SECONDS", 0.1)
    refused = {"error": "in_use", "message": "A queued or running job reads it: job00001.",
               "advice": "Cancel the job first."}  # fmt: skip
    engine.answers[STAGED] = (200, {"staged": [COPY]})
    engine.answers["DELETE", "/api/cloud/staged/abc123"] = (409, refused)
    async with opened(world, engine) as (app, pilot):
        screen = await shown(pilot)
        assert isinstance(app.focused, CardView)
        assert app.focused.card.NAME == "staged"
        name = app.reader.job("job00001")
        assert name is not None
        lines = " ".join(said(screen, "staged").split())
        assert "images go to the place that fits" in lines
        assert "cats: 1 file, 2.0 KiB, just now in the private dataset alice/staged-cats" in lines
        assert f"Read by {name.name}; removed when it has ended." in lines
        app.clock = lambda: NOW + timedelta(days=4)  # an age grows while nothing happens
        await wait_for(pilot, lambda: "2.0 KiB, 4 d 0 h ago" in text_of(app))

        form = await open_form(screen, pilot, "staged", "remove abc123")
        await pilot.press("enter")  # a job reads it: the engine refuses, nothing is asked
        await done(form, pilot)
        assert form.problems["remove abc123"].startswith("A queued or running job reads it")
        await pilot.press("escape")

        engine.answers[STAGED] = (200, {"staged": [COPY | {"readers": [], "keep": True}]})
        engine.send("fact", {"name": "staged"})
        await wait_for(pilot, lambda: "No job reads it. It stays" in said(screen, "staged"))
        engine.answers["DELETE", "/api/cloud/staged/abc123"] = (200, {"removed": "abc123"})
        form = await open_form(screen, pilot, "staged", "remove abc123")
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(app.screen, Confirm))
        assert engine.calls("DELETE") == ["/api/cloud/staged/abc123"]
        engine.answers[STAGED] = (200, {"staged": []})
        await pilot.press("y")
        await wait_for(pilot, lambda: len(engine.calls("DELETE")) == 2)
        await wait_for(pilot, lambda: "No copy of a dataset lies" in said(screen, "staged"))


async def test_the_place_of_new_copies_is_chosen(world: Home, engine: StandInEngine) -> None:
    """A bucket, too."""
    with contextlib.closing(StoreWriter(world)) as writer:
        options = {"bucket": "pictures", "endpoint": "https://s3.example"}
        writer.transfers.put_destination(DestinationRecord("mine", "s3", options, NOW))
        writer.transfers.put_destination(DestinationRecord("disk", "folder", {"path": "/a"}, NOW))
    engine.answers[STAGED] = (200, {"staged": []})
    async with opened(world, engine) as (app, pilot):
        form = await open_form(await shown(pilot), pilot, "staged", "cloud.staging")
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(app.screen, Picker))
        assert isinstance(app.screen, Picker)
        names = [name for name, _, _ in app.screen._choices]
        assert names == ["auto", "hub", "here", "bucket:mine"]
        await pilot.press("down", "down", "down", "enter")
        await done(form, pilot)
        sent = [body for _, path, body in engine.asked if path == "/api/engine/settings" and body]
        assert [body["values"] for body in sent] == [{"cloud.staging": "bucket:mine"}]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"complete": False, "readers": []}, "Not complete. No job reads it; it is removed soon"),
        ({"readers": ["a", "b"]}, "removed when the last of them has ended"),
        ({"place": "here"}, "just now on this machine Read by"),
        ({"problem": "the Hub is away."}, "Not removed yet: the Hub is away."),
        (
            {"damage": "it was made again.", "keep": True},
            "remove it: e. Damaged: it was made again.",
        ),
        (
            {"damage": "unread.", "keep": True, "place": "", "where": "", "datasets": []},
            "abc123: just now Read by",
        ),
    ],
)
async def test_what_becomes_of_a_copy_is_said(
    home: Home, engine: StandInEngine, change: dict[str, object], words: str
) -> None:
    engine.answers[STAGED] = (200, {"staged": [COPY | change]})
    async with opened(home, engine) as (_, pilot):
        screen = await shown(pilot)
        assert words in " ".join(said(screen, "staged").split())
