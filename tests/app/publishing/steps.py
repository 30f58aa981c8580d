"""Steps of the tests of the Publishing screen: open it, wait for pages, fill in forms."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from textual.pilot import Pilot

from tests.app.cloud.world import settings_of
from tests.app.conftest import wait_for
from tests.engine.world import World
from tui.app.app import SimpleTunerApp
from tui.app.publishing.form import FormScreen
from tui.app.publishing.screen import PublishingScreen
from tui.app.widgets.picker import Picker
from tui.client.client import ControlClient

LONG = 40.0


@asynccontextmanager
async def on_publishing(
    world: World, size: tuple[int, int] = (120, 40)
) -> AsyncIterator[tuple[PublishingScreen, Pilot[int]]]:
    async def attach() -> ControlClient:
        return world.client

    app = SimpleTunerApp(
        world.home, settings_of(world), attach=attach, clock=lambda: datetime.now(UTC)
    )
    async with app.run_test(size=size) as pilot:
        await wait_for(pilot, lambda: app.control is not None, LONG)
        await pilot.press("3")
        screen = await wait_for(
            pilot, lambda: isinstance(app.screen, PublishingScreen) and app.screen
        )
        await wait_for(pilot, lambda: screen.panels.artifacts.has_focus)
        yield screen, pilot
    app.reader.close()


async def top(pilot: Pilot[int], kind: type[Any]) -> Any:
    """Wait for a form, page or question over the screen."""
    app: Any = pilot.app
    found = await wait_for(
        pilot, lambda: type(app.screen) is kind and app.screen.is_mounted and app.screen, LONG
    )
    await pilot.pause()
    return found


async def fill_in(form: FormScreen, pilot: Pilot[int], key: str, value: str) -> None:
    """Go to an item with the arrows, and give it a value as its kind wants it."""
    keys = [item.key for item in form._items]
    while form.list.index != keys.index(key):
        await pilot.press("down" if keys.index(key) > form.list.index else "up")
    item = form.item
    assert item is not None
    await pilot.press("enter")
    if item.kind == "choice":
        picker = await top(pilot, Picker)
        names = [name for name, _, _ in item.choices]
        while picker.list.index != names.index(value):
            await pilot.press("down" if names.index(value) > picker.list.index else "up")
        await pilot.press("enter")
        await top(pilot, type(form))
    elif item.kind in ("text", "secret"):
        await wait_for(pilot, lambda: form.input.has_focus)
        form.input.value = value
        await pilot.press("enter")
    await pilot.pause()


async def known(screen: PublishingScreen, pilot: Pilot[int], job_id: str) -> dict[str, Any]:
    """Wait until the engine has said what a job's files hold."""
    found: dict[str, Any] = await wait_for(
        pilot, lambda: (screen.state.artifacts.get(job_id) or {}).get("checkpoints")
        and screen.state.artifacts[job_id], LONG
    )  # fmt: skip
    return found
