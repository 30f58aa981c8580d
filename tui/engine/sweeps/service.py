"""The operations on sweeps behind the HTTP API: plan, start, cancel, resume, look."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tui.base.clock import Clock
from tui.base.errors import ApiError, RefusedError, says_nothing_sent
from tui.base.job_status import WAITS_FOR_TURN
from tui.base.similar import did_you_mean
from tui.engine.runtime.event_bus import EventBus
from tui.engine.spending.service import SpendingService
from tui.engine.submission.check_service import CheckService
from tui.engine.submission.job_service import JobService, NewJob
from tui.engine.submission.prepare import Preparer
from tui.engine.submission.prepared import Prepared
from tui.engine.sweeps.members import Member, members_of
from tui.engine.sweeps.plan import (
    consent_refusal,
    digest_of,
    leaving_once,
    plan_of,
    require_different,
    settings_of,
)
from tui.engine.sweeps.queue import SweepQueue
from tui.engine.tracking.recorder import JobRecorder
from tui.replicate.errors import ReplicateError
from tui.simpletuner.errors import SimpleTunerError
from tui.simpletuner.sweep import DEFAULT_AT_ONCE, differing
from tui.store.reader import StoreReader
from tui.store.records import JobRecord
from tui.store.schema import DuplicateError
from tui.store.sweep_standing import read_standings
from tui.store.sweeps import MemberRecord, SweepRecord

if TYPE_CHECKING:
    from tui.api.sweeps import Sweep, SweepCancelled, SweepPlan


class SweepService:
    """Carries out the user's requests about sweeps.

    Attributes:
        queue: releases their jobs.
    """

    def __init__(
        self,
        *,
        recorder: JobRecorder,
        reader: StoreReader,
        bus: EventBus,
        checks: CheckService,
        jobs: JobService,
        preparer: Preparer,
        spending: SpendingService,
        begin: Callable[[JobRecord], None],
        now: Clock,
    ) -> None:
        self._recorder = recorder
        self._reader = reader
        self._checks = checks
        self._jobs = jobs
        self._preparer = preparer
        self._spending = spending
        self._now = now
        self.queue = SweepQueue(
            recorder=recorder, bus=bus, spending=spending, begin=begin, cancel=jobs.cancel, now=now
        )

    async def plan(self, api_base: str, request: Mapping[str, Any]) -> SweepPlan:
        """Check every run and price all of them; nothing is stored or sent.

        Raises:
            RefusedError: the axes make no sweep.
        """
        name, members = await members_of(request, self._preparer, self._free_name)
        return await plan_of(
            api_base, name, members, request.get("at_once") or DEFAULT_AT_ONCE,
            axes=_axes(request), checks=self._checks, spending=self._spending,
        )  # fmt: skip

    async def start(self, api_base: str, request: Mapping[str, Any]) -> Sweep:
        """Check every run as a single submit does, then store all of them and release the first.

        Raises:
            RefusedError: one of them would be refused, two are the same, nobody agreed to this, or
                the cost limit refuses the sum. Nothing was stored or sent.
        """
        key = request.get("idempotency_key") or ""
        fact = f"idempotency-sweep:{api_base}:{key}"
        if key and (earlier := self._recorder.writer.fact(fact)):
            return self.find(str(earlier))
        name, members = await members_of(request, self._preparer, self._free_name)
        at_once = request.get("at_once") or DEFAULT_AT_ONCE
        made = await self._prepared(api_base, members)
        require_different(members, made)
        total = sum(one.estimate.micros for one in made)
        if not request.get("consent"):
            rows = leaving_once(made, api_base)
            images = sum(row["images"] for row in rows if not row["stays_here"])
            raise consent_refusal(len(made), total, images)
        if request.get("agreed") not in (None, digest_of(made, api_base, at_once)):
            raise RefusedError(
                "The sweep is not what was shown before.",
                "Nothing was sent. Look at its plan again, and agree to what is shown then.",
                status=403,
                code="consent_required",
            )
        self._spending.allow(api_base, total)
        new = [await self._jobs.make(api_base, one) for one in made]
        for one in {job.record.submit.get("staging", {}).get("key"): job for job in new}.values():
            await self._jobs.remember_data(one)
        # No `await` between here and the insert, as in a single submit: the sum includes all jobs.
        if key and (earlier := self._recorder.writer.fact(fact)):
            return self.find(str(earlier))
        self._spending.allow(api_base, total)
        name = self._free_name(name)
        changes = differing([settings_of(one.prepared) for one in new], _axes(request))
        now = self._now()
        sweep = SweepRecord(name, api_base, "running", "", "", at_once, now, now)
        self._insert(sweep, new, changes, fact if key else "")
        self.queue.look()
        return self.find(name)

    def find(self, name: str) -> Sweep:
        """Return a sweep as it stands.

        Raises:
            RefusedError: there is none of this name.
        """
        found = read_standings(self._reader, self._now(), name)
        if not found:
            names = [one.name for one in self._reader.sweeps()]
            raise RefusedError(
                f"There is no sweep {name}.",
                did_you_mean(name, names) or "`simpletuner-tui sweep list` shows all.",
                status=404,
                code="not_found",
            )
        return found[0]

    def all(self) -> list[Sweep]:
        """Return all sweeps as they stand, the newest first."""
        return read_standings(self._reader, self._now())

    async def cancel(self, name: str) -> SweepCancelled:
        """Cancel all jobs of a sweep: those that wait are never posted.

        Raises:
            RefusedError: there is none of this name, or all of it is over.
        """
        sweep = self._record(name)
        if self.find(name)["state"] in ("done", "cancelled") and not self._active(sweep):
            raise RefusedError(
                f"The sweep {name} is over already.", status=409, code="invalid_job_state"
            )
        self._recorder.writer.sweeps.set_state(name, "cancelled")
        ended: list[str] = []
        stopping: list[str] = []
        failed: list[str] = []
        # Those that wait first: they end here, and none of them can start meanwhile.
        jobs = sorted(self._active(sweep), key=lambda job: bool(job.prediction_id))
        for job in jobs:
            try:
                await self._jobs.cancel(job.job_id)
            except (ApiError, ReplicateError) as error:
                if self._recorder.writer.job(job.job_id).status.is_active:
                    failed.append(f"{job.name}: {error.message}")
            else:
                posted = self._recorder.writer.job(job.job_id).prediction_id
                (stopping if posted else ended).append(job.job_id)
        self.queue.wake()
        return {
            "sweep": self.find(name), "ended": ended, "stopping": stopping, "failed": failed
        }  # fmt: skip

    async def resume(self, name: str) -> Sweep:
        """Go on with a paused sweep.

        Raises:
            RefusedError: it is not paused, or the cost limit refuses its next job.
        """
        sweep = self._record(name)
        if sweep.state != "paused":
            raise RefusedError(
                f"The sweep {name} is not paused.", status=409, code="invalid_job_state"
            )
        waiting = [
            job
            for member, job in self.queue.jobs_of(sweep)
            if member.released_at is None and job.status.is_active
        ]
        if waiting and (reason := self.queue.over_limit(waiting[0], waiting[1:])):
            raise RefusedError(
                f"The sweep {name} cannot go on: {reason}.",
                "Raise the limit, set it to warn, or wait.",
                status=429,
                code="cost_limit_exceeded",
            )
        self.queue.resume(sweep)
        self.queue.look()
        return self.find(name)

    # -- the steps ----------------------------------------------------------------------------

    async def _prepared(self, api_base: str, members: list[Member]) -> list[Prepared]:
        made = []
        for member in members:
            draft = member.draft.model_copy(update={"consent": True})
            try:
                made.append(await self._jobs.startable(api_base, draft))
            except ApiError as error:
                raise RefusedError(
                    f"{member.name} cannot be started: {error.message}",
                    says_nothing_sent(error.message, error.advice),
                    status=error.status, code=error.code,
                    details={**error.details, "member": member.name},
                ) from error  # fmt: skip
            except SimpleTunerError as error:
                raise RefusedError(
                    f"{member.name} cannot be started: {error.message}",
                    says_nothing_sent(error.message, error.advice),
                    status=422, code="invalid_config", details={"member": member.name},
                ) from error  # fmt: skip
        return made

    def _insert(
        self, sweep: SweepRecord, new: list[NewJob], changes: list[dict[str, str]], fact: str
    ) -> None:
        """Store a sweep with all its jobs, in one transaction.

        Raises:
            RefusedError: there is one of its name since a moment.
        """
        rows = [
            MemberRecord(one.record.job_id, sweep.name, at, None, changes[at])
            for at, one in enumerate(new)
        ]
        try:
            with self._recorder.batch():
                self._recorder.writer.sweeps.insert(sweep, rows)
                for one in new:
                    waits = replace(one, record=replace(one.record, stage=WAITS_FOR_TURN))
                    self._jobs.insert(waits, {fact: sweep.name} if fact else {})
        except DuplicateError as error:
            raise RefusedError(error.message, error.advice, status=409) from None

    def _record(self, name: str) -> SweepRecord:
        found = self._recorder.writer.sweeps.find(name)
        if found is None:
            self.find(name)  # says what there is
            raise KeyError(name)
        return found

    def _active(self, sweep: SweepRecord) -> list[JobRecord]:
        return [job for _, job in self.queue.jobs_of(sweep) if job.status.is_active]

    def _free_name(self, wanted: str) -> str:
        """A name that no sweep has: `cat-lora`, `cat-lora-2` and so on."""
        taken = {one.name for one in self._recorder.writer.sweeps.all()}
        numbered = (f"{wanted}-{number}" for number in itertools.count(2))
        return next(name for name in itertools.chain([wanted], numbered) if name not in taken)


def _axes(request: Mapping[str, Any]) -> list[str]:
    """The options that are swept, in their order."""
    return [axis["name"] for axis in request.get("axes") or ()]
