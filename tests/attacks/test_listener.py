"""Nothing of what strangers send to the listener gets through, stalls it or leaves a trace."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.attacks.listener import attack
from tests.listener.watched import loop_watch, no_collection

__all__ = ["loop_watch", "no_collection"]


@pytest.mark.usefixtures("loop_watch")
@pytest.mark.parametrize("attempts", [100, pytest.param(2000, marks=pytest.mark.release)])
async def test_strangers_get_nowhere(tmp_path: Path, attempts: int) -> None:
    areas = await attack(tmp_path, attempts)
    print("", *areas, sep="\n")
    assert sum(area.attempts for area in areas) == attempts
    for area in areas:
        assert (area.through, area.stalls, area.growth) == ([], [], 0), area.name
