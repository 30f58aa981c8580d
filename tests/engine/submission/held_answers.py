"""Holds the sandbox's delayed answers until a test releases them, instead of for a time."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.engine.world import World
from tests.support import eventually
from tui.sandbox.clock import Clock
from tui.sandbox.server import RunningSandbox
from tui.store.records import JobRecord

POST = "POST /v1/predictions"
LIST = "GET /v1/predictions"


class HeldAnswers(Clock):
    """Holds every answer that the fault `slow` delays, until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self._gate = asyncio.Event()
        self.waiting = 0

    async def sleep(self, seconds: float) -> None:  # the test decides how long
        """Wait until the answers are released."""
        self.waiting += 1
        try:
            await self._gate.wait()
        finally:
            self.waiting -= 1

    def release(self) -> None:
        """Release all answers held now."""
        self._gate.set()
        self._gate = asyncio.Event()


def hold_answers(sandbox: RunningSandbox) -> HeldAnswers:
    """Hold the delayed answers of a sandbox; its predictions keep running."""
    held = HeldAnswers()
    sandbox.core.clock = held
    return held


async def post_with_late_answer(world: World, **more: Any) -> tuple[str, HeldAnswers]:
    """Submit a job whose prediction is created and whose answer is held."""
    held = hold_answers(world.sandbox)
    count_before = len(world.predictions)
    world.fault(f"slow*1@{POST}")
    job_id = await world.submit(**more)
    await eventually(lambda: len(world.predictions) > count_before)
    assert world.job(job_id).submit["phase"] == "posting"
    return job_id, held


async def posted(world: World, job_id: str) -> JobRecord:
    """Wait until the engine has finished posting a job."""
    await eventually(lambda: not world.engine._submitter.busy, within=20)
    return world.job(job_id)
