"""This machine as the place of staged datasets: trainers read them from the storage receiver.

Pictures are copied once into the state directory, so that a dataset may change while a job waits in
the queue. Every job gets a view of them, and a bucket and a key pair for each dataset.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from tui.base.formatting import plural
from tui.base.formatting import size as size_text
from tui.base.hosts import is_loopback
from tui.destinations.common.errors import (
    PublishError,
    SourceChangedError,
    TransferCancelledError,
    Trouble,
)
from tui.engine.credentials.storage_keys import StorageKeys, data_bucket, data_label
from tui.engine.delivery.resolve import REGION
from tui.engine.delivery.room import receivable
from tui.engine.listener.sightings import Sighting
from tui.engine.staging.content import disk_problem, sent_blocks
from tui.engine.staging.flushing import flushing
from tui.engine.staging.moved_address import endpoint_of
from tui.engine.staging.place import JobData, Leaves, Missing, PlaceKind, Progress
from tui.engine.staging.receiver import Receiver, receiver_of, require_same
from tui.listener.storage.grants import disk_space
from tui.listener.storage.overlay import StagedView
from tui.listener.storage.staged import ContentChangedError, StagedFolder, ViewedObject
from tui.replicate.secret import Secret
from tui.simpletuner.errors import SimpleTunerError
from tui.simpletuner.staging.aws import PREFIX, BucketAccess, aws_entry, caption_files
from tui.simpletuner.staging.manifest import Manifest, StagedDataset, StagedFile
from tui.store.records import JobRecord

_ENDPOINT: Final = "(the public address of this machine)"
_LEFTOVER_SECONDS: Final = 3600.0


PROOF_LIFE: Final = timedelta(minutes=15)
"""For how long a test or a call from outside proves an address."""
_DOUBT: Final = "it is not proved that the trainer reaches this machine"


@dataclass(frozen=True, slots=True)
class Proof:
    """What is known about the way from the trainer to this machine.

    Attributes:
        problem: why it does not work; "" if nothing says so.
        doubt: why it is not certain that it works; "" if it is.
    """

    problem: str = ""
    doubt: str = ""


def proof_of(
    endpoint: str, report: object, *, now: datetime, seen: Sighting | None = None
) -> Proof:
    """Judge an address by the last test of the delivery to this machine, and by who called it.

    Both lapse after `PROOF_LIFE`: a tunnel may have ended since.

    Args:
        endpoint: the receiver's public address.
        report: the last answer of the test (`DeliveryReport`), with the `endpoint` that it was of;
            None without one.
        now: the present time.
        seen: the last delivery from outside.
    """
    called = seen.at if seen is not None and endpoint.startswith(seen.url) else None
    if called is not None and now - called >= PROOF_LIFE:
        called = None
    tested = _tested_at(endpoint, report)
    if tested is None or not isinstance(report, dict):
        return Proof() if called else Proof(doubt=_DOUBT)  # none, or one of another address
    if called and called >= tested:
        return Proof()
    if now - tested >= PROOF_LIFE:
        if called:
            return Proof()
        return Proof(doubt=f"{_DOUBT}: the last test was at {tested:%Y-%m-%d %H:%M} UTC")
    if report.get("verdict") == "works":
        return Proof()
    wrong = [step["message"] for step in report.get("steps", ()) if step.get("level") == "error"]
    if report.get("verdict") == "fails" and wrong:
        return Proof(problem=str(wrong[0]))
    return Proof() if called else Proof(doubt=_DOUBT)


def _tested_at(endpoint: str, report: object) -> datetime | None:
    """When an address was tested; None without a test of it."""
    if not isinstance(report, dict) or report.get("endpoint") != endpoint:
        return None
    try:
        return datetime.fromisoformat(report["checked_at"]).astimezone(UTC)
    except (KeyError, TypeError, ValueError):
        return None


@dataclass(frozen=True, slots=True)
class _Placeholders:
    """What stands in the entry of a dataset until its job is posted."""

    bucket: str
    access_key: str
    secret_key: str

    @classmethod
    def of(cls, label: str) -> _Placeholders:
        return cls(
            f"(a bucket of this job, {label})",
            f"(a key of this job alone, {label})",
            f"(the secret of that key, {label})",
        )


class HerePlace:
    """Holds staged datasets in the state directory."""

    kind: PlaceKind = "here"
    name = "here"

    def __init__(
        self,
        *,
        api_base: str,
        staged: StagedFolder,
        keys: StorageKeys,
        endpoint: Callable[[], str | None],
        proof: Callable[[str], Proof],
        forget: Callable[[StagedView], None],
    ) -> None:
        """Take what it works with.

        Args:
            api_base: the API whose trainers read.
            staged: the staged content and the views.
            keys: derives the keys of jobs.
            endpoint: returns the address of the receiver for those trainers; None without one.
            proof: returns what is known about an address: whether it leads here from outside.
            forget: drops what the receiver remembers of a view.
        """
        self._api_base = api_base
        self._staged = staged
        self._keys = keys
        self._endpoint = endpoint
        self._proof = proof
        self._forget = forget
        # Content is removed only while no view is being written that may refer to it.
        self._lock = threading.Lock()

    async def missing(self, manifest: Manifest) -> Missing:
        """See `StagingPlace.missing`."""
        proof = self._proof(self._require_endpoint())
        absent = await asyncio.to_thread(lambda: list(self._absent(manifest)))
        return Missing(len(absent), sum(file.size for file in absent), proof.doubt)

    def receiver(self, manifest: Manifest) -> Receiver:  # noqa: ARG002  all are read from here
        """See `StagingPlace.receiver`: the address that trainers elsewhere read from."""
        address = self._endpoint() or "an address that is not set"
        words = f"let them be read over {address}"
        # A trainer on this machine gets whatever address this machine has when it is filled in.
        parts = {} if is_loopback(self._api_base) else {"public URL": address}
        return Receiver(words, parts)

    def job_token(self) -> None:
        """See `StagingPlace.job_token`: the data are not on the Hub."""

    async def require_receiver(self, manifest: Manifest, job: JobRecord) -> None:
        """See `StagingPlace.require_receiver`: the public URL may have been changed since."""
        now = self.receiver(manifest)
        require_same(receiver_of(job), now)
        if named := endpoint_of(job):
            address = self._endpoint() or "an address that is not set"
            asked = Receiver(f"let them be read over {named}", {"public URL": named})
            require_same(asked, Receiver(now.words, {"public URL": address}))

    async def send(self, manifest: Manifest, progress: Progress, cancel: threading.Event) -> None:
        """See `StagingPlace.send`: here it copies, and verifies what it wrote."""
        self._require_endpoint()
        await asyncio.to_thread(self._copy, manifest, progress, cancel)

    def entry(
        self, dataset: StagedDataset, entry: Mapping[str, Any], job_id: str | None
    ) -> dict[str, Any]:
        """See `StagingPlace.entry`."""
        del job_id  # the placeholders are the same before and after
        shown = _Placeholders.of(data_label(dataset.id))
        access = BucketAccess(
            bucket=shown.bucket,
            endpoint=_ENDPOINT,
            region=REGION,
            access_key=shown.access_key,
            secret_key=shown.secret_key,
        )
        return aws_entry(dataset, entry, access)

    async def prepare_job(self, manifest: Manifest, job: JobRecord) -> JobData:
        """See `StagingPlace.prepare_job`: writes the views, and derives the keys."""
        await self.require_receiver(manifest, job)
        endpoint = self._require_endpoint()
        await asyncio.to_thread(self._write_views, manifest, job)
        values: dict[str, str] = {_ENDPOINT: endpoint}
        secrets: dict[str, Secret] = {}
        for dataset in manifest.datasets:
            label = data_label(dataset.id)
            shown, pair = _Placeholders.of(label), self._keys.data_pair(job.job_id, label)
            values[shown.bucket] = data_bucket(job.job_id, label)
            secrets[shown.access_key] = Secret(pair.access_key)
            secrets[shown.secret_key] = Secret(pair.secret_key)
        return JobData(values, secrets)

    async def job_ended(self, job: JobRecord) -> None:
        """See `StagingPlace.job_ended`: removes the views and what the trainer wrote there."""
        if not self._keys.may_read_data(job.job_id):
            await asyncio.to_thread(self._remove_views, job.job_id)

    async def remove(self, manifest: Manifest, others: Sequence[Manifest]) -> None:
        """See `StagingPlace.remove`: content that a view of another job shows stays."""
        kept = set().union(*(other.files for other in others))
        # A killed engine may have left the views of jobs that have ended meanwhile.
        ended = [
            job_id
            for job_id in await asyncio.to_thread(self._staged.viewing_jobs)
            if not self._keys.may_read_data(job_id)
        ]

        def remove() -> None:
            for job_id in ended:
                self._remove_views(job_id)
            with self._lock:
                self._staged.remove_content(manifest.files.keys() - kept)

        await asyncio.to_thread(remove)

    def describe(self, manifest: Manifest) -> Leaves:
        """See `StagingPlace.describe`."""
        captions = " with their captions" if manifest.captions else ""
        stays_here = is_loopback(self._api_base)
        reader = "the sandbox's trainer" if stays_here else "the trainer at Replicate"
        address = self._endpoint() or "an address that is not set yet"
        token = "a key pair of this job alone, in the request; it ends with the job"  # noqa: S105  words
        return Leaves(
            what=f"{plural(manifest.images, 'file')}{captions}, {size_text(manifest.bytes)}",
            to=f"{reader}, which reads them from this machine over {address}",
            until="until the job has ended, unless they are kept for the next one",
            token=token,
            stays_here=stays_here,
        )

    # -- blocking parts -----------------------------------------------------------------------

    def _require_endpoint(self) -> str:
        endpoint = self._endpoint()
        if endpoint is None:
            raise SimpleTunerError(
                "the trainer cannot read from this machine: no public URL is set",
                "Start a tunnel and set listener.public_url, or stage to the Hub.",
            )
        if (proof := self._proof(endpoint)).problem:
            raise SimpleTunerError(
                f"the trainer cannot read from this machine: {proof.problem}",
                "Mend the tunnel or proxy and test it again, or stage to the Hub.",
            )
        return endpoint

    def _absent(self, manifest: Manifest) -> Iterator[StagedFile]:
        for file in manifest.files.values():
            if not self._staged.has_content(file.sha256, file.size):
                yield file

    def _copy(self, manifest: Manifest, progress: Progress, cancel: threading.Event) -> None:
        absent = list(self._absent(manifest))
        needed = sum(file.size for file in absent)
        done, total = manifest.bytes - needed, manifest.bytes
        progress(done, total)
        if not absent:
            return
        try:
            self._staged.create()
            self._staged.remove_leftovers(_LEFTOVER_SECONDS)
            _require_room(self._staged.root, needed)
            with flushing(self._staged) as keep:
                for file in absent:
                    if cancel.is_set():
                        raise TransferCancelledError
                    before = done

                    def counted(file: StagedFile = file, before: int = before) -> Iterator[bytes]:
                        count = before
                        for block in sent_blocks(file, cancel):
                            yield block
                            count += len(block)
                            progress(count, total)

                    keep(file, counted())
                    done += file.size
            progress(done, total)
        except ContentChangedError as error:
            raise SourceChangedError(Path(file.source).name) from error
        except OSError as error:
            raise disk_problem(error, str(self._staged.root)) from error

    def _write_views(self, manifest: Manifest, job: JobRecord) -> None:
        with self._lock:
            try:
                for dataset in manifest.datasets:
                    self._staged.write_view(
                        job.job_id, data_label(dataset.id), viewed_objects(dataset)
                    )
            except FileNotFoundError as error:
                raise PublishError(
                    f"Staged data are not there any more: {error}.",
                    "Nothing was started. Run the job again: they are copied anew.",
                    Trouble.MISSING,
                ) from error
            except OSError as error:
                raise disk_problem(error, str(self._staged.root)) from error
        self._forget_views(job.job_id, self._staged.labels_of(job.job_id))

    def _remove_views(self, job_id: str) -> None:
        with self._lock:
            labels = self._staged.labels_of(job_id)
            self._staged.remove_views(job_id)
        self._forget_views(job_id, labels)

    def _forget_views(self, job_id: str, labels: Iterable[str]) -> None:
        for label in labels:
            self._forget(StagedView(self._staged.root, job_id, label))


def viewed_objects(dataset: StagedDataset) -> Iterator[ViewedObject]:
    """Yield the objects that a view of a dataset shows: its files, and a caption file for each."""
    for file in dataset.files:
        yield ViewedObject(f"{PREFIX}{file.name}", file.size, file.sha256)
    for name, text in caption_files(dataset):
        yield ViewedObject.caption(f"{PREFIX}{name}", text)


def _require_room(folder: Path, needed: int) -> None:
    free = receivable(disk_space(folder))
    if needed > free:
        raise PublishError(
            f"The pictures need {size_text(needed)} in {folder}, and {size_text(free)} "
            "are free there.",
            "Free some space, or stage to the Hub.",
            Trouble.DISK_FULL,
        )
