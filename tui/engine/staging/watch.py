"""Looks again, at intervals, for staged data that nobody reads and that are still there.

A removal fails when the place cannot be reached, and a job that was lost sight of may read its data
for a day. No other job need end after that, so a timer asks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from tui.engine.runtime.tasks import TaskOwner

LOG = logging.getLogger(__name__)
INTERVAL: Final = 600.0
"""Seconds between two looks."""


class StagingWatch:
    """Calls a look at intervals; owns its task, because a look must not keep the engine alive."""

    def __init__(
        self,
        look: Callable[[], Awaitable[None]],
        pause: Callable[[], Awaitable[None]] = lambda: asyncio.sleep(INTERVAL),
    ) -> None:
        """Take what it works with.

        Args:
            look: removes what may be removed.
            pause: returns when the next look is due.
        """
        self._look = look
        self._pause = pause
        self._tasks = TaskOwner()

    def start(self) -> None:
        """Start the task."""
        self._tasks.start(self._watch(), "staging: watch")

    async def aclose(self) -> None:
        """Stop the task."""
        await self._tasks.aclose()

    async def _watch(self) -> None:
        while True:
            await self._pause()
            try:
                await self._look()
            except Exception:  # a look that fails once, such as on a full disk, is tried again
                LOG.exception("staging: the look at staged data failed")
