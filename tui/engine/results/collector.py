"""Collects a job's results into the outputs folder, before Replicate deletes them."""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tui.api.jobs import Collected, JobFile, MissingResult
from tui.base.clock import Clock
from tui.base.formatting import plural
from tui.base.job_status import JobStatus
from tui.base.stored_names import stored_path
from tui.destinations.common.errors import PublishError, Trouble
from tui.destinations.common.meter import check_name
from tui.engine.results.download import Download
from tui.engine.results.hashing import FileVerifier
from tui.engine.results.locations import Location, ResultLocations
from tui.engine.results.remote_copies import RemoteCopies
from tui.engine.results.source import Remote, Source
from tui.engine.runtime.event_bus import EventBus
from tui.engine.tracking.recorder import JobRecorder
from tui.replicate.outputs import NOT_FETCHED_ADVICE
from tui.replicate.redact import redact_url
from tui.store.job_folder import folder_of
from tui.store.reader import StoreReader
from tui.store.records import FileRecord, JobRecord
from tui.store.transfer_records import FetchNotes, FetchRecord, FetchState
from tui.store.writer import Change

if TYPE_CHECKING:
    pass

LOG = logging.getLogger(__name__)
MAX_FILES: Final = 3
MAX_STREAMS: Final = 6
RETENTION: Final = timedelta(hours=1)
"""How long Replicate keeps outputs of predictions created through its API
(replicate.com/docs/topics/predictions/data-retention)."""
_RETRYABLE: Final = frozenset(
    {Trouble.NETWORK, Trouble.BUSY, Trouble.DISK_FULL, Trouble.MISMATCH, Trouble.CHANGED}
)
_REPORT_SECONDS: Final = 0.25
"""Seconds between two reports of one file."""
_RESERVE_BYTES: Final = 16 * 1024 * 1024
"""Bytes that must stay free on the disk."""


class Collector:
    """Downloads the results of jobs, and records which are missing."""

    def __init__(
        self,
        *,
        recorder: JobRecorder,
        bus: EventBus,
        now: Clock,
        outputs: Path,
        locations: ResultLocations,
        reader: StoreReader,
    ) -> None:
        """Take the services it works with; `outputs` is the folder for results."""
        self._recorder = recorder
        self._bus = bus
        self._now = now
        self._outputs = outputs
        self._locations = locations
        self._reader = reader
        self._fetches = recorder.writer.fetches
        self._verifier = FileVerifier(outputs)
        self._copies = RemoteCopies(recorder.writer.transfers)
        self._files = asyncio.Semaphore(MAX_FILES)
        self._streams = asyncio.Semaphore(MAX_STREAMS)
        # A pool of its own: slow downloads must not occupy the threads that requests wait for.
        self._pool = ThreadPoolExecutor(MAX_STREAMS, "fetch")
        self._reserved = 0
        self._locks: dict[str, asyncio.Lock] = {}

    def unfinished(self) -> list[str]:
        """Ids of jobs with downloads that were not finished when the engine ended."""
        return self._fetches.unfinished()

    async def collect(self, job: JobRecord, *, again: bool = False) -> Collected:
        """Fetch all results of a job that can be fetched.

        Args:
            job: the job.
            again: fetch also what was deleted here because a copy is elsewhere.

        Returns:
            `{job_id, folder, files: [{path, size, sha256}], missing: [{what, why, advice, until,
            again}]}`. Paths are absolute; `until` is the time at which the source deletes it;
            `again` says whether another try may succeed without the user's help.
        """
        async with self._locks.setdefault(job.job_id, asyncio.Lock()):
            missing = await self._collect(job, again=again)
        files = [file for file in self._reader.files(job.job_id) if not file.missing]
        return {
            "job_id": job.job_id,
            "folder": str(self._outputs / folder_of(job)),
            "files": [file_row(job, file, self._outputs) for file in files],
            "missing": missing,
        }

    async def _collect(self, job: JobRecord, *, again: bool) -> list[MissingResult]:
        locations = self._locations.sources_of(job)
        before = {record.name for record in self._fetches.of(job.job_id)}
        announced: set[str] = set()
        for location in locations:
            announced |= await self._fetch_source(job, location, again=again)
        refused = self._refuse(job, before)
        announced |= refused
        unlisted = [
            record.name for record in self._fetches.of(job.job_id) if record.name not in announced
        ]
        if unlisted:
            self._fetches.drop(job.job_id, unlisted)
        rows = [self._row(record) for record in self._fetches.of(job.job_id)]
        waiting = {row["what"] for row in rows}
        for file in self._reader.files(job.job_id):
            if file.missing:
                rows.append(_missing_row(file, file.missing))
            elif file.path not in waiting and not await self._verifier.check(file):
                rows.append(_missing_row(file, "the file was moved, changed or deleted"))
        if not rows and not self._reader.files(job.job_id) and job.status.is_terminal:
            rows.append(_no_results_row(job))
        unfetched = [
            record for record in self._fetches.of(job.job_id) if record.name not in refused
        ]
        if not unfetched and self._reader.files(job.job_id) and job.data_expires_at is not None:
            self._recorder.write(job.job_id, Change(values={"data_expires_at": None}))
        return rows

    def _refuse(self, job: JobRecord, before: Collection[str]) -> set[str]:
        """Record which addresses of the output are not fetched, and return their names.

        Args:
            job: the job.
            before: names that are recorded already, so they get no second event.
        """
        records = []
        for address, reason in self._locations.refused(job).items():
            name = _shown(redact_url(address))
            message = f"This address is not fetched: {reason}."
            records.append(
                FetchRecord(job.job_id, name, "replicate", state="failed", message=message,
                            advice=NOT_FETCHED_ADVICE)
            )  # fmt: skip
        self._fetches.put(records)
        for record in records:
            if record.name not in before:
                message = f"{record.name} of the output: {record.message}"
                self._recorder.note(job.job_id, "local", "file", message)
        if records:
            self._publish(job)
        return {record.name for record in records}

    # -- one source ---------------------------------------------------------------------------

    async def _fetch_source(self, job: JobRecord, location: Location, *, again: bool) -> set[str]:
        """Fetch all files of one source, and return the names of those not fetched before."""
        origin, place, open_source = location
        until = self._until(job, origin)
        source: Source | None = None
        try:
            source = await open_source()
            remotes = await source.list()
        except PublishError as error:
            if error.kind is Trouble.MISSING and job.status is not JobStatus.COMPLETED:
                return set()  # the job ended before it delivered anything there
            earlier = [record for record in self._fetches.of(job.job_id) if record.origin == origin]
            record = FetchRecord(job.job_id, place, origin, until=until)
            self._fetches.put([_failed(record, error, self._now())])
            self._publish(job)
            if source is not None:
                await source.aclose()
            return {place, *(record.name for record in earlier)}
        try:
            return await self._fetch_all(job, source, remotes, until, again=again)
        finally:
            await source.aclose()

    async def _fetch_all(
        self,
        job: JobRecord,
        source: Source,
        remotes: Sequence[Remote],
        until: datetime | None,
        *,
        again: bool,
    ) -> set[str]:
        local_files = {file.path: file for file in self._reader.files(job.job_id)}
        earlier = {record.name: record for record in self._fetches.of(job.job_id)}
        wanted: list[tuple[Remote, FetchRecord]] = []
        for remote in remotes:
            file = local_files.get(_path_of(job, remote))
            if file is not None and file.missing and not again:
                continue
            if file is not None and not file.missing and await self._verifier.check(file, remote):
                self._note_copy(job, source, remote, file)
                continue
            name = _shown(remote.name)
            record = earlier.get(name) or FetchRecord(job.job_id, name, source.origin)
            record = replace(record, size=remote.size, state="waiting", until=until)
            wanted.append((remote, record))
        self._fetches.put([record for _, record in wanted])
        names = {record.name for _, record in wanted}
        earlier_names = [name for name, record in earlier.items() if record.origin == source.origin]
        self._fetches.drop(job.job_id, [name for name in earlier_names if name not in names])
        self._publish(job)
        await asyncio.gather(*(self._fetch_one(job, source, *pair) for pair in wanted))
        return names

    # -- one file -----------------------------------------------------------------------------

    async def _fetch_one(
        self, job: JobRecord, source: Source, remote: Remote, record: FetchRecord
    ) -> None:
        async with self._files:
            try:
                check_name(remote.name)
                await self._fetch(job, source, remote, record)
            except PublishError as error:
                stored = self._record(record)
                self._fetches.put([_failed(stored, error, self._now())])
                self._publish(job)
            except Exception:
                LOG.exception("fetching %s of %s", remote.name, job.job_id)
                problem = PublishError("Something went wrong inside.", "", Trouble.LOCAL)
                self._fetches.put([_failed(self._record(record), problem, self._now())])

    def _record(self, record: FetchRecord) -> FetchRecord:
        """The record as stored, with the notes of the last try."""
        for stored in self._fetches.of(record.job_id):
            if stored.name == record.name:
                return stored
        return record

    async def _fetch(
        self, job: JobRecord, source: Source, remote: Remote, record: FetchRecord
    ) -> None:
        relative = _path_of(job, remote)
        notes: FetchNotes = {**record.notes}
        state = {"size": remote.size}
        reserved = 0

        def save(changed: FetchNotes) -> None:
            done = sum(changed.get("parts", {}).values())
            state["size"] = changed.get("size") or state["size"]
            self._fetches.put(
                [replace(record, state="fetching", size=state["size"], done_bytes=done,
                         message="", advice="", notes={**changed})]
            )  # fmt: skip

        reported_at = float("-inf")

        def progress(done: int) -> None:
            nonlocal reported_at
            if time.monotonic() - reported_at >= _REPORT_SECONDS:
                reported_at = time.monotonic()
                self._publish(job, record.name, done, state["size"])

        def reserve(need: int) -> None:
            nonlocal reserved
            self._reserved -= reserved
            reserved = 0
            self._check_space(remote.name, need)
            reserved = need
            self._reserved += need

        target = self._outputs / relative
        download = Download(
            source, remote, target, notes, save, progress, reserve, self._streams, self._pool
        )
        try:
            downloaded = await download.run()
        finally:
            self._reserved -= reserved
        file = FileRecord(relative, downloaded.size, downloaded.sha256, "downloaded", self._now())
        self._verifier.remember(file)
        message = f"{relative} fetched, {plural(downloaded.size, 'byte')}"
        self._recorder.write(
            job.job_id, Change(files=[file], events=[(self._now(), "local", "file", message)])
        )
        self._note_copy(job, source, download.remote, file)
        self._fetches.drop(job.job_id, [record.name])
        self._publish(job)

    def _note_copy(self, job: JobRecord, source: Source, remote: Remote, file: FileRecord) -> None:
        """Record that the source keeps a copy, if its checksum proves it."""
        path = self._outputs / file.path
        try:
            self._copies.note(job, source, remote, file=file, path=path, now=self._now())
        except OSError as error:
            LOG.info("%s is not known to be elsewhere: %s", file.path, error)

    def _check_space(self, name: str, need: int) -> None:
        """Check that the disk has space for this file and for the running downloads."""
        free = shutil.disk_usage(_existing(self._outputs)).free - self._reserved
        if need and need + _RESERVE_BYTES > free:
            raise PublishError(
                f"{name} needs {plural(need, 'byte')} more, and only {max(0, free):,} are free in "
                f"{self._outputs}.",
                "Free some space there; it is tried again by itself.",
                Trouble.DISK_FULL,
            )

    # -- reporting ----------------------------------------------------------------------------

    def _until(self, job: JobRecord, origin: str) -> datetime | None:
        if origin != "replicate":
            return None
        return job.data_expires_at or ((job.completed_at or job.created_at) + RETENTION)

    def _row(self, record: FetchRecord) -> MissingResult:
        return {
            "what": record.name,
            "why": record.message or "it is not here yet",
            "advice": record.advice,
            "until": record.until.isoformat() if record.until else None,
            "again": record.state != "failed",
        }

    def _publish(
        self, job: JobRecord, name: str = "", done: int = 0, total: int | None = None
    ) -> None:
        """Publish the progress of a file; without a name, that the job's list has changed."""
        self._bus.publish("fetch", job_id=job.job_id, name=name, done=done, total=total)


def _path_of(job: JobRecord, remote: Remote) -> str:
    """Path of a file, relative to the outputs folder; names that cannot stand get others."""
    return f"{folder_of(job)}/{stored_path(remote.name)}"


def _shown(name: str) -> str:
    return "".join(character if character.isprintable() else "\ufffd" for character in name)


def file_row(job: JobRecord, file: FileRecord, outputs: Path) -> JobFile:
    """A file as shown to the user: absolute path, size in bytes, SHA-256 and its former name."""
    row: JobFile = {"path": str(outputs / file.path), "size": file.size, "sha256": file.sha256}
    sent_as = (job.submit.get("sent_as") or {}).get(file.path)
    return {**row, "sent_as": sent_as} if sent_as else row


def _failed(record: FetchRecord, error: PublishError, now: datetime) -> FetchRecord:
    expired = record.until is not None and record.until <= now
    # While the source still has the file, the user may set a token; without a deadline it waits.
    may_get_token = record.until is not None and error.kind is Trouble.CREDENTIALS
    retry = (error.kind in _RETRYABLE or may_get_token) and not expired
    state: FetchState = "waiting" if retry else "failed"
    return replace(record, state=state, message=error.message, advice=error.advice)


def _missing_row(file: FileRecord, reason: str) -> MissingResult:
    return {"what": file.path, "why": reason, "advice": "", "until": None, "again": False}


def _no_results_row(job: JobRecord) -> MissingResult:
    reason, advice = "the job named no place that can be read from here", "Look at its output."
    if job.delivery == "local":
        reason = "the trainer sent nothing"
        advice = (
            "Its log says why; with validation switched off some trainers upload no final files."
        )
    return {"what": "results", "why": reason, "advice": advice, "until": None, "again": False}


def _existing(folder: Path) -> Path:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


_FIRST_PAUSE: Final = 2.0
_MAX_PAUSE: Final = 300.0
_RETRY_TIME: Final = timedelta(hours=24)
"""After this time the rest waits for the next start of the engine, or for the user's request."""


async def collect_after_end(
    collector: Collector, recorder: JobRecorder, job: JobRecord, now: Clock
) -> None:
    """Fetch the results of a job that has ended, with retries, and note what is missing.

    Args:
        collector: fetches.
        recorder: gets an event for each missing result.
        job: the job.
        now: the clock.
    """
    noted: set[str] = set()
    pause, started = _FIRST_PAUSE, now()
    while True:
        result = await collector.collect(job)
        for item in result["missing"] if job.status is JobStatus.COMPLETED else ():
            message = f"{item['what']}: {item['why']}"
            if message not in noted:
                noted.add(message)
                recorder.note(job.job_id, "local", "missing", message)
        if not any(item["again"] for item in result["missing"]) or now() - started > _RETRY_TIME:
            return
        await asyncio.sleep(pause)
        pause = min(pause * 2, _MAX_PAUSE)
        try:
            job = recorder.writer.job(job.job_id)
        except KeyError:
            return
