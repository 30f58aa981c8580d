"""A warm check of a draft, without its network proofs: the demo's and one of 10,000 images.

Replicate's answers are slow by a fault of the sandbox, so a check that waited for one would show.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from tests.benchmarks import Row
from tests.benchmarks.bench_staging import _project
from tests.engine.world import World, running_world
from tui.api.submission import Draft
from tui.settings import Home

_ROUNDS = 9


async def _warm(world: World, draft: Draft) -> float:
    """Seconds of a check whose files and answers are known; the median."""
    report = await world.client.check_at_once(draft)
    while report["asking"]:
        report = await world.client.check_later(report)
    world.fault("slow@GET /v1/account", "slow@GET /v1/models")
    taken = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        await world.client.check_at_once(draft)
        taken.append(time.perf_counter() - started)
    world.clear_faults()
    return statistics.median(taken)


async def _measure(root: Path) -> list[Row]:
    (root / "many").mkdir()
    many = _project(root / "many")
    home = Home(root / "h", root / "h" / "cloud_outputs")
    async with running_world(home, root / "project") as world:
        drafts = {
            "the demo": world.draft(),
            "the demo, staged here": world.draft(data="staged", staging="here"),
            "10,000 images, packed": world.draft(config=str(many), data="upload"),
            "10,000 images, staged here": world.draft(
                config=str(many), data="staged", staging="here"
            ),
        }
        return [
            Row(f"warm check, {what}", f"{await _warm(world, draft) * 1000:.0f} ms",
                "", None, "<= 150 ms")
            for what, draft in drafts.items()
        ]  # fmt: skip


def run() -> list[Row]:
    """Measure on a fresh state directory."""
    with tempfile.TemporaryDirectory(prefix="st-") as name:
        return asyncio.run(_measure(Path(name)))
