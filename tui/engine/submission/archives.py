"""Packs a job's datasets into an archive and uploads it to Replicate.

Both steps cost nothing, so both are repeated. The upload is retried here and not by the HTTP client
or a retry library: each failed try is written into the job's history, the file is sent from its
beginning again, and a digest mismatch is retried only once.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from tui.base.formatting import duration, plural
from tui.base.job_status import JobStatus
from tui.engine.credentials.replicate_clients import ReplicateClients
from tui.engine.runtime.event_bus import EventBus
from tui.engine.submission.phases import backoff_seconds, note_phase
from tui.engine.submission.stored_run import stored_config
from tui.engine.tracking.recorder import JobRecorder
from tui.replicate.client import ReplicateClient
from tui.replicate.errors import (
    DamagedUploadError,
    NoAnswerError,
    NotSentError,
    RateLimitedError,
    ServiceError,
)
from tui.replicate.models import File
from tui.settings import Home
from tui.simpletuner.datasets.pack import pack
from tui.simpletuner.datasets.scan import DataReport, scan
from tui.simpletuner.errors import SimpleTunerError
from tui.store.records import JobRecord

_T = TypeVar("_T")

_EVENTS_PER_SECOND: Final = 5
_UPLOADS: Final = 5
"""Tries of one upload, the first included."""


class Archives:
    """Packs, uploads and removes the archives of jobs."""

    def __init__(
        self, *, recorder: JobRecorder, clients: ReplicateClients, bus: EventBus, home: Home
    ) -> None:
        self._recorder = recorder
        self._clients = clients
        self._bus = bus
        self._home = home

    async def pack(
        self, job: JobRecord, report: DataReport | None, cancel: threading.Event
    ) -> None:
        """Pack a job's datasets into its archive file.

        Args:
            job: the job.
            report: the scan of its datasets; None scans them again, with the config as it was
                when the job was made.
            cancel: stops the packing when it is set.

        Raises:
            SimpleTunerError: the datasets cannot be packed, or `cancel` was set.
            OSError: the archive cannot be written, for example because the disk is full.
        """
        self._recorder.note(
            job.job_id, "local", "state", "Packing the datasets.",
            status=JobStatus.UPLOADING, stage="packing",
        )  # fmt: skip
        if report is None:
            report = await asyncio.to_thread(scan, stored_config(job), cancel=cancel)
        work = partial(
            pack,
            report,
            self._archive(job.job_id),
            progress=self._progress(job.job_id, "packing"),
            cancel=cancel,
        )
        archive = await _in_thread(cancel, work)
        if (wanted := job.submit.get("same_sha256")) and archive.sha256 != wanted:
            self.remove(job.job_id)
            raise SimpleTunerError(
                "the images or captions changed after the run was agreed to",
                "Nothing was started. Run it again to see what is different now.",
            )
        note_phase(
            self._recorder, job, "packed",
            f"Packed {plural(archive.entries, 'file')} into {plural(archive.size, 'byte')}.",
            size=archive.size, sha256=archive.sha256,
        )  # fmt: skip

    async def upload(self, job: JobRecord, cancel: threading.Event) -> None:
        """Upload the archive to Replicate's file storage and delete the local copy.

        Raises:
            ReplicateError: Replicate refused the file, or every try failed.
        """
        path = self._archive(job.job_id)
        if not path.exists():  # deleted between two runs of the engine
            note_phase(self._recorder, job, "new", "The packed archive is gone; packing again.")
            await self.pack(self._recorder.writer.job(job.job_id), None, cancel)
            job = self._recorder.writer.job(job.job_id)
        client = await self._clients.get_for(job)
        self._recorder.note(
            job.job_id, "local", "state", "Uploading the archive.",
            status=JobStatus.UPLOADING, stage="uploading",
        )  # fmt: skip
        file = await self._send(client, job, path)
        note_phase(
            self._recorder,
            self._recorder.writer.job(job.job_id),
            "uploaded",
            "The archive is uploaded.",
            file_url=file.url,
            file_id=file.id,
        )
        self.remove(job.job_id)

    async def _send(self, client: ReplicateClient, job: JobRecord, path: Path) -> File:
        """Upload the archive and retry connection failures.

        A file that arrives damaged is sent once more; a second mismatch is no transmission error.
        """
        pauses = backoff_seconds(job)
        damaged = False
        tries_left = _UPLOADS
        while True:
            tries_left -= 1
            try:
                return await client.upload_file(
                    path,
                    filename=f"{job.job_id}.zip",
                    progress=self._progress(job.job_id, "uploading"),
                    sha256=str(job.submit.get("sha256") or ""),
                )
            except (NoAnswerError, NotSentError, RateLimitedError, ServiceError) as error:
                if tries_left <= 0:
                    raise
                pause = max(next(pauses), error.retry_after or 0)
                again = f"Trying again in {duration(pause)}."
                message = f"The upload broke off: {error.message} {again}"
                self._recorder.note(job.job_id, "local", "trouble", message)
                await asyncio.sleep(pause)
            except DamagedUploadError as error:
                if damaged:
                    raise
                damaged = True
                message = f"The upload was damaged: {error.message} Sending it once more."
                self._recorder.note(job.job_id, "local", "trouble", message)

    def _archive(self, job_id: str) -> Path:
        return self._home.archives / f"{job_id}.zip"

    def remove(self, job_id: str) -> None:
        """Delete a job's archive file, if there is one."""
        with contextlib.suppress(OSError):
            self._archive(job_id).unlink(missing_ok=True)

    def _progress(self, job_id: str, phase: str) -> Callable[[int, int], None]:
        """A callback that publishes progress a few times a second; callable from any thread."""
        loop = asyncio.get_running_loop()
        last = 0.0

        def report(done: int, total: int) -> None:
            nonlocal last
            now = time.monotonic()
            if done < total and now - last < 1 / _EVENTS_PER_SECOND:
                return
            last = now
            loop.call_soon_threadsafe(publish, done, total)

        def publish(done: int, total: int) -> None:
            self._bus.publish("upload", job_id=job_id, phase=phase, done=done, total=total)

        return report


async def _in_thread(cancel: threading.Event, work: Callable[[], _T]) -> _T:
    """Run blocking work; on cancellation set `cancel` and wait until the thread has returned.

    Without the wait a second run could write the same archive file beside the first.
    """
    thread = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        cancel.set()
        await asyncio.gather(thread, return_exceptions=True)
        raise
