"""A warm check of a draft, without its network proofs: the demo's and one of 10,000 images.

Replicate's answers are slow by a fault of the sandbox, so a check that waited for one would show.
The first check of 100,000 files, where each is read, is measured by how long the engine's loop
waits for it: in CPU time of the whole process, as its threads may hold the interpreter too, and
other programs do not count.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import tempfile
import time
from pathlib import Path

from tests.benchmarks import Row
from tests.benchmarks.bench_staging import project
from tests.engine.world import World, running_world
from tui.api.submission import Draft
from tui.settings import Home

_ROUNDS = 9
_MANY = 50_000
"""Pictures, each with a caption file."""


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


async def _first(world: World, draft: Draft) -> tuple[float, float]:
    """CPU seconds of a first check with all its proofs, and the loop's longest wait meanwhile."""
    ended = asyncio.Event()
    longest = 0.0

    async def beat() -> None:
        nonlocal longest
        while not ended.is_set():
            before = time.process_time()
            await asyncio.sleep(0.001)
            longest = max(longest, time.process_time() - before)

    gc.collect()
    beating = asyncio.ensure_future(beat())
    started = time.process_time()
    report = await world.client.check_at_once(draft)
    while report["asking"]:
        report = await world.client.check_later(report)
    taken = time.process_time() - started
    ended.set()
    await beating
    if report["leaves"]["images"] != _MANY:
        raise AssertionError("the check is wrong, its speed means nothing")
    return taken, longest


async def _measure(root: Path) -> list[Row]:
    (root / "many").mkdir()
    many = project(root / "many")
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
        rows = [
            Row(f"warm check, {what}", f"{await _warm(world, draft) * 1000:.0f} ms",
                "", None, "<= 150 ms")
            for what, draft in drafts.items()
        ]  # fmt: skip
        (root / "most").mkdir()
        most = await asyncio.to_thread(project, root / "most", _MANY)
        taken, longest = await _first(
            world, world.draft(config=str(most), data="staged", staging="here")
        )
        waits = Row(
            f"first check of {2 * _MANY:,} files: the loop waits at most",
            f"{longest * 1000:.0f} ms of CPU", f"all of it {taken:.1f} s of CPU", None, "<= 100 ms",
        )  # fmt: skip
        return [*rows, waits]


def run() -> list[Row]:
    """Measure on a fresh state directory."""
    with tempfile.TemporaryDirectory(prefix="st-") as name:
        return asyncio.run(_measure(Path(name)))
