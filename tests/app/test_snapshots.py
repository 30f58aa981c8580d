"""Pictures of the main screens, so that a change of looks is seen and meant."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.app.world import NOW
from tui.app.app import SimpleTunerApp
from tui.client.client import ControlClient
from tui.settings import Home, Settings, UiSettings


async def _never() -> ControlClient:
    await asyncio.Event().wait()
    raise AssertionError


def app_on(home: Home, theme: str = "simpletuner-dark") -> SimpleTunerApp:
    """The app at a fixed time."""
    settings = Settings(ui=UiSettings(theme=theme))
    return SimpleTunerApp(home, settings, attach=_never, clock=lambda: NOW)


@pytest.fixture(autouse=True)
def fixed_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def test_jobs_at_80x24(world: Home, snap_compare: Callable[..., bool]) -> None:
    assert snap_compare(app_on(world), terminal_size=(80, 24), press=["j", "space"])


def test_jobs_at_120x40(world: Home, snap_compare: Callable[..., bool]) -> None:
    assert snap_compare(app_on(world), terminal_size=(120, 40))


def test_jobs_in_the_light_theme(world: Home, snap_compare: Callable[..., bool]) -> None:
    assert snap_compare(app_on(world, "simpletuner-light"), terminal_size=(120, 40))
