"""Who goes next: a few at once, one for each place, in an order that can be changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class Line:
    """A line of transfers that wait for their turn."""

    def __init__(self, at_once: int, position: Callable[[str], int]) -> None:
        """Args: how many may go at once, and where a transfer stands (the lowest goes first)."""
        self._at_once = at_once
        self._position = position
        self._waiting: dict[str, tuple[str, asyncio.Event]] = {}
        self._going: dict[str, str] = {}

    @asynccontextmanager
    async def turn(self, name: str, place: str, stop: asyncio.Event) -> AsyncIterator[bool]:
        """Wait for one's turn, then hold it; False when `stop` was set before it came.

        While two go to different places, a third one to one of them lets others pass.
        """
        mine = asyncio.Event()
        self._waiting[name] = (place, mine)
        self.look()
        try:
            await _first_of(mine, stop)
            yield mine.is_set()
        finally:
            self._waiting.pop(name, None)
            self._going.pop(name, None)
            self.look()

    def look(self) -> None:
        """Let go whoever may; to be called when the order has changed."""
        for name in sorted(self._waiting, key=self._position):
            if len(self._going) >= self._at_once:
                return
            place, bell = self._waiting[name]
            if place not in self._going.values():
                self._going[name] = place
                del self._waiting[name]
                bell.set()


async def _first_of(*events: asyncio.Event) -> None:
    if any(event.is_set() for event in events):
        return
    tasks = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
