"""Stages what one job reads: sends it, and fills the job's own values into its request."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from tui.base.errors import RefusedError
from tui.base.job_status import JobStatus
from tui.destinations.common.errors import PublishError, TransferCancelledError
from tui.engine.runtime.event_bus import EventBus
from tui.engine.staging.place import JobData, Progress, StagingPlace
from tui.engine.staging.receiver import receiver_of
from tui.engine.staging.records import StagedRecord, StagedRecords, record_key
from tui.engine.staging.registry import PlaceRegistry
from tui.engine.staging.repair import repair
from tui.engine.tracking.recorder import JobRecorder
from tui.replicate.secret import Secret
from tui.simpletuner.errors import CancelledByUser, SimpleTunerError
from tui.simpletuner.staging.config import fill_placeholders
from tui.simpletuner.staging.manifest import Manifest
from tui.store.records import JobRecord

LOG: Final = logging.getLogger(__name__)
_EVENTS_PER_SECOND: Final = 5
Lister = Callable[[JobRecord], Awaitable[Manifest | None]]
"""Lists the files of a job's datasets as they are today; None when they cannot be listed."""


class JobStaging:
    """Does for jobs what was planned for their drafts."""

    def __init__(
        self,
        recorder: JobRecorder,
        bus: EventBus,
        places: PlaceRegistry,
        records: StagedRecords,
    ) -> None:
        self._recorder = recorder
        self._bus = bus
        self._places = places
        self._records = records
        self._secrets: dict[str, JobData] = {}
        self.list_again: Lister | None = None

    async def stage(self, job: JobRecord, cancel: threading.Event) -> dict[str, Any]:
        """Send a job's datasets, and return its inputs with the values that are known then.

        Raises:
            SimpleTunerError: it failed; nothing was started.
            CancelledByUser: `cancel` was set.
        """
        with _translated():
            record, manifest, place = await self.data_of(job)
        self._recorder.note(
            job.job_id, "local", "state", f"Staging the datasets to {record.where}.",
            status=JobStatus.UPLOADING, stage="staging",
        )  # fmt: skip
        self._records.change(record.key, started=True)
        with _translated():
            await place.require_receiver(manifest, job)
            await place.send(manifest, self._progress(job.job_id), cancel)
            self._records.change(record.key, there=True)
            data = await place.prepare_job(manifest, job)
        self._secrets[job.job_id] = data
        text = str(job.inputs["dataloader_json"])
        return {**job.inputs, "dataloader_json": fill_placeholders(text, data.values)}

    async def secrets_for(self, job: JobRecord) -> dict[str, Secret]:
        """Return the inputs of a job with secret values in them, for its POST only.

        Raises:
            SimpleTunerError: they cannot be made any more.
        """
        if not job.submit.get("staging") or job.prediction_id:
            return {}
        if job.job_id not in self._secrets:  # the engine was started anew
            with _translated():
                _, manifest, place = await self.data_of(job)
                self._secrets[job.job_id] = await place.prepare_job(manifest, job)
        else:
            with _translated():
                _, manifest, place = await self.data_of(job)
                await place.require_receiver(manifest, job)
        data = self._secrets[job.job_id]
        carried = job.submit.get("secret_names", ())
        inputs = {name: secret for name, secret in data.inputs.items() if name in carried}
        if job.delivery == "hub":
            inputs.pop("hf_token", None)  # results need one that may write
        if data.secrets:
            texts = {placeholder: secret.reveal() for placeholder, secret in data.secrets.items()}
            filled = fill_placeholders(str(job.inputs["dataloader_json"]), texts)
            inputs["dataloader_json"] = Secret(filled)
        return inputs

    def forget(self, job_id: str) -> None:
        """Drop the secret values of a job that has ended."""
        self._secrets.pop(job_id, None)

    async def data_of(self, job: JobRecord) -> tuple[StagedRecord, Manifest, StagingPlace]:
        """The record, the files and the place of a job's data.

        Raises:
            SimpleTunerError: they are not known any more.
            RefusedError: there is no such place.
        """
        staging = job.submit["staging"]
        place = self._places.place(staging["place"], job.api_base)
        try:
            manifest = await self._manifest(job)
            if staging["key"] in self._records.damaged():
                repair(self._records, staging["key"], [job])
            record = self._records.used(staging["key"])
        except OSError as error:
            raise SimpleTunerError(
                f"the list of staged files is damaged and cannot be written: {error.strerror}",
                "Nothing was started. Is the disk full?",
            ) from error
        if record is None or manifest is None:
            raise SimpleTunerError(
                "the list of staged files is lost, and the folders hold other files today",
                "Nothing was started. Run the job again.",
            )
        return record, manifest, place

    async def _manifest(self, job: JobRecord) -> Manifest | None:
        """The files of a job; listed anew when their list is gone or damaged.

        The record knows the digest of the list, and so does the record's key, so that only the very
        files that were consented to are taken.

        Raises:
            OSError: the new list cannot be written.
        """
        staging = job.submit["staging"]
        key, receiver = staging["key"], receiver_of(job)
        home = receiver.home if receiver is not None else ""

        record = self._records.get(key)

        def is_whole(manifest: Manifest | None) -> bool:
            if manifest is None:
                return False
            if record is not None:
                return manifest.digest == record.digest
            place = str(staging["place"])
            return str(key) == record_key(place, job.api_base, manifest.digest, home)

        def read() -> Manifest | None:
            stored = self._records.manifest(key)
            return stored if is_whole(stored) else None

        manifest = await asyncio.to_thread(read)  # it may be large
        if manifest is not None or self.list_again is None:
            return manifest
        today = await self.list_again(job)
        if today is None or not await asyncio.to_thread(is_whole, today):
            return None
        LOG.warning("the list of files %s was damaged; it is made again from the folders", key)
        await asyncio.to_thread(self._records.put_manifest, key, today)
        return today

    def _progress(self, job_id: str) -> Progress:
        """A callback that publishes progress a few times a second; callable from any thread."""
        loop = asyncio.get_running_loop()
        last = float("-inf")

        def report(done: int, total: int) -> None:
            nonlocal last
            now = time.monotonic()
            if done < total and now - last < 1 / _EVENTS_PER_SECOND:
                return
            last = now
            with contextlib.suppress(RuntimeError):  # the loop has ended before the thread
                loop.call_soon_threadsafe(publish, done, total)

        def publish(done: int, total: int) -> None:
            self._bus.publish("upload", job_id=job_id, phase="staging", done=done, total=total)

        return report


@contextlib.contextmanager
def _translated() -> Any:
    """Turn errors of places into those that end a submission."""
    try:
        yield
    except TransferCancelledError:
        raise CancelledByUser("the staging was stopped") from None
    except (PublishError, RefusedError) as error:
        raise SimpleTunerError(
            f"the datasets could not be staged: {error.message}",
            f"{error.advice} Nothing was started; what is there already is not sent again.",
        ) from error
