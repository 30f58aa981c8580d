"""Whose turn it is: releases the jobs of sweeps, a few at a time.

Everything is in the store. A turn is written down before the job's submission is started, and the
submission itself posts once whatever happens; so an engine that is killed at any moment goes on
where it was.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tui.base.clock import Clock
from tui.base.errors import ApiError, RefusedError
from tui.base.formatting import dollars, plural
from tui.base.job_status import SWEEP_STOPPED, WAITS_FOR_TURN, JobStatus
from tui.engine.runtime.event_bus import EventBus
from tui.engine.runtime.tasks import TaskOwner, set_within
from tui.engine.spending.service import SpendingService, sum_text
from tui.engine.tracking.recorder import JobRecorder
from tui.replicate.errors import ReplicateError
from tui.simpletuner.sweep import FAILURES_IN_A_ROW, stops
from tui.store.records import JobRecord
from tui.store.schema import StoreError
from tui.store.sweeps import MemberRecord, SweepRecord

LOG = logging.getLogger(__name__)
_INTERVAL: Final = 15.0
"""Seconds until the next look while jobs wait: a store that could not be written may be again."""


@dataclass(frozen=True, slots=True)
class _Job:
    """A member with its job."""

    member: MemberRecord
    job: JobRecord

    @property
    def waits(self) -> bool:
        return self.member.released_at is None and self.job.status.is_active


class SweepQueue:
    """Releases members; owns its task, because a look must not keep the engine alive."""

    def __init__(
        self,
        *,
        recorder: JobRecorder,
        bus: EventBus,
        spending: SpendingService,
        begin: Callable[[JobRecord], None],
        cancel: Callable[[str], Awaitable[Any]],
        now: Clock,
    ) -> None:
        """Take the services it works with.

        Args:
            recorder: stores turns, stages and events.
            bus: tells when a job has ended; notices are published on it.
            spending: judges the cost limit.
            begin: starts the submission of a job whose turn has come.
            cancel: cancels a job by its id.
            now: the clock.
        """
        self._recorder = recorder
        self._sweeps = recorder.writer.sweeps
        self._bus = bus
        self._spending = spending
        self._begin = begin
        self._cancel = cancel
        self._now = now
        self._tasks = TaskOwner()
        self._due = asyncio.Event()

    def start(self) -> None:
        """Start the tasks; the first look comes at once."""
        self._tasks.start(self._listen(), "sweeps: listen")
        self._tasks.start(self._watch(), "sweeps: watch")

    async def aclose(self) -> None:
        """Stop the tasks."""
        await self._tasks.aclose()

    async def _listen(self) -> None:
        with self._bus.subscribe() as queue:
            while True:
                kind, data = await queue.get()
                ended = kind == "job" and data.get("status") in _ENDED
                if ended or kind == "resync":
                    self._due.set()

    async def _watch(self) -> None:
        unfinished = True
        while True:
            self._due.clear()
            pause = None
            try:
                if self.look():
                    pause = _INTERVAL
                unfinished = unfinished and not await self._finish_cancels()
                if unfinished:
                    pause = _INTERVAL
            except StoreError as error:
                LOG.warning("sweeps: %s", error.message)
                pause = _INTERVAL
            await set_within(self._due, pause)

    def look(self) -> bool:
        """Release the jobs whose turn has come; returns whether jobs go on waiting.

        Raises:
            StoreError: the store cannot be written; the next look makes up for it.
        """
        waiting = False
        for name in self._sweeps.with_waiting():
            sweep = self._sweeps.find(name)
            if sweep is not None:
                waiting |= self._look_at(sweep)
        return waiting

    def _look_at(self, sweep: SweepRecord) -> bool:
        jobs = self._jobs_of(sweep)
        for one in jobs:
            if one.member.released_at is None and not one.job.status.is_active:
                self._sweeps.release(one.job.job_id, self._now())  # cancelled before its turn
        waiting = [one for one in jobs if one.waits]
        if sweep.state != "running" or not waiting:
            return bool(waiting)
        if stops(_outcomes(jobs, sweep)):
            self._pause(
                sweep, waiting,
                f"{FAILURES_IN_A_ROW} runs in a row have failed",
                f"Look at why, then go on: simpletuner-tui sweep resume {sweep.name}. "
                f"`sweep cancel {sweep.name}` gives the others up.",
            )  # fmt: skip
            return True
        under_way = sum(one.job.status.is_active and not one.waits for one in jobs)
        while waiting and under_way < sweep.at_once:
            one = waiting.pop(0)
            if reason := self.over_limit(one.job, [other.job for other in waiting]):
                self._pause(
                    sweep, [one, *waiting], reason,
                    "Raise the limit or wait, then go on: "
                    f"simpletuner-tui sweep resume {sweep.name}",
                )  # fmt: skip
                return True
            self._release(one.job, sweep)
            under_way += 1
        return bool(waiting)

    def over_limit(self, job: JobRecord, others: Sequence[JobRecord]) -> str:
        """Return why the cost limit refuses a waiting job now; "" when it does not.

        All waiting jobs are counted with their estimates already. The others' are taken out: they
        are asked about when their turn comes.
        """
        try:
            verdict = self._spending.verdict(job.api_base, 0)
        except RefusedError as error:
            return error.message.rstrip(".")
        reserved = sum(other.estimate_micros or 0 for other in others)
        over = verdict.projected_micros - reserved - verdict.limit.amount_micros
        limit = verdict.limit
        if not limit.enabled or limit.action != "block" or over <= 0:
            return ""
        return f"the cost limit would be passed by {dollars(over)} ({sum_text(verdict)})"

    def resume(self, sweep: SweepRecord) -> None:
        """Go on with a paused sweep; failures before now count no more."""
        with self._recorder.batch():
            self._sweeps.set_state(sweep.name, "running", resumed_at=self._now())
            for one in self._jobs_of(sweep):
                if one.waits:
                    self._recorder.note(
                        one.job.job_id, "local", "sweep", f"The sweep {sweep.name} goes on.",
                        stage=WAITS_FOR_TURN,
                    )  # fmt: skip
        self._due.set()

    def wake(self) -> None:
        """Look soon."""
        self._due.set()

    def jobs_of(self, sweep: SweepRecord) -> list[tuple[MemberRecord, JobRecord]]:
        """Return a sweep's members with their jobs, in their order."""
        return [(one.member, one.job) for one in self._jobs_of(sweep)]

    # -- the steps ----------------------------------------------------------------------------

    def _jobs_of(self, sweep: SweepRecord) -> list[_Job]:
        found = []
        for member in self._sweeps.members(sweep.name):
            with contextlib.suppress(KeyError):
                found.append(_Job(member, self._recorder.writer.job(member.job_id)))
        return found

    def _release(self, job: JobRecord, sweep: SweepRecord) -> None:
        with self._recorder.batch():
            self._sweeps.release(job.job_id, self._now())
            job = self._recorder.note(
                job.job_id, "local", "sweep", f"Its turn in the sweep {sweep.name}.", stage=""
            )
        self._begin(job)

    def _pause(self, sweep: SweepRecord, waiting: Sequence[_Job], reason: str, advice: str) -> None:
        with self._recorder.batch():
            self._sweeps.set_state(sweep.name, "paused", reason, advice)
            for one in waiting:
                self._recorder.note(
                    one.job.job_id, "local", "sweep",
                    f"The sweep {sweep.name} is paused: {reason}.", stage=SWEEP_STOPPED,
                )  # fmt: skip
        waits = plural(len(waiting), "run waits", "runs wait")
        message = f"The sweep {sweep.name} stopped: {reason}; {waits}."
        self._bus.publish(
            "notice", level="warning", message=message, advice=advice,
            job_id=waiting[0].job.job_id,
        )  # fmt: skip

    async def _finish_cancels(self) -> bool:
        """Go on with what an engine left that ended while it cancelled a sweep.

        Returns:
            Whether all of it is done; without a token, for one, Replicate cannot be asked yet.
        """
        finished = True
        for sweep in self._sweeps.all():
            if sweep.state != "cancelled":
                continue
            for one in self._jobs_of(sweep):
                if one.job.status.is_active and not one.job.cancel_requested:
                    try:
                        await self._cancel(one.job.job_id)
                    except (ApiError, ReplicateError) as error:
                        LOG.info("sweep %s: %s", sweep.name, error.message)
                        finished = False
        return finished


def _outcomes(jobs: Sequence[_Job], sweep: SweepRecord) -> list[bool]:
    """Whether each run was completed that ended by itself since the sweep went on, in order."""
    ended = [
        (one.job.completed_at, one.member.position, one.job.status is JobStatus.COMPLETED)
        for one in jobs
        if one.job.status in (JobStatus.COMPLETED, JobStatus.FAILED)
        and one.job.completed_at is not None
        and one.job.completed_at >= sweep.resumed_at
    ]
    return [completed for _, _, completed in sorted(ended)]


_ENDED: Final = frozenset({"completed", "failed", "cancelled"})
