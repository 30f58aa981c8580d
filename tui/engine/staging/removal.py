"""Removes staged data that no job reads, and knows who reads what."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from tui.base.clock import Clock
from tui.base.errors import RefusedError
from tui.base.job_status import LOST, JobStatus
from tui.destinations.common.errors import PublishError, Trouble
from tui.engine.runtime.event_bus import EventBus
from tui.engine.staging.receiver import Receiver
from tui.engine.staging.records import StagedRecord, StagedRecords
from tui.engine.staging.registry import PlaceRegistry, clause
from tui.engine.tracking.recorder import JobRecorder
from tui.simpletuner.errors import SimpleTunerError
from tui.simpletuner.staging.manifest import Manifest
from tui.store.records import JobRecord

_UNCERTAIN: Final = timedelta(days=1)
"""How long a job that was lost sight of may still read its data, and how long data of a staging
that failed wait for a second try."""


class StagedRemoval:
    """Removes what nobody reads and nobody keeps, or what the user names."""

    def __init__(
        self,
        recorder: JobRecorder,
        bus: EventBus,
        places: PlaceRegistry,
        records: StagedRecords,
        *,
        now: Clock,
    ) -> None:
        self._recorder = recorder
        self._bus = bus
        self._places = places
        self._records = records
        self._now = now
        self.moving: Callable[[], Sequence[str]] = lambda: ()
        """Returns the ids of the jobs that go on as another job, which reads the same data."""
        self._removing: set[str] = set()

    async def remove_unread(self) -> None:
        """Remove the data that no job reads any more and nobody wants to keep."""
        for record in self._records.all():
            if not (record.keep or self.readers(record.key) or self._may_go_on(record)):
                await self._try_to_remove(record)

    def _may_go_on(self, record: StagedRecord) -> bool:
        """Whether its staging failed lately, so that a second try would send only the rest."""
        return not record.there and any(
            job.status is JobStatus.FAILED and not job.prediction_id and _reads(job, record.key)
            for job in self._recorder.writer.ended_since(self._now() - _UNCERTAIN)
        )

    async def _try_to_remove(self, record: StagedRecord) -> None:
        try:
            await self._remove(record)
        except (PublishError, SimpleTunerError, RefusedError) as error:
            if not self._note_problem(record, error.message, error.advice):
                return  # it was reported before
            self._bus.publish(
                "notice", level="warn",
                message=f"Staged data could not be removed from {record.where}: {error.message}",
                advice=f"{error.advice} It is tried again every ten minutes and at the next start; "
                "`simpletuner-tui staged remove` does it now.".strip(),
            )  # fmt: skip

    def _note_problem(self, record: StagedRecord, message: str, advice: str) -> bool:
        """Keep in a record why it cannot be removed; False if the same is there already."""
        problem = f"{clause(message)}. {advice}".strip()
        known = self._records.get(record.key)
        if known is None or known.problem == problem:
            return False
        with contextlib.suppress(OSError):  # a full disk; the notice says it
            self._records.put(replace(known, problem=problem))
        self._bus.publish("fact", name="staged")
        return True

    def readers(self, key: str) -> list[str]:
        """Ids of the jobs that read a record's data or may still do so."""
        jobs = [job for job in self._recorder.writer.active() if _reads(job, key)]
        jobs += [job for job in self._lost() if _reads(job, key)]
        jobs += [job for job in self._moved() if _reads(job, key)]
        return list(dict.fromkeys(job.job_id for job in jobs))

    def _moved(self) -> Iterator[JobRecord]:
        """Jobs that are being moved: ended perhaps, and their successors are not stored yet."""
        for job_id in self.moving():
            with contextlib.suppress(KeyError):  # its record was deleted
                yield self._recorder.writer.job(job_id)

    def _lost(self) -> list[JobRecord]:
        """Jobs that were ended here without Replicate's word, and may be running."""
        since = self._now() - _UNCERTAIN
        return [
            job for job in self._recorder.writer.ended_since(since) if job.provider_status == LOST
        ]

    async def remove(self, key: str) -> None:
        """Remove staged data at the user's wish.

        Raises:
            RefusedError: there is no such record, a job reads it, or the place refuses.
        """
        record = self._records.get(key)
        if record is None and key not in self._records.damaged():
            raise RefusedError(f"Nothing is staged under {key}.", status=404, code="not_found")
        if readers := self.readers(key):
            raise RefusedError(
                f"A queued or running job reads it: {', '.join(readers)}.",
                "Cancel the job first, or wait until it has ended.",
                status=409,
                code="in_use",
            )
        if record is None:  # where they lie is not known: all that can be done is to forget them
            self._records.drop(key)
            self._bus.publish("fact", name="staged")
            return
        try:
            await self._remove(record)
        except (PublishError, SimpleTunerError) as error:
            self._note_problem(record, error.message, error.advice)
            raise RefusedError(
                f"It could not be removed from {record.where}: {error.message}",
                error.advice,
                status=502,
                code="place_error",
            ) from error
        if self._records.get(key) is not None:
            raise RefusedError(
                "A job that reads it was submitted just now.", status=409, code="in_use"
            )

    async def _remove(self, record: StagedRecord) -> None:
        if record.key in self._removing:
            return
        self._removing.add(record.key)
        try:
            async with self._places.lock_of(record.place, record.api_base):
                fresh = self._records.get(record.key)
                if fresh is None or self.readers(record.key):
                    return  # a job has been submitted meanwhile
                record = fresh
                manifest = await asyncio.to_thread(self._records.manifest, record.key)
                if record.started:
                    if manifest is None:
                        raise _unreadable_list(record.key)
                    known = [*(one.key for one in self._records.all()), *self._records.damaged()]
                    read = [key for key in known if self.readers(key)]
                    others = await asyncio.to_thread(self.others, record, read)
                    place = self._places.place(record.place, record.api_base)
                    _require_home(record, place.receiver(manifest))
                    await place.remove(manifest, others)
                self._records.drop(record.key)
        finally:
            self._removing.discard(record.key)
        self._bus.publish("fact", name="staged")

    def others(self, record: StagedRecord, read: Collection[str]) -> Sequence[Manifest]:
        """The manifests of the other records in a place, which may share content with one.

        Raises:
            SimpleTunerError: that of a record among `read`, which a job reads, is not known.
        """
        keys = [
            one.key
            for one in self._records.all()
            if one.key != record.key and _share_home(one, record)
        ]
        found = []
        for key in (*keys, *self._records.damaged()):  # where a damaged one lies is not known
            manifest = self._records.manifest(key)
            if manifest is not None:
                found.append(manifest)
            elif key in read:
                raise _unreadable_list(key)
        return found


def _reads(job: JobRecord, key: str) -> bool:
    staging = job.submit.get("staging") or {}
    return bool(staging.get("key") == key)


def _share_home(one: StagedRecord, other: StagedRecord) -> bool:
    """Whether two records may share contents: one bucket may be two destinations."""
    if one.home and other.home:
        return one.home == other.home
    return (one.place, one.api_base) == (other.place, other.api_base)


def _require_home(record: StagedRecord, now: Receiver) -> None:
    """Refuse to look for data where they never were.

    Raises:
        PublishError: the place leads elsewhere since they were staged.
    """
    if record.home and record.home != now.home:
        raise PublishError(
            f"It lies in {record.where}, and {record.place} is {now.words} now.",
            "Let the destination lead there again, or delete the files there yourself.",
            Trouble.CHANGED,
        )


def _unreadable_list(key: str) -> SimpleTunerError:
    return SimpleTunerError(
        f"the list of the files of {key} cannot be read, so what lies there is not known",
        "A job with the same images writes the list again; or delete the files there yourself.",
    )
