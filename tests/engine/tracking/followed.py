"""A followed job: a monitor, a service that answers as a test says, pauses that take no time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.replicate.server import QUICK, TOKEN, Handler, Server, serving
from tests.store.job_records import job as a_job
from tests.support import eventually
from tui.engine.config.live import LiveSettings
from tui.engine.credentials.replicate_clients import ReplicateClients
from tui.engine.runtime.event_bus import EventBus
from tui.engine.runtime.tasks import TaskOwner
from tui.engine.tracking.monitor import Monitor
from tui.engine.tracking.recorder import JobRecorder
from tui.replicate.client import ReplicateClient
from tui.settings import Home, Settings
from tui.store.lost_contact import FACT, LostContact, read_unheard
from tui.store.records import JobRecord
from tui.store.writer import StoreWriter

T0 = datetime(2026, 11, 29, 21, 4, tzinfo=UTC)
ID = "hdwst0bb05rgp0cf0p29mzk2am"
ROUTE = f"GET /predictions/{ID}"


@dataclass
class Following:
    """A monitor, a service that answers as a test says, and pauses that take no time.

    Attributes:
        pauses: seconds that the monitor wanted to wait, in order.
        now: the time of day, which the pauses move.
        most: pauses that are skipped; after them the monitor really waits for the bell.
        before_wait: called before each pause.
    """

    server: Server
    recorder: JobRecorder
    clients: ReplicateClients
    tasks: TaskOwner
    bus: EventBus
    polling: bool = True
    pauses: list[float] = field(default_factory=list)
    now: datetime = T0
    most: int = 10_000
    before_wait: Callable[[], None] = lambda: None
    monitor: Monitor = field(init=False)

    def __post_init__(self) -> None:
        self.monitor = Monitor(
            self.recorder, self.clients, self.bus, self.tasks, lambda: self.polling,
            now=lambda: self.now, wait=self.wait,
        )  # fmt: skip

    async def wait(self, wake_event: asyncio.Event, seconds: float) -> None:
        self.pauses.append(seconds)
        self.before_wait()
        if len(self.pauses) >= self.most:
            await wake_event.wait()
            return
        self.now += timedelta(seconds=seconds)
        await asyncio.sleep(0)

    def follow(self, *answers: Handler, **more: Any) -> None:
        """Follow a job for which the service gives these answers, repeating the last."""
        self.server.on(ROUTE, *answers)
        values = {"prediction_id": ID, "api_base": self.server.base, "created_at": T0} | more
        self.monitor.follow(self.recorder.insert(a_job("j", **values)))

    @property
    def job(self) -> JobRecord:
        return self.recorder.writer.job("j")

    async def ended(self) -> JobRecord:
        await eventually(lambda: self.job.status.is_terminal and not self.monitor.following)
        return self.job

    def lost_contact(self) -> dict[str, LostContact]:
        """The fact about lost contact, as stored."""
        return read_unheard(self.recorder.writer.fact(FACT))


@asynccontextmanager
async def following(home: Home, **more: Any) -> AsyncIterator[Following]:
    server, tasks, bus, writer = Server(), TaskOwner(), EventBus(), StoreWriter(home)
    clients = ReplicateClients(LiveSettings(home, Settings()), lambda _: None)
    async with serving(server.handle) as port:
        server.port = port
        clients.set_token(server.base, TOKEN.reveal(), "environment")
        clients._clients[server.base, TOKEN, None] = ReplicateClient(
            TOKEN, base_url=server.base, network=QUICK
        )  # one that repeats nothing for a minute
        following_job = Following(
            server, JobRecorder(writer, home, bus), clients, tasks, bus, **more
        )
        try:
            yield following_job
        finally:
            await tasks.aclose()
            await clients.aclose()
            writer.close()
