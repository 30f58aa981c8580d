"""The Publishing screen's world: an engine, a sandbox and a project."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engine.conftest import project
from tests.engine.world import World, running_world, write_quick_settings
from tui.settings import Home

__all__ = ["project"]


@pytest.fixture
async def world(home: Home, project: Path) -> AsyncIterator[World]:
    write_quick_settings(home)
    async with running_world(home, project) as running:
        yield running
