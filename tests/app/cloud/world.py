"""The app on a real engine and sandbox in this process, opened on the Cloud screen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from textual.pilot import Pilot

from tests.app.conftest import wait_for
from tests.engine.world import World, quick_settings
from tui.app.app import SimpleTunerApp
from tui.app.cloud.card_form import CardForm
from tui.app.cloud.card_view import CardView
from tui.app.cloud.screen import CloudScreen
from tui.client.client import ControlClient
from tui.settings import Settings


def settings_of(world: World) -> Settings:
    """Settings of a window on that world."""
    settings = quick_settings()
    return replace(settings, cloud=replace(settings.cloud, api_base=world.sandbox.base_url))


@asynccontextmanager
async def on_cloud(
    world: World, *, size: tuple[int, int] = (120, 60)
) -> AsyncIterator[tuple[CloudScreen, Pilot[int]]]:
    """The Cloud screen, when everything that is asked on opening has been answered."""

    async def attach() -> ControlClient:
        return world.client

    app = SimpleTunerApp(
        world.home, settings_of(world), attach=attach, clock=lambda: datetime.now(UTC)
    )
    async with app.run_test(size=size) as pilot:
        await wait_for(pilot, lambda: app.control is not None)
        await pilot.press("1")
        screen = await wait_for(
            pilot, lambda: isinstance(app.screen, CloudScreen) and app.screen.is_mounted
            and app.screen
        )  # fmt: skip
        await settled(screen, pilot)
        yield screen, pilot
    app.reader.close()


async def settled(screen: CloudScreen, pilot: Pilot[int]) -> None:
    """Wait until nothing is being asked any more."""
    await wait_for(pilot, lambda: not screen.data.busy, 30)
    await pilot.pause()


def said(screen: CloudScreen, name: str) -> str:
    """All that a card says, whether on screen or scrolled away."""
    view = screen.query_one(f"#card-{name}", CardView)
    lines = ["".join(text for text, _ in words) for words in view.lines]
    return "\n".join([view._title[0], *lines])


async def open_form(screen: CloudScreen, pilot: Pilot[int], name: str, key: str = "") -> CardForm:
    """Open a card's form with the keys, the cursor on one item."""
    screen.query_one(f"#card-{name}", CardView).focus()
    await pilot.pause()
    await pilot.press("e")
    app: Any = pilot.app
    form: CardForm = await wait_for(
        pilot, lambda: isinstance(app.screen, CardForm) and app.screen.is_mounted and app.screen
    )
    await wait_for(pilot, lambda: form.list.has_focus)
    if key:
        await go_to(form, pilot, key)
    return form


async def go_to(form: CardForm, pilot: Pilot[int], key: str) -> None:
    """Move the cursor to an item with the arrow keys."""
    keys = [item.key for item in form._items]
    for _ in range(abs(keys.index(key) - form.list.index)):
        await pilot.press("down" if keys.index(key) > form.list.index else "up")
    await pilot.pause()
    assert form.item is not None
    assert form.item.key == key


async def type_in(form: CardForm, pilot: Pilot[int], text: str) -> None:
    """Open the item's line, replace what is there, and send it."""
    await pilot.press("enter")
    await wait_for(pilot, lambda: form.input.has_focus)
    form.input.value = text
    await pilot.press("enter")
    await done(form, pilot)


async def done(form: CardForm, pilot: Pilot[int]) -> None:
    """Wait until a change was answered and read again."""
    await pilot.pause()
    await wait_for(pilot, lambda: not form._working and not form.card.data.busy, 20)
    await pilot.pause()
