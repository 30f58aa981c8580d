"""The life cycle of predictions: queue, cold boot, run, time limit, cancel, deadline, retention.

`add_history` adds finished predictions of the past, for lists with many pages.
"""

from __future__ import annotations

import asyncio
import json
import random
import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from tui.base.json_types import JsonObject
from tui.sandbox.clock import Clock
from tui.sandbox.config import SandboxConfig
from tui.sandbox.faults import ActiveFaults, FaultKind
from tui.sandbox.record import Kind, Record
from tui.sandbox.registry import Registry, Version
from tui.sandbox.webhooks import WebhookSender
from tui.sandbox.worker import Outcome, Sink, Task, Worker

WARM_SECONDS = 60.0
"""How long a model stays warm after its last run."""
TIMED_OUT = "Prediction timed out."
_ID_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_PAST_STATUSES = ("succeeded",) * 7 + ("failed", "failed", "canceled")
_PAST_ERRORS = (
    "CUDA out of memory. Tried to allocate 2.25 GiB. GPU 0 has a total capacity of 44.39 GiB",
    "Prediction timed out.",
)


class Jobs:
    """Runs records to their end, and holds all of them per kind, oldest first."""

    def __init__(
        self,
        config: SandboxConfig,
        *,
        clock: Clock,
        faults: ActiveFaults,
        worker: Worker,
        hooks: WebhookSender,
        work_dir: Path,
        readable: Callable[[Mapping[str, Any]], JsonObject],
    ) -> None:
        # `readable` replaces the service's own file addresses by download addresses.
        self._config = config
        self._clock = clock
        self._faults = faults
        self._worker = worker
        self._hooks = hooks
        self._work_dir = work_dir
        self._readable = readable
        self.order: dict[Kind, list[Record]] = {"prediction": [], "training": []}
        self.by_id: dict[str, Record] = {}
        self.by_stream: dict[str, Record] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._timers: dict[str, list[asyncio.TimerHandle]] = defaultdict(list)
        self._slots: dict[str, asyncio.Semaphore] = {}
        self._warm_until: dict[str, float] = {}

    def keep(self, record: Record) -> None:
        """Add a record to the lists; it is not run."""
        self.order[record.kind].append(record)
        self.by_id[record.id] = record
        self.by_stream[record.stream_key] = record

    def keep_past(self, records: list[Record]) -> None:
        """Insert finished predictions, oldest first, before all others."""
        for record in records:
            self.by_id[record.id] = record
            self.by_stream[record.stream_key] = record
        self.order["prediction"][:0] = records

    def create(
        self,
        kind: Kind,
        version: Version,
        given: Mapping[str, Any],
        *,
        cancel_after: float | None = None,
        webhook: str | None = None,
        events: frozenset[str] = frozenset(),
        deployment: str | None = None,
        destination: str | None = None,
        owner: str = "",
    ) -> Record:
        """Create a prediction or training and start it.

        Args:
            kind: prediction or training.
            version: what to run.
            given: the input, with secrets.
            cancel_after: simulated seconds after which the record is stopped.
            webhook: address of webhooks.
            events: the events that send one.
            deployment: `owner/name` of the deployment, if any.
            destination: `owner/name` of a training's destination model.
            owner: another user whose record it is.
        """
        record = Record(
            kind,
            version,
            given,
            self._clock.now(),
            webhook=webhook,
            events=events,
            deployment=deployment,
            destination=destination,
            faults=self._faults.take_for_job(version.model),
            owner=owner,
        )
        self.keep(record)
        loop = asyncio.get_running_loop()
        if cancel_after is not None:
            record.deadline = self._clock.after(cancel_after, record.created_at)
            timer = loop.call_later(self._clock.real(cancel_after), self._expire, record)
            self._timers[record.id].append(timer)
        self._tasks[record.id] = asyncio.create_task(self._run_to_end(record, dict(given)))
        return record

    def running(self) -> list[str]:
        """Ids of the records whose task has not ended, canceled ones included."""
        return list(self._tasks)

    def cancel(self, record: Record) -> None:
        """Stop a record at once; a finished record is not changed."""
        self._stop(record, "canceled")

    def _expire(self, record: Record) -> None:
        self._stop(record, "aborted" if record.status == "starting" else "canceled")

    def _stop(self, record: Record, status: str) -> None:
        if not record.is_terminal:
            waiting = record.status == "starting"
            self._finish(record, Outcome("canceled"), status)
            self._worker.cancel(record.id)
            if waiting and (task := self._tasks.get(record.id)):
                task.cancel()

    async def _run_to_end(self, record: Record, given: JsonObject) -> None:
        model = record.version.model
        slot = self._slots.setdefault(model, asyncio.Semaphore(self._config.slots_per_model))
        try:
            if FaultKind.QUEUE_FOREVER in record.faults:
                await asyncio.get_running_loop().create_future()
            await self._clock.sleep(self._config.queue_seconds)
            async with slot:
                await self._boot(model)
                record.start(self._clock.now())
                self._hooks.event(record, "start")
                outcome = await self._run(record, given)
                self._finish(record, outcome, outcome.status)
                self._warm_until[model] = self._loop_time_after(WARM_SECONDS)
        finally:
            self._tasks.pop(record.id, None)

    async def _boot(self, model: str) -> None:
        now = asyncio.get_running_loop().time()
        if self._warm_until.get(model, 0.0) <= now:
            await self._clock.sleep(self._config.boot_seconds)
        self._warm_until[model] = self._loop_time_after(WARM_SECONDS)

    def _loop_time_after(self, seconds: float) -> float:
        return asyncio.get_running_loop().time() + self._clock.real(seconds)

    async def _run(self, record: Record, given: JsonObject) -> Outcome:
        folder = self._work_dir / "runs" / record.id
        folder.mkdir(parents=True, exist_ok=True)
        task = Task(record.id, record.version, self._readable(given), folder, record.faults)

        async def begin() -> Outcome:
            # It may have been canceled since it was started, when the worker did not know it yet.
            if record.is_terminal:
                return Outcome("canceled")
            return await self._worker.run(task, self._sink(record))

        run = asyncio.create_task(begin())
        limit = self._clock.real(self._config.run_limit_seconds)
        try:
            done, _ = await asyncio.wait({run}, timeout=limit)
            if done:
                return run.result()
            self._finish(record, Outcome("failed", error=TIMED_OUT), "failed")
            self._worker.cancel(record.id)
            return await run
        finally:
            run.cancel()

    def _sink(self, record: Record) -> Sink:
        loop = asyncio.get_running_loop()

        def soon(function: Callable[..., None], *args: Any) -> None:
            # A worker thread can outlive the loop for a moment; its output is dropped then.
            if not loop.is_closed():
                loop.call_soon_threadsafe(function, *args)

        def log(text: str) -> None:
            if record.append_log(text):
                self._hooks.event(record, "logs")

        def output(value: Any) -> None:
            # A training has no output before its version exists.
            if record.kind == "prediction" and record.set_output(value):
                self._hooks.event(record, "output")

        return Sink(
            lambda text: soon(log, text),
            lambda value: soon(output, value),
            lambda: soon(record.rewrite_log),
        )

    def _finish(self, record: Record, outcome: Outcome, status: str) -> None:
        output = outcome.output
        if status == "succeeded" and record.kind == "training":
            output = self._training_output(record, output)
        if FaultKind.LOST_OUTPUT in record.faults:
            output = None
        if output is not None and record.set_output(output):
            self._hooks.event(record, "output")
        now = self._clock.now()
        if not record.finish(status, now, output=output, error=outcome.error):
            return
        for timer in self._timers.pop(record.id, ()):
            timer.cancel()
        if FaultKind.DATA_REMOVED in record.faults:
            self._remove_data(record)
        else:
            wait = self._clock.real(self._config.retention_seconds)
            timer = asyncio.get_running_loop().call_later(wait, self._remove_data, record)
            self._timers[record.id].append(timer)
        self._hooks.event(record, "completed")

    def _training_output(self, record: Record, output: Any) -> JsonObject:
        weights = output if isinstance(output, str) else json.dumps(output)
        return {"version": f"{record.destination}:{record.version.id}", "weights": weights}

    def _remove_data(self, record: Record) -> None:
        self._timers.pop(record.id, None)
        record.remove_data()
        shutil.rmtree(self._work_dir / "runs" / record.id, ignore_errors=True)

    async def aclose(self) -> None:
        """Stop all tasks, timers and the worker."""
        for timers in self._timers.values():
            for timer in timers:
                timer.cancel()
        tasks = list(self._tasks.values())
        for record_id, task in list(self._tasks.items()):
            self._worker.cancel(record_id)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._worker.aclose()


def add_history(jobs: Jobs, registry: Registry, clock: Clock, count: int) -> None:
    """Add `count` finished predictions of the past, one for every half hour.

    They are older than the service's data retention, so they have no input, output and log.
    """
    maker = random.Random(count)  # noqa: S311 - made-up data, nothing to guess
    versions = [
        version
        for model in registry.models.values()
        if model.owner == "simpletuner"
        for version in model.versions
    ]
    known = jobs.order["prediction"]
    newest = min([clock.now(), *(item.created_at for item in known[:1])]) - timedelta(hours=3)
    past = []
    for back in range(count, 0, -1):
        created = newest - timedelta(minutes=30 * back)
        record = Record(
            "prediction",
            maker.choice(versions),
            {},
            created,
            id="".join(maker.choices(_ID_ALPHABET, k=26)),
            source="web" if maker.random() < 0.05 else "api",
        )
        started = created + timedelta(seconds=maker.uniform(1, 240))
        status = maker.choice(_PAST_STATUSES)
        record.start(started)
        record.finish(
            status,
            started + timedelta(seconds=maker.uniform(30, 1500)),
            error=maker.choice(_PAST_ERRORS) if status == "failed" else None,
        )
        record.remove_data()
        past.append(record)
    jobs.keep_past(past)
