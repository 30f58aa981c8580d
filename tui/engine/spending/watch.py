"""Keeps the `spending` facts up to date, and stops jobs at the limit if the user chose that."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from tui.base.errors import RefusedError
from tui.base.hosts import is_loopback
from tui.engine.config.live import LiveSettings
from tui.engine.runtime.event_bus import EventBus
from tui.engine.runtime.tasks import TaskOwner, set_within
from tui.engine.spending.service import FACT, SpendingService
from tui.replicate.errors import ReplicateError
from tui.settings import Settings
from tui.store.records import JobRecord
from tui.store.schema import StoreError
from tui.store.writer import StoreWriter

if TYPE_CHECKING:
    from tui.api.spending import SpendingStanding

LOG = logging.getLogger(__name__)

LONGEST_INTERVAL: Final = 30.0
"""Seconds between two updates while a job runs."""
_SHORTEST_INTERVAL: Final = 0.5
_RETRY_SECONDS: Final = 5.0

Cancel = Callable[[str], Awaitable[Any]]
Note = Callable[[str, str], object]


class SpendingWatch:
    """Updates the facts when a job's status or the settings change, and at intervals.

    It owns its tasks itself, because the engine does not exit while its own task owner has tasks.
    """

    def __init__(
        self,
        spending: SpendingService,
        *,
        writer: StoreWriter,
        bus: EventBus,
        live: LiveSettings,
        cancel: Cancel,
        note: Note,
    ) -> None:
        """Take the services it works with.

        Args:
            spending: computes the facts.
            writer: stores the facts.
            bus: publishes changes.
            live: the settings.
            cancel: cancels a job by its id.
            note: adds a message to the history of a job, by its id.
        """
        self._spending = spending
        self._writer = writer
        self._bus = bus
        self._cancel = cancel
        self._note = note
        self._tasks = TaskOwner()
        self._update_event = asyncio.Event()
        self._states: dict[str, str] = {}
        self._facts: dict[str, SpendingStanding] = {}
        self._notified: set[str] = set()
        live.on_change(self._settings_changed)

    def start(self) -> None:
        """Write the facts once, and start the tasks."""
        try:
            self._update()
        except StoreError as error:
            LOG.warning("spending: %s", error.message)
        self._tasks.start(self._listen(), "spending: listen")
        self._tasks.start(self._watch(), "spending: watch")

    async def aclose(self) -> None:
        """Stop the tasks."""
        await self._tasks.aclose()

    async def _listen(self) -> None:
        """Request an update when a job's status changes; progress alone changes no sum."""
        with self._bus.subscribe() as queue:
            while True:
                kind, data = await queue.get()
                if kind == "resync":
                    self._update_event.set()
                if kind != "job":
                    continue
                job_id, state = str(data.get("job_id")), str(data.get("status"))
                if self._states.get(job_id) != state:
                    self._states[job_id] = state
                    self._update_event.set()

    async def _watch(self) -> None:
        while True:
            try:
                pause = self._update()
                await self._stop_at_the_limit()
            except StoreError as error:
                LOG.warning("spending: %s", error.message)
                pause = _RETRY_SECONDS
            await set_within(self._update_event, pause)
            self._update_event.clear()

    def _update(self) -> float | None:
        """Write both facts; returns seconds until the next update, None if nothing runs."""
        pause = None
        for sandbox in (False, True):
            fact = self._spending.fact(sandbox=sandbox)
            name = fact_name(sandbox=sandbox)
            before = self._facts.get(name)
            if before is None or _content(before) != _content(fact) or fact["burn_micros"]:
                self._writer.set_fact(name, dict(fact))
                self._bus.publish("fact", name=name)
            self._facts[name] = fact
            if fact["burn_micros"]:
                remaining = fact["limit_micros"] - fact["spent_micros"]
                seconds_left = (
                    remaining / fact["burn_micros"]
                    if fact["stop_running"] and remaining > 0
                    else 1e9
                )
                pause = min(pause or LONGEST_INTERVAL, max(_SHORTEST_INTERVAL, seconds_left))
        return pause

    async def _stop_at_the_limit(self) -> None:
        for sandbox in (False, True):
            fact = self._facts[fact_name(sandbox=sandbox)]
            if not (fact["enabled"] and fact["stop_running"]):
                continue
            if fact["spent_micros"] < fact["limit_micros"]:
                continue
            jobs = [job for job in self._writer.active() if is_loopback(job.api_base) is sandbox]
            await asyncio.gather(*(self._stop(job, str(fact["words"])) for job in jobs))

    async def _stop(self, job: JobRecord, standing: str) -> None:
        if job.cancel_requested:
            return
        try:
            await self._cancel(job.job_id)
        except RefusedError:  # the job has ended meanwhile
            return
        except ReplicateError as error:
            LOG.warning("%s cannot be stopped at the limit: %s", job.job_id, error.message)
            self._notify_once(
                job, "error", f"{job.name} could not be stopped at the cost limit: {error.message}",
                "It is tried again; cancel it yourself if that is quicker.", "failed",
            )  # fmt: skip
            return
        self._note(job.job_id, f"Stopped at the cost limit: {standing}.")
        self._notify_once(
            job, "warn", f"{job.name} was stopped at the cost limit ({standing}).",
            "Raise the limit, or switch “stop running jobs” off.", "stopped",
        )  # fmt: skip

    def _notify_once(
        self, job: JobRecord, level: str, message: str, advice: str, event: str
    ) -> None:
        if f"{job.job_id} {event}" in self._notified:
            return
        self._notified.add(f"{job.job_id} {event}")
        self._bus.publish("notice", level=level, message=message, advice=advice, job_id=job.job_id)

    def _settings_changed(self, before: Settings, after: Settings) -> None:
        if before.spending != after.spending:
            self._update_event.set()


def fact_name(*, sandbox: bool) -> str:
    """Name of the fact in the store; jobs of the sandbox have a fact of their own."""
    return f"{FACT}:sandbox" if sandbox else FACT


def _content(fact: SpendingStanding) -> dict[str, object]:
    return {name: value for name, value in fact.items() if name != "as_of"}
