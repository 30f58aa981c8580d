"""A sync of ten thousand predictions, beside reading their pages alone.

The sandbox runs in another process; the engine and the calls that a window makes meanwhile share
this one. Of several rounds the fastest counts, as others may use the machine.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks import Row, serving
from tests.engine.world import running_engine
from tui.client.client import ControlClient
from tui.engine.engine import Engine
from tui.settings import Home

HISTORY = 10_000
ROUNDS = 3
_SANDBOX = """
import asyncio, sys
from pathlib import Path
from tests.wished import wished
from tui.sandbox.server import serve
async def main():
    config = wished(past_predictions=int(sys.argv[1]), work_dir=Path(sys.argv[2]))
    sandbox = await serve(config)
    print(sandbox.base_url, sandbox.token, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


async def _pages(engine: Engine, api_base: str) -> float:
    """Seconds for reading all pages and nothing else."""
    client = await engine.clients.get(api_base)
    started = time.perf_counter()
    count = len([row async for row in client.predictions()])
    assert count == HISTORY
    return time.perf_counter() - started


async def _calls(client: ControlClient, times: list[float]) -> None:
    """Ask the engine one thing after the other, and note for how long each answer took."""
    while True:
        started = time.perf_counter()
        await client.info()
        times.append(time.perf_counter() - started)
        await asyncio.sleep(0.02)


async def _sync(
    engine: Engine, client: ControlClient, api_base: str, *, expect_new: bool
) -> tuple[float, float]:
    """Seconds for a sync, and for the slowest call of the engine meanwhile."""
    times: list[float] = []
    asking = asyncio.create_task(_calls(client, times))
    started = time.perf_counter()
    answer = await engine.jobs.sync(api_base)
    taken = time.perf_counter() - started
    asking.cancel()
    assert (answer["synced"] > 0) is expect_new
    return taken, max(times)


async def _round(root: Path, api_base: str, token: str) -> list[float]:
    """Seconds: the pages, all new and the slowest call, all known and the slowest call."""
    async with running_engine(Home(root / "h", root / "out")) as (engine, _):
        client = ControlClient(engine.home.socket, api_base)
        await client.set_session({"replicate_token": token})
        await _pages(engine, api_base)  # the sandbox encodes each page once
        pages = await _pages(engine, api_base)
        new, slowest_of_new = await _sync(engine, client, api_base, expect_new=True)
        known, slowest_of_known = await _sync(engine, client, api_base, expect_new=False)
        return [pages, new, slowest_of_new, known, slowest_of_known]


def run() -> list[Row]:
    """Sync into an empty store, then again; several times."""
    with tempfile.TemporaryDirectory(prefix="st-") as folder:
        command = [sys.executable, "-c", _SANDBOX, str(HISTORY), f"{folder}/sandbox"]
        with serving(command) as line:
            base, token = line.split()
            rounds = [
                asyncio.run(_round(Path(folder, str(number)), base, token))
                for number in range(ROUNDS)
            ]
    pages, new, slowest_of_new, known, slowest_of_known = map(min, zip(*rounds, strict=True))
    middle = statistics.median(max(one[2], one[4]) for one in rounds)
    peer = f"{pages:.2f} s (the pages alone)"
    return [
        Row(f"sync of {HISTORY:,} new jobs", f"{new:.2f} s", peer, new / pages, "≤ 3 × the pages"),
        Row(f"sync of {HISTORY:,} known jobs", f"{known:.2f} s", peer, known / pages, "≤ 3 ×"),
        Row(
            "slowest call of the engine during a sync",
            f"{max(slowest_of_new, slowest_of_known) * 1000:.0f} ms",
            f"{middle * 1000:.0f} ms (median of {ROUNDS} syncs)",
            None,
            "≤ 100 ms",
        ),
    ]


if __name__ == "__main__":
    for row in run():
        print(row)
