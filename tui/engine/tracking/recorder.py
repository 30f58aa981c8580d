"""Applies snapshots, events and files to the jobs' records, logs and history.

Every change of a job goes through `JobRecorder`, which writes the store and publishes the change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from tui.base.clock import Clock, utc_now
from tui.base.formatting import plural
from tui.base.job_status import JobStatus
from tui.engine.runtime.event_bus import EventBus
from tui.engine.tracking.job_log import LogWriteError
from tui.engine.tracking.job_logs import JobLogs
from tui.engine.tracking.not_finite import notice_words
from tui.engine.tracking.reconcile import (
    Snapshot,
    changed_fields,
    job_status,
    reconcile,
    reopen_if_lost,
)
from tui.engine.tracking.redaction import redact_field
from tui.engine.tracking.run_warnings import at_the_end, merged_warnings
from tui.engine.tracking.snapshot_values import (
    changed_values,
    diagnosis_values,
    end_values,
    known_of,
    log_values,
    mark_not_finite,
    stage_of_ended,
    stage_rows,
)
from tui.settings import Home
from tui.simpletuner.log.run_health import Thresholds
from tui.store.annotations import Annotation
from tui.store.records import FileRecord, JobRecord
from tui.store.rescue_files import RescueFiles
from tui.store.writer import Change, StoreWriter

if TYPE_CHECKING:
    from tui.api.jobs import JobWarning


@dataclass(frozen=True, slots=True)
class _Merged:
    """What a snapshot changes in a job's record.

    Attributes:
        change: for the store.
        changes_anything: whether there is something to store.
        is_terminal: whether the prediction has ended.
        ended: whether the job ends with it.
        alarm: series whose values are not finite for the first time.
    """

    change: Change
    changes_anything: bool
    is_terminal: bool
    ended: bool
    alarm: list[str]


@dataclass(slots=True)
class _Batch:
    """What is done once the changes of a batch are stored.

    Attributes:
        changed: the jobs' records, by id.
        actions: what follows from the changes, in their order.
        logs: jobs whose log was read or written.
        new: jobs that were added with their logs.
    """

    changed: dict[str, JobRecord] = field(default_factory=dict)
    actions: list[Callable[[], None]] = field(default_factory=list)
    logs: set[str] = field(default_factory=set)
    new: set[str] = field(default_factory=set)


class JobRecorder:
    """The single writer of the jobs' records and log files.

    Attributes:
        writer: writes the store.
        on_end: called once with each job that ends.
        on_file: called with the job of each file that arrived.
        rescue: what jobs were made from, for a database that is gone.
    """

    def __init__(
        self,
        writer: StoreWriter,
        home: Home,
        bus: EventBus,
        clock: Clock = utc_now,
        thresholds: Callable[[], Thresholds] = Thresholds,
    ) -> None:
        self.writer = writer
        self._home = home
        self._bus = bus
        self._now = clock
        self._logs = JobLogs(home, thresholds)
        self._reported: set[str] = set()
        self._batch: _Batch | None = None
        self.rescue = RescueFiles(home.logs, redact_field)
        self.on_end: Callable[[JobRecord], None] = _ignore
        self.on_file: Callable[[JobRecord], None] = _ignore

    # -- writing ------------------------------------------------------------------------------

    def apply_snapshot(
        self,
        job_id: str,
        snapshot: Snapshot,
        source: str,
        event: tuple[str, str] | None = None,
    ) -> JobRecord:
        """Merge a snapshot of a job's prediction into its record and log.

        Args:
            job_id: the job.
            snapshot: the prediction's state.
            source: where it came from, for the job's history: `poll`, `webhook`, `sync` or `local`.
            event: kind and message of a further event for the history.

        Returns:
            The updated record.

        Raises:
            KeyError: there is no such job.
            StoreError: the store cannot be written.
        """
        stored = self.writer.job(job_id)
        record = reopen_if_lost(stored, snapshot)
        events = [(self._now(), source, *event)] if event is not None else []
        try:
            merged = self._merge(record, snapshot, source, events)
        except LogWriteError as error:
            if record is not stored:
                record = self.write(job_id, Change(values=changed_fields(stored, record)))
            return self._postpone(record, error)
        reopened = changed_fields(stored, record)
        if not (reopened or merged.changes_anything):
            return stored
        change = replace(merged.change, values=reopened | dict(merged.change.values))
        try:
            written = self.write(job_id, change)
        except BaseException:
            # The parser is ahead of the store now; the next snapshot restores it from the store.
            self._logs.close(job_id)
            raise
        self._tell(written, merged)
        return written

    def insert_found(
        self, record: JobRecord, snapshot: Snapshot, source: str, message: str
    ) -> JobRecord:
        """Add the job of a prediction that was found, together with the prediction's state.

        Args:
            record: the job as it is before the snapshot.
            snapshot: the prediction's state.
            source: what found it: `sync` or `webhook`.
            message: for the job's history.

        Returns:
            The record as stored.

        Raises:
            StoreError: the store cannot be written.
        """
        events = [(self._now(), "local", source, message)]
        kept = self._logs.exists(record.job_id)  # of a record that is gone
        try:
            merged = self._merge(record, snapshot, source, events)
        except LogWriteError as error:
            stored = self.insert(record, (source, message))
            return self._postpone(stored, error)
        try:
            stored = self.writer.add(record, merged.change)
        except BaseException:
            self._logs.close(record.job_id)
            if not kept:
                self._drop_log(record.job_id)  # nothing refers to it
            raise
        if self._batch is not None and not kept:
            self._batch.new.add(record.job_id)
        self._publish(stored)
        self._tell(stored, merged)
        return stored

    def _merge(
        self,
        record: JobRecord,
        snapshot: Snapshot,
        source: str,
        events: list[tuple[datetime, str, str, str]],
    ) -> _Merged:
        """Merge a snapshot into a record and its log file; the store is left to the caller.

        Raises:
            LogWriteError: the log cannot be written.
        """
        now = self._now()
        before = known_of(record)
        known = reconcile(before, snapshot)
        values = changed_values(before, known)
        status = job_status(known.status) or record.status
        if status is not record.status:
            values["status"] = status
            if not record.status.is_terminal:
                message = f"{record.status.value} → {status.value}"
                events.append((now, source, "state", message))
        if known.is_terminal:
            values.update(end_values(record, known))
        if self._batch is not None:
            self._batch.logs.add(record.job_id)
        facts = self._logs.merge(record, snapshot.logs, now, final=known.is_terminal)
        if self._logs.is_open(record.job_id):
            self._reported.discard(record.job_id)
        if facts is not None:
            if facts.replaced:
                events.append((now, source, "log", "Replicate sent a different log: read anew."))
            values.update(log_values(facts, record, status, now))
        if snapshot.logs or known.is_terminal:
            values["warnings"] = self._warnings(record, now, ended=known.is_terminal)
        ended = status.is_terminal and not record.status.is_terminal
        if status is JobStatus.FAILED and (ended or facts is not None):
            tail, offset = self._logs.tail(record.job_id)
            values.update(diagnosis_values(record, known.error or record.error, tail, offset))
        elif status is JobStatus.QUEUED and status is not record.status:
            values["stage"] = "waiting for a GPU"
            values["queued_at"] = record.queued_at or known.created_at or now
        elif status in (JobStatus.COMPLETED, JobStatus.CANCELLED) and ended:
            values["stage"] = stage_of_ended(record, status)
        alarm = mark_not_finite(record, facts, values)
        changed = {name: value for name, value in values.items() if getattr(record, name) != value}
        change = Change(
            values=changed,
            forget_log_facts=facts is not None and facts.replaced,
            metrics=facts.update.metrics if facts else (),
            stages=stage_rows(facts),
            events=events,
        )
        return _Merged(
            change,
            changes_anything=bool(changed or events or (facts and facts.update)),
            is_terminal=known.is_terminal,
            ended=ended,
            alarm=alarm,
        )

    def _tell(self, job: JobRecord, merged: _Merged) -> None:
        """Say what a stored snapshot means, beyond that the job has changed."""
        if merged.is_terminal:
            self._logs.close(job.job_id)
        elif merged.alarm:
            message, advice = notice_words(job.name, job.submit["not_finite"], merged.alarm)
            self.afterwards(
                partial(
                    self._bus.publish, "notice", level="warn", message=message, advice=advice,
                    job_id=job.job_id,
                )
            )  # fmt: skip
        if merged.ended:
            self.afterwards(partial(self._ended, job))

    def _ended(self, job: JobRecord) -> None:
        self.on_end(job)

    # -- several at once ----------------------------------------------------------------------

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Store all that is written inside in one transaction, and tell of it afterwards.

        A job that changes several times is published once. Nothing may be awaited inside.

        Raises:
            StoreError: nothing of the batch is stored.
        """
        if self._batch is not None:  # part of the larger one
            yield
            return
        batch = self._batch = _Batch()
        try:
            with self.writer.batch():
                yield
        except BaseException:
            for job_id in batch.logs:  # their parsers are ahead of the store
                self._logs.close(job_id)
            for job_id in batch.new:
                self._drop_log(job_id)
            raise
        finally:
            self._batch = None
        for record in batch.changed.values():
            self._publish(record)
        for action in batch.actions:
            action()

    def afterwards(self, action: Callable[[], None]) -> None:
        """Act on what was written: after the batch, or at once outside of one."""
        if self._batch is None:
            action()
        else:
            self._batch.actions.append(action)

    def _publish(self, record: JobRecord) -> None:
        """Say that a job has changed; inside a batch afterwards, and once."""
        if self._batch is not None:
            self._batch.changed[record.job_id] = record
            return
        self.rescue.keep(record)
        self._bus.publish("job", job_id=record.job_id, rev=record.rev, status=record.status.value)

    # -- single changes -----------------------------------------------------------------------

    def _warnings(self, record: JobRecord, now: datetime, *, ended: bool) -> list[JobWarning]:
        """The warnings of a run whose state was read just now: one that stands says nothing new."""
        rows = record.warnings
        if (found := self._logs.warnings(record.job_id, now)) is not None:
            rows = merged_warnings(rows, found, now)
        return at_the_end(rows) if ended else rows

    def write(self, job_id: str, change: Change) -> JobRecord:
        """Apply a change to the store and publish it; returns the updated record."""
        self.writer.apply(job_id, change)
        record = self.writer.job(job_id)
        self._publish(record)
        return record

    def insert(
        self,
        record: JobRecord,
        *events: tuple[str, str],
        facts: Mapping[str, Any] | None = None,
        tags: tuple[str, ...] = (),
    ) -> JobRecord:
        """Add a job.

        Args:
            record: the job.
            events: kind and message of the first events of its history.
            facts: facts that are stored in the same transaction.
            tags: what the job is tagged with.

        Returns:
            The record as stored.
        """
        now = self._now()
        change = Change(
            events=[(now, "local", kind, text) for kind, text in events],
            annotation=Annotation(tags).with_note("") if tags else None,
        )
        stored = self.writer.insert(record, change, facts)
        self._publish(stored)
        return stored

    def note(self, job_id: str, source: str, kind: str, message: str, **values: Any) -> JobRecord:
        """Add an event to a job's history and set fields; returns the updated record."""
        return self.write(
            job_id, Change(values=values, events=[(self._now(), source, kind, message)])
        )

    def claim(
        self,
        job: JobRecord,
        prediction_id: str,
        event: tuple[str, str, str],
        values: Mapping[str, Any],
        other: JobRecord | None = None,
    ) -> JobRecord:
        """Set a job's prediction, and merge another record of the same prediction into it.

        Args:
            job: the job.
            prediction_id: the prediction's id.
            event: source, kind and message for the job's history.
            values: further fields to set.
            other: the other record, which is deleted; None if there is none.

        Returns:
            The updated record.

        Raises:
            StoreError: the log or the store cannot be written.
        """
        if other is not None:
            self._logs.copy(job.job_id, other.job_id)
        change = Change(values=values, events=[(self._now(), *event)])
        self.writer.claim(job, prediction_id, change, other.job_id if other else "")
        self._logs.close(job.job_id)
        if other is not None:
            self.afterwards(partial(self._forget, other.job_id))
        record = self.writer.job(job.job_id)
        self._publish(record)
        if other is not None and record.status.is_terminal:
            self.afterwards(partial(self._ended, record))
        return record

    def add_file(self, job_id: str, file: FileRecord) -> JobRecord:
        """Record a file that is complete on disk; returns the job's updated record."""
        message = f"{file.path} arrived, {plural(file.size, 'byte')}"
        job = self.write(
            job_id, Change(files=[file], events=[(self._now(), "storage", "file", message)])
        )
        self.on_file(job)
        return job

    def delete(self, job_id: str) -> None:
        """Delete a job's record and log; delivered files stay."""
        self.writer.delete(job_id)
        self.afterwards(partial(self._forget, job_id))

    def _forget(self, job_id: str) -> None:
        """Remove the log of a job whose record was deleted, and say so."""
        self._drop_log(job_id)
        self._bus.publish("job", job_id=job_id, rev=-1, status="deleted")

    def _drop_log(self, job_id: str) -> None:
        self._logs.delete(job_id)
        self.rescue.forget(job_id)

    # -- parts --------------------------------------------------------------------------------

    def is_postponed(self, job_id: str) -> bool:
        """Whether the newest snapshot of a job could not be recorded, because of its log."""
        return job_id in self._reported

    def _postpone(self, record: JobRecord, error: LogWriteError) -> JobRecord:
        """Report that the log cannot be written, and leave the record unchanged.

        The end of a job must not be recorded before its log is on disk: an ended job is not polled
        any more, and Replicate removes the log after an hour.
        """
        if record.job_id not in self._reported:
            self._reported.add(record.job_id)
            self._bus.publish(
                "notice", level="error", message=error.message, advice=error.advice,
                job_id=record.job_id,
            )  # fmt: skip
        return record


def _ignore(_job: JobRecord) -> None:
    """The default callback."""
