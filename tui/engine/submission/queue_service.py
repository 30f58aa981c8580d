"""Jobs that wait for a machine: their standing, the report of long waits, and moves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from tui.engine.config.live import LiveSettings
from tui.engine.credentials.replicate_clients import ReplicateClients
from tui.engine.diagnostics.status_page import StatusPage
from tui.engine.runtime.event_bus import EventBus
from tui.engine.runtime.tasks import TaskOwner
from tui.engine.submission.job_service import JobService
from tui.engine.submission.moves import MoveService
from tui.engine.submission.queue_standing import QueueStandings
from tui.engine.submission.queue_watch import QueueWatch
from tui.engine.tracking.monitor import Monitor
from tui.engine.tracking.recorder import JobRecorder
from tui.store.reader import StoreReader


class QueueService:
    """The three parts, wired together.

    Attributes:
        standings: how long jobs wait, against what is usual.
        moves: the moves to other hardware.
    """

    def __init__(
        self,
        *,
        reader: StoreReader,
        live: LiveSettings,
        status_page: StatusPage,
        recorder: JobRecorder,
        jobs: JobService,
        monitor: Monitor,
        clients: ReplicateClients,
        bus: EventBus,
        tasks: TaskOwner,
        now: Callable[[], datetime],
    ) -> None:
        self.standings = QueueStandings(reader=reader, live=live, status_page=status_page, now=now)
        self.moves = MoveService(
            recorder=recorder, jobs=jobs, monitor=monitor, clients=clients, bus=bus, tasks=tasks
        )
        self._watch = QueueWatch(self.standings, recorder, bus)

    def start(self) -> None:
        """Watch waiting jobs, and go on with the moves that the last engine left."""
        self._watch.start()
        self.moves.resume()

    async def aclose(self) -> None:
        """Stop watching. The tasks of moves end with their owner."""
        await self._watch.aclose()
