"""Tells of a run's warnings and its end: to open windows, and to the user's own command."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from tui.base import formatting
from tui.engine.notices.command import Notice, run_command
from tui.engine.notices.told import Told
from tui.engine.runtime.tasks import TaskOwner
from tui.store.run_warnings import shown_warnings, warning_words
from tui.store.schema import StoreError

if TYPE_CHECKING:
    from tui.engine.config.live import LiveSettings
    from tui.engine.runtime.event_bus import EventBus
    from tui.engine.tracking.recorder import JobRecorder
    from tui.store.reader import StoreReader
    from tui.store.records import JobRow
    from tui.store.writer import StoreWriter

GATHER_SECONDS: Final = 5.0
"""Notices of a job within this time become one."""
_LONGEST: Final = 120
LOG = logging.getLogger(__name__)


class RunNotices:
    """Watches the jobs that this engine follows.

    A window is told by a `notice` on the event bus. The command of `notices.command` is run for
    each notice about a job and for its end, one at a time.

    Args:
        bus: says what happens.
        live: the settings.
        reader: the store, to read.
        recorder: the histories of the jobs.
        tasks: owns the tasks.
        writer: the store, for what was told.
        now: the time.
        gather: seconds within which the notices of a job become one.
        environ: the environment of this process.
    """

    def __init__(
        self,
        *,
        bus: EventBus,
        live: LiveSettings,
        reader: StoreReader,
        recorder: JobRecorder,
        tasks: TaskOwner,
        writer: StoreWriter,
        now: Callable[[], datetime],
        gather: float = GATHER_SECONDS,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._bus, self._live, self._reader = bus, live, reader
        self._recorder, self._tasks, self._writer = recorder, tasks, writer
        self._now, self._gather, self._environ = now, gather, environ
        self._told = Told(writer)
        self._followed: set[str] = set()
        self._gathered: dict[str, str] = {}
        self._one_at_a_time = asyncio.Lock()
        self._watching = TaskOwner()
        """Apart from `tasks`: watching alone must not keep the engine alive."""

    def start(self) -> None:
        """Begin to watch; what ends from now on is told."""
        self._followed = {job.job_id for job in self._writer.active()}
        with contextlib.ExitStack() as stack:
            queue = stack.enter_context(self._bus.subscribe())
            self._watching.start(self._watch(queue, stack.pop_all()), "notices")

    async def aclose(self) -> None:
        """End watching; a command that runs is ended with the tasks."""
        await self._watching.aclose()

    async def _watch(
        self, queue: asyncio.Queue[tuple[str, Any]], subscription: contextlib.ExitStack
    ) -> None:
        with subscription:
            while True:
                kind, data = await queue.get()
                try:
                    if kind == "job":
                        self._looked([str(data.get("job_id"))])
                    elif kind == "resync":
                        self._looked(list(self._followed))
                    elif kind == "notice" and data.get("job_id"):
                        self._call(str(data["job_id"]), str(data.get("message", "")))
                except StoreError as error:
                    LOG.warning("notices: %s", error.message)

    def _looked(self, job_ids: list[str]) -> None:
        for job_id, row in self._reader.rows(job_ids).items():
            if row.status.is_active:
                self._followed.add(job_id)
                self._warn(row)
            elif job_id in self._followed:
                self._followed.discard(job_id)
                if row.status.is_terminal and self._told.first_time(job_id, "end"):
                    self._call(job_id, _end_words(row))

    def _warn(self, row: JobRow) -> None:
        """Tell of each warning that was not put away, once for each kind."""
        for warning in shown_warnings(row.warnings):
            if not self._told.first_time(row.job_id, warning["kind"]):
                continue
            self._bus.publish(
                "notice", level="warning",
                message=f"{row.name}: {warning_words(warning, row.rate_micros, self._now())}.",
                advice="The run goes on and costs money: ! on it shows where, c cancels it.",
                job_id=row.job_id,
            )  # fmt: skip

    # -- the command --------------------------------------------------------------------------

    def _call(self, job_id: str, message: str) -> None:
        """Run the command soon, for all that comes until then."""
        if not self._live.now.notices.command:
            return
        waits = job_id in self._gathered
        self._gathered[job_id] = message
        if not waits:
            self._tasks.start(self._run(job_id), "notice command")

    async def _run(self, job_id: str) -> None:
        await asyncio.sleep(self._gather)
        message = self._gathered.pop(job_id)
        async with self._one_at_a_time:
            command = self._live.now.notices.command
            row = self._reader.rows([job_id]).get(job_id)
            if not command or row is None:
                return
            cost = "" if row.cost_micros is None else f"{row.cost_micros / 1e6:.2f}"
            words = "".join(one for one in " ".join(message.split()) if one.isprintable())
            name = "".join(one for one in row.name if one.isprintable())
            notice = Notice(job_id, name, row.status.value, cost, words[:_LONGEST])
            outcome = await run_command(command, notice, self._environ)
            with contextlib.suppress(StoreError):  # deleted meanwhile
                self._recorder.note(job_id, "local", "notice", outcome)


def _end_words(row: JobRow) -> str:
    words = [row.name, formatting.ended(row.status, row.stage)]
    if row.cost_micros is not None:
        words.append(formatting.money(row.cost_micros))
    return " · ".join(words)
