"""Says when a job waits longer for a machine than is usual for its hardware."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from tui.base.hosts import is_loopback
from tui.base.job_status import JobStatus
from tui.engine.runtime.event_bus import EventBus
from tui.engine.runtime.tasks import TaskOwner
from tui.engine.submission.queue_standing import QueueStandings
from tui.engine.tracking.recorder import JobRecorder
from tui.store.records import JobRecord
from tui.store.schema import StoreError

LOG = logging.getLogger(__name__)
_INTERVAL: Final = 15.0


class QueueWatch:
    """Looks at waiting jobs; owns its task, because a look must not keep the engine alive."""

    def __init__(
        self, standings: QueueStandings, recorder: JobRecorder, bus: EventBus,
        interval: float = _INTERVAL,
    ) -> None:  # fmt: skip
        self._standings = standings
        self._recorder = recorder
        self._bus = bus
        self._interval = interval
        self._tasks = TaskOwner()
        self._told: set[str] = set()

    def start(self) -> None:
        """Start the task."""
        self._tasks.start(self._watch(), "queue: watch")

    async def aclose(self) -> None:
        """Stop the task."""
        await self._tasks.aclose()

    async def _watch(self) -> None:
        while True:
            try:
                await self.look()
            except StoreError as error:
                LOG.warning("queue: %s", error.message)
            await asyncio.sleep(self._interval)

    async def look(self) -> None:
        """Report each job once that waits too long."""
        for job in self._recorder.writer.active():
            if (
                job.status is JobStatus.QUEUED
                and job.job_id not in self._told
                and not job.cancel_requested
                and self._standings.is_stuck(job)
            ):
                self._told.add(job.job_id)
                await self._report(job)

    async def _report(self, job: JobRecord) -> None:
        standing = await self._standings.standing(job)
        if self._recorder.writer.job(job.job_id).status is not JobStatus.QUEUED:
            return  # it has started meanwhile
        words = standing["words"]
        self._recorder.note(
            job.job_id, "local", "queue", words, stage="waits unusually long for a GPU"
        )
        where = "" if is_loopback(job.api_base) else " At Replicate waiting costs nothing."
        self._bus.publish(
            "notice", level="warn", message=f"{job.name} waits unusually long.",
            advice=f"{words}{where} Its page moves it to other hardware (M).", job_id=job.job_id,
        )  # fmt: skip
