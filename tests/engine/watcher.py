"""An app on its Publishing screen that stays open while the engine restarts."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

from textual.pilot import Pilot

from tests.app.conftest import text_of, wait_for
from tui.app.app import SimpleTunerApp
from tui.app.publishing.screen import PublishingScreen
from tui.client.client import ControlClient
from tui.settings import CloudSettings, Home, Settings


class Watcher:
    """Reads the app's screen."""

    def __init__(self, app: SimpleTunerApp, pilot: Pilot[int]) -> None:
        self._app = app
        self._pilot = pilot

    async def sees(self, pattern: str, within: float = 40.0) -> None:
        """Wait until a pattern is on the screen."""

        def found() -> bool:
            return re.search(pattern, text_of(self._app)) is not None

        try:
            await wait_for(self._pilot, found, within)
        except AssertionError:
            raise AssertionError(f"no {pattern!r} on:\n{text_of(self._app)}") from None

    async def resize(self, width: int, height: int) -> None:
        """Resize the terminal."""
        await self._pilot.resize_terminal(width, height)


@asynccontextmanager
async def watching(home: Home, api_base: str) -> AsyncIterator[Watcher]:
    """Run the app on its Publishing screen, with the focus on the transfers."""

    async def attach() -> ControlClient:
        client = ControlClient(home.socket, api_base)
        await client.publishing.transfers()  # an error while nobody is there
        return client

    settings = Settings()
    settings = replace(settings, cloud=CloudSettings(api_base=api_base))
    app = SimpleTunerApp(
        home, settings, attach=attach, sandbox=True, clock=lambda: datetime.now(UTC)
    )
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("3")
        await wait_for(pilot, lambda: isinstance(app.screen, PublishingScreen), 40)
        await pilot.press("tab")
        yield Watcher(app, pilot)
    app.reader.close()
