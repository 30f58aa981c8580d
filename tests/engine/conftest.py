"""Fixtures: a state directory, a project folder and a running world.

The directory has a short path, because the path of a Unix socket is limited to about 100 bytes.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.canary import assert_clean
from tests.engine.world import World, running_world
from tui.settings import Home


@pytest.fixture
def home() -> Iterator[Home]:
    root = Path(tempfile.mkdtemp(prefix="st-"))
    yield Home(root / "h", root / "h" / "cloud_outputs")
    try:
        assert_clean(below=root)
    finally:
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return tmp_path / "project"


@pytest.fixture
async def world(home: Home, project: Path) -> AsyncIterator[World]:
    async with running_world(home, project) as world:
        yield world
