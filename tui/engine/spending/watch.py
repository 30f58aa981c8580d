"""Keeps the `spending` facts true while things happen, and stops jobs at the limit if told to."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from tui.base.errors import RefusedError
from tui.base.hosts import is_loopback
from tui.engine.config.live import LiveSettings
from tui.engine.runtime.event_bus import EventBus
from tui.engine.runtime.tasks import TaskOwner
from tui.engine.spending.service import FACT, SpendingService
from tui.replicate.errors import ReplicateError
from tui.settings import Settings
from tui.store.records import JobRecord
from tui.store.schema import StoreError
from tui.store.writer import StoreWriter

if TYPE_CHECKING:
    from tui.api.spending import SpendingStanding

LOG = logging.getLogger(__name__)

LONGEST_PAUSE: Final = 30.0
"""Seconds between two looks while something runs."""
_SHORTEST_PAUSE: Final = 0.5
_AGAIN: Final = 5.0

Cancel = Callable[[str], Awaitable[Any]]
Note = Callable[[str, str], object]


class SpendingWatch:
    """One task. It looks when a job changes its state, when the settings change, and by the clock.

    Its task is its own and not the engine's: watching money is no reason for an engine to stay.
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
        """Args: what it works with; `cancel(job_id)` ends a job, `note(job_id, words)` says why."""
        self._spending = spending
        self._writer = writer
        self._bus = bus
        self._cancel = cancel
        self._note = note
        self._tasks = TaskOwner()
        self._bell = asyncio.Event()
        self._states: dict[str, str] = {}
        self._told: dict[str, SpendingStanding] = {}
        self._stopped: set[str] = set()
        live.on_change(self._settings_changed)

    def start(self) -> None:
        """Begin to watch; the facts are true when this returns."""
        try:
            self._look()
        except StoreError as error:
            LOG.warning("spending: %s", error.message)
        self._tasks.start(self._listen(), "spending: listen")
        self._tasks.start(self._watch(), "spending: watch")

    async def aclose(self) -> None:
        """Stop watching."""
        await self._tasks.aclose()

    async def _listen(self) -> None:
        """Ring when a job's state changes; its progress alone changes no sum."""
        with self._bus.subscribe() as queue:
            while True:
                kind, data = await queue.get()
                if kind == "resync":
                    self._bell.set()
                if kind != "job":
                    continue
                job_id, state = str(data.get("job_id")), str(data.get("status"))
                if self._states.get(job_id) != state:
                    self._states[job_id] = state
                    self._bell.set()

    async def _watch(self) -> None:
        while True:
            try:
                pause = self._look()
                await self._stop_at_the_limit()
            except StoreError as error:
                LOG.warning("spending: %s", error.message)
                pause = _AGAIN
            # Not `wait_for`: on Python 3.11 it loses a cancellation that comes with the bell.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._bell.wait()
            self._bell.clear()

    def _look(self) -> float | None:
        """Write both facts; returns seconds until they must be looked at again."""
        pause = None
        for sandbox in (False, True):
            fact = self._spending.fact(sandbox=sandbox)
            name = fact_name(sandbox=sandbox)
            before = self._told.get(name)
            if before is None or _content(before) != _content(fact) or fact["burn_micros"]:
                self._writer.set_fact(name, dict(fact))
                self._bus.publish("fact", name=name)
            self._told[name] = fact
            if fact["burn_micros"]:
                left = fact["limit_micros"] - fact["spent_micros"]
                soon = left / fact["burn_micros"] if fact["stop_running"] and left > 0 else 1e9
                pause = min(pause or LONGEST_PAUSE, max(_SHORTEST_PAUSE, soon))
        return pause

    async def _stop_at_the_limit(self) -> None:
        for sandbox in (False, True):
            fact = self._told[fact_name(sandbox=sandbox)]
            if not (fact["enabled"] and fact["stop_running"]):
                continue
            if fact["spent_micros"] < fact["limit_micros"]:
                continue
            jobs = [job for job in self._writer.active() if is_loopback(job.api_base) is sandbox]
            await asyncio.gather(*(self._stop(job, str(fact["words"])) for job in jobs))

    async def _stop(self, job: JobRecord, words: str) -> None:
        if job.cancel_requested:
            return
        try:
            await self._cancel(job.job_id)
        except RefusedError:  # it has ended by itself in this moment
            return
        except ReplicateError as error:
            LOG.warning("%s cannot be stopped at the limit: %s", job.job_id, error.message)
            self._tell_once(
                job, "error", f"{job.name} could not be stopped at the cost limit: {error.message}",
                "It is tried again; cancel it yourself if that is quicker.", "failed",
            )  # fmt: skip
            return
        self._note(job.job_id, f"Stopped at the cost limit: {words}.")
        self._tell_once(
            job, "warn", f"{job.name} was stopped at the cost limit ({words}).",
            "Raise the limit, or switch “stop running jobs” off.", "stopped",
        )  # fmt: skip

    def _tell_once(self, job: JobRecord, level: str, message: str, advice: str, what: str) -> None:
        if f"{job.job_id} {what}" in self._stopped:
            return
        self._stopped.add(f"{job.job_id} {what}")
        self._bus.publish("notice", level=level, message=message, advice=advice, job_id=job.job_id)

    def _settings_changed(self, before: Settings, after: Settings) -> None:
        if before.spending != after.spending:
            self._bell.set()


def fact_name(*, sandbox: bool) -> str:
    """Under which name the store has it: pretended money has a fact of its own."""
    return f"{FACT}:sandbox" if sandbox else FACT


def _content(fact: SpendingStanding) -> dict[str, object]:
    return {name: value for name, value in fact.items() if name != "as_of"}
