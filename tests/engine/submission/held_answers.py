"""Holds the sandbox's delayed answers until a test releases them, instead of for a time."""

from __future__ import annotations

import asyncio

from tui.sandbox.clock import Clock
from tui.sandbox.server import RunningSandbox


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
