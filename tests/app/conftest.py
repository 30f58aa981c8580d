"""The app on a sample world, with or without an engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.app import App
from textual.pilot import Pilot
from textual.screen import Screen

from tests.app.stand_in_engine import StandInEngine
from tests.app.world import NOW, fill, home_at
from tests.support import PATIENCE
from tui.app.app import SimpleTunerApp
from tui.app.widgets.confirm import Confirm
from tui.client.client import ControlClient
from tui.settings import Home, Settings

Open = Callable[..., Any]


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same terminal for every test."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("TMUX", raising=False)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An empty home."""
    return home_at(tmp_path / "home")


@pytest.fixture
def world(home: Home) -> Home:
    """A home with 40 jobs, two of them running."""
    fill(home, 40)
    return home


@pytest.fixture
def engine(home: Home) -> Iterator[StandInEngine]:
    """A stand-in engine at the home's socket."""
    server = StandInEngine(home.socket)
    yield server
    server.close()


async def _never() -> ControlClient:
    await asyncio.Event().wait()
    raise AssertionError


@asynccontextmanager
async def opened(
    home: Home,
    engine: StandInEngine | None = None,
    *,
    size: tuple[int, int] = (120, 40),
    settings: Settings | None = None,
    sandbox: bool = False,
    toasts: bool = False,
) -> AsyncIterator[tuple[SimpleTunerApp, Pilot[int]]]:
    """The app, ready, at a fixed time."""
    app = SimpleTunerApp(
        home,
        settings or Settings(),
        attach=engine.attach if engine else _never,
        sandbox=sandbox,
        clock=lambda: NOW,
    )
    async with app.run_test(size=size, notifications=toasts) as pilot:
        await pilot.pause()
        if engine is not None:
            await wait_for(pilot, lambda: app.control is not None and engine.listeners)
        yield app, pilot
    app.reader.close()


async def wait_for(pilot: Pilot[int], probe: Callable[[], Any], within: float = 10.0) -> Any:
    """Let the app work until `probe` answers something true, and a question can be answered."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within * PATIENCE
    polled = False
    while not (found := probe()):
        assert loop.time() < deadline, f"still not true: {probe}"
        # Not `pilot.pause`: it sends a message to every widget, as much work as the app itself has.
        await asyncio.sleep(0.03)
        polled = True
    if polled:
        await pilot.pause(0)
    while isinstance(asking := pilot.app.screen, Confirm) and asking.read_at is None:
        await pilot.pause(0.02)
    return found


def app_of(screen: Screen[Any]) -> SimpleTunerApp:
    """The app that a screen is on, with its own type."""
    assert isinstance(screen.app, SimpleTunerApp)
    return screen.app


def lines_of(app: App[Any]) -> list[str]:
    """The text on screen."""
    return [strip.text for strip in app.screen._compositor.render_strips(app.size)]


def text_of(app: App[Any]) -> str:
    """The text on screen, as one."""
    return "\n".join(lines_of(app))
