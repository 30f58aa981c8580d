"""Has the store keep the JSON text of each job that has ended, in moments that nothing else needs.

`jobs --json` reads it then; without it, each call makes the texts of all jobs anew.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from tui.engine.runtime.event_bus import EventBus
from tui.engine.runtime.tasks import TaskOwner
from tui.store.job_texts import NEWEST, Position
from tui.store.schema import StoreError
from tui.store.writer import StoreWriter

LOG = logging.getLogger(__name__)
_SOON: Final = 5.0
"""Seconds after the start or a change: an end is several changes, and gets one text."""
_PAUSE: Final = 0.05
"""Seconds for others between two transactions."""
_ENDED: Final = frozenset({"completed", "failed", "cancelled"})


class JobTexts:
    """Fills the table after the start, and after changes of jobs that have ended.

    It owns its tasks, because it must not keep the engine alive.
    """

    def __init__(self, bus: EventBus, writer: StoreWriter) -> None:
        """Take what says that a job has changed, and what keeps the texts."""
        self._bus, self._writer = bus, writer
        self._tasks = TaskOwner()
        self._due = asyncio.Event()

    def start(self) -> None:
        """Start the tasks."""
        self._due.set()
        self._tasks.start(self._listen(), "job texts: listen")
        self._tasks.start(self._fill(), "job texts: fill")

    async def aclose(self) -> None:
        """Stop the tasks; the next start makes up for what is missing."""
        await self._tasks.aclose()

    async def _listen(self) -> None:
        with self._bus.subscribe() as queue:
            while True:
                kind, data = await queue.get()
                if kind == "resync" or (kind == "job" and data.get("status") in _ENDED):
                    self._due.set()

    async def _fill(self) -> None:
        while True:
            await self._due.wait()
            await asyncio.sleep(_SOON)
            self._due.clear()
            position: Position | None = NEWEST
            try:
                while position is not None:
                    position = self._writer.job_texts.keep(position)
                    await asyncio.sleep(_PAUSE)
            except StoreError as error:  # such as a full disk: the next change tries again
                LOG.warning("job texts: %s", error.message)
