"""Fifty runs at once for a day: the engine stays small, and almost idle.

The clock of the event loop jumps to what is due next, so CPU time alone passes. Answers are parsed
from bytes as the client does; sockets are not part of it.
"""

from __future__ import annotations

import asyncio
import json
import random
import resource
import sqlite3
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.engine.submission.account_world import (
    FATES,
    Account,
    AccountSession,
    MortalConnection,
    Run,
    Script,
    SmallEngine,
    run,
)
from tui.base.job_status import JobStatus
from tui.replicate.values import load_json
from tui.settings import Home

HOUR = 3600
LINE_EVERY = 300
"""Simulated seconds between two lines of a run's log."""
SHARE = 0.03
GROWTH = 0.05


class EncodedAnswers(AccountSession):
    """Answers with bytes that are parsed, as after a socket."""

    async def json(self, call: Any) -> Any:
        answer = await super().json(call)
        return load_json(json.dumps(answer).encode())


class SteadyAccount(Account):
    """An account whose runs write a line every few minutes; it keeps their last state only."""

    def go_on(self, run: Run) -> None:
        super().go_on(run)
        del run.states[:-1]

    async def write(self) -> None:
        while True:
            await asyncio.sleep(LINE_EVERY)
            for one in self.runs:
                self.go_on(one)


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("jobs", "hours"), [(5, 1), pytest.param(50, 24, marks=pytest.mark.release)]
)
def test_many_running_jobs_cost_little_time_and_no_memory(
    home: Home, monkeypatch: pytest.MonkeyPatch, jobs: int, hours: int
) -> None:
    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=MortalConnection))

    async def day() -> tuple[float, list[int]]:
        script = Script(home, seed=0)
        script.marked, script.webhooks = True, False
        account = script.account = SteadyAccount(random.Random(0), FATES)
        account.calm = True
        script.engine = SmallEngine(home, account, webhooks=False, session=EncodedAnswers)
        for _ in range(jobs):
            script.submit()
        writing = asyncio.create_task(account.write())
        try:
            await asyncio.sleep(HOUR * hours / 4)  # caches are full then
            sizes = [resident_bytes()]
            started = time.process_time()
            for _ in range(3):
                await asyncio.sleep(HOUR * hours / 4)
                sizes.append(resident_bytes())
            used = time.process_time() - started
            assert [job.status for job in script.jobs] == [JobStatus.RUNNING] * jobs
            assert all(job.log_bytes > 0 for job in script.jobs)
            return used / (HOUR * hours * 3 / 4), sizes
        finally:
            writing.cancel()
            await script.engine.end()

    share, sizes = run(day())
    print(f"{jobs} jobs, {hours} h: {share:.2%} of a core, {[size >> 10 for size in sizes]} KiB")
    assert share <= SHARE * jobs / 50
    assert max(sizes) <= sizes[0] * (1 + GROWTH)
