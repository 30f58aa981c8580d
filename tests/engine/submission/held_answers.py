"""A sandbox whose late answers come when a test lets them, and not after some time."""

from __future__ import annotations

import asyncio

from tui.sandbox.clock import Clock
from tui.sandbox.server import RunningSandbox


class HeldAnswers(Clock):
    """Holds every answer that the fault `slow` strikes, until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self._gate = asyncio.Event()
        self.waiting = 0

    async def sleep(self, seconds: float) -> None:  # the test decides how long
        """Wait for the release."""
        self.waiting += 1
        try:
            await self._gate.wait()
        finally:
            self.waiting -= 1

    def release(self) -> None:
        """Let all answers go that are held now."""
        self._gate.set()
        self._gate = asyncio.Event()


def hold_answers(sandbox: RunningSandbox) -> HeldAnswers:
    """Take over the late answers of a sandbox; predictions keep its own clock."""
    held = HeldAnswers()
    sandbox.core.clock = held
    return held
