"""Whoever holds an API key gets what its scope names, and nothing of this machine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.api.watch import Watch
from tests.attacks.keys import attack
from tests.engine.conftest import home, project, world
from tests.engine.world import World

__all__ = ["home", "project", "world"]


@pytest.mark.parametrize("attempts", [80, pytest.param(600, marks=pytest.mark.release)])
async def test_a_key_opens_no_more_than_its_scope(
    world: World, watched_shapes: Watch, tmp_path: Path, attempts: int
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    area = await attack(world, outside, attempts)
    print("", area, sep="\n")
    # What is asked for fits no shape; what is answered does.
    told = [words for words in watched_shapes.take() if not re.search(r" (query|body): ", words)]
    assert told == []
    assert (area.through, area.stalls, area.growth) == ([], [], 0)
