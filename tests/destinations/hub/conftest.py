"""The sandbox's Hub for blocking tests."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.destinations.hosting import Loop
from tests.destinations.hub.opened import open_hub
from tui.sandbox.hub import HubConfig, RunningHub, serve_hub

__all__ = ["open_hub"]


@contextlib.asynccontextmanager
async def running_hub(config: HubConfig) -> AsyncIterator[RunningHub]:
    """Run a Hub until the end of the context."""
    hub = await serve_hub(config)
    try:
        yield hub
    finally:
        await hub.aclose()


@pytest.fixture
def hub(loop_thread: Loop, tmp_path: Path) -> RunningHub:
    """A Hub with its default accounts."""
    return loop_thread.enter(running_hub(HubConfig(tmp_path / "hub")))
