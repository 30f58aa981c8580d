"""A bucket of the user's as the place of staged datasets, read with temporary keys.

The user's own keys never travel: the trainer prints its keys into its log. Every job gets a folder
of its own, filled by copies that the server makes, and temporary keys for that folder alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tui.base.errors import RefusedError
from tui.base.formatting import duration, plural
from tui.base.formatting import size as size_text
from tui.base.hosts import is_loopback
from tui.destinations.common.errors import MismatchError, PublishError, Trouble
from tui.destinations.common.meter import Throttle
from tui.destinations.s3.profile import S3Keys, S3Profile
from tui.destinations.s3.session import session_keys
from tui.engine.credentials.storage_keys import data_label
from tui.engine.staging.bucket_objects import BucketObjects
from tui.engine.staging.place import JobData, Leaves, Missing, PlaceKind, Progress
from tui.engine.staging.reading_time import needed_life
from tui.engine.staging.receiver import Receiver, receiver_of, require_same
from tui.engine.staging.threads import run_until_cancelled
from tui.engine.transfers.destinations import Destinations
from tui.replicate.secret import Secret
from tui.settings import NetworkSettings, write_atomically
from tui.simpletuner.errors import SimpleTunerError
from tui.simpletuner.staging.aws import PREFIX, BucketAccess, aws_entry, caption_files
from tui.simpletuner.staging.manifest import Manifest, StagedDataset, StagedFile
from tui.store.records import JobRecord

_ACCESS_KEY: Final = "(a temporary key of this job alone)"
_SECRET_KEY: Final = "(the secret of that key)"  # noqa: S105  a placeholder
_SESSION: Final = "(the session of that key)"


class BucketPlace:
    """Holds staged datasets in the bucket of one S3 destination."""

    kind: PlaceKind = "bucket"

    def __init__(
        self,
        *,
        api_base: str,
        destination: str,
        destinations: Destinations,
        network: Callable[[], NetworkSettings],
        throttle: Throttle | None,
        waits: Callable[[], Sequence[float]],
        may_read: Callable[[str], bool],
        records: Path,
    ) -> None:
        """Take what it works with.

        Args:
            api_base: the API whose trainers read.
            destination: the destination's name.
            destinations: the user's destinations and their keys.
            network: returns the network settings.
            throttle: the bandwidth limit.
            waits: returns the seconds that earlier jobs waited in the queue.
            may_read: whether a job may still read its data.
            records: a folder for the list of what was sent.
        """
        self.name = f"bucket:{destination}"
        self._api_base = api_base
        self._destination = destination
        self._destinations = destinations
        self._network = network
        self._throttle = throttle
        self._waits = waits
        self._may_read = may_read
        self._records = records

    async def missing(self, manifest: Manifest) -> Missing:
        """See `StagingPlace.missing`; it asks for temporary keys too, to see that there are any.

        Raises:
            PublishError: the bucket cannot be used, or gives no temporary keys of the needed life.
            SimpleTunerError: a dataset would be read during the whole run.
        """
        life = needed_life(self._waits(), manifest)
        async with self._opened() as (objects, keys):
            prefix = objects.job_prefix("check")
            network = self._network()

            def look() -> list[StagedFile]:
                session_keys(objects.profile, keys, network, name="check", prefix=prefix, life=life)
                known = self._sent(objects.profile)
                if all(known.get(sha256) == file.size for sha256, file in manifest.files.items()):
                    return []
                return objects.absent(manifest.files.values(), threading.Event())

            absent = await asyncio.to_thread(look)
        return Missing(len(absent), sum(file.size for file in absent))

    def receiver(self, manifest: Manifest) -> Receiver:  # noqa: ARG002  all go to one bucket
        """See `StagingPlace.receiver`: the bucket that the destination leads to now."""
        profile = self._profile()
        server, folder = profile.endpoint or "Amazon S3", profile.key("")
        keys = profile.data_role and f"the role {profile.data_role}"
        parts = {
            "endpoint": server,
            "bucket": profile.bucket,
            "prefix": folder,
            "keys": keys or "a session of your keys",
        }
        words = f"the bucket {profile.bucket} at {server}" + (f" below {folder}" if folder else "")
        home = "\n".join((server, profile.bucket, folder))
        return Receiver(f"{words}, read with {parts['keys']}", parts, home)

    def job_token(self) -> None:
        """See `StagingPlace.job_token`: the data are not on the Hub."""

    async def require_receiver(self, manifest: Manifest, job: JobRecord) -> None:
        """See `StagingPlace.require_receiver`: the destination may have been edited since."""
        require_same(receiver_of(job), self.receiver(manifest))

    async def send(self, manifest: Manifest, progress: Progress, cancel: threading.Event) -> None:
        """See `StagingPlace.send`."""
        async with self._opened() as (objects, _):

            def send() -> None:
                objects.send(manifest.files.values(), progress, cancel)
                self._note_sent(objects.profile, manifest)

            await run_until_cancelled(cancel, send)

    def entry(
        self, dataset: StagedDataset, entry: Mapping[str, Any], job_id: str | None
    ) -> dict[str, Any]:
        """See `StagingPlace.entry`."""
        del job_id  # the placeholders are the same before and after
        profile = self._profile()
        access = BucketAccess(
            bucket=profile.bucket,
            endpoint=profile.endpoint or f"https://s3.{profile.region}.amazonaws.com",
            region=profile.region,
            access_key=_ACCESS_KEY,
            secret_key=_SECRET_KEY,
            session_token=_SESSION,
            prefix=_prefix_placeholder(dataset),
        )
        return aws_entry(dataset, entry, access)

    async def prepare_job(self, manifest: Manifest, job: JobRecord) -> JobData:
        """See `StagingPlace.prepare_job`: fills the job's folder, and gets keys for it."""
        await self.require_receiver(manifest, job)  # nothing is awaited until it is opened
        life = needed_life(self._waits(), manifest)
        async with self._opened() as (objects, keys):
            network = self._network()
            root = objects.job_prefix(job.job_id)
            prefixes = {
                dataset.id: f"{root}{data_label(dataset.id)}/{PREFIX}"
                for dataset in manifest.datasets
            }

            def temporary() -> S3Keys:
                given = session_keys(
                    objects.profile, keys, network, name=job.job_id, prefix=root, life=life
                )
                return given.keys

            def prepare() -> S3Keys:
                temporary()  # nothing is copied for a server that gives none
                cancel = threading.Event()
                copies = {
                    f"{prefixes[dataset.id]}{file.name}": file
                    for dataset in manifest.datasets
                    for file in dataset.files
                }
                texts = {
                    f"{prefixes[dataset.id]}{name}": text
                    for dataset in manifest.datasets
                    for name, text in caption_files(dataset)
                }
                there = objects.sizes(root)
                wanted = {key: file.size for key, file in copies.items()}
                wanted |= {key: len(text.encode()) for key, text in texts.items()}
                objects.delete(there.keys() - wanted.keys())
                absent = {key for key, size in wanted.items() if there.get(key) != size}
                objects.copy({key: copies[key] for key in copies.keys() & absent}, cancel)
                objects.put_texts(texts.items(), cancel)
                found = objects.sizes(root)
                for key, size in wanted.items():
                    if found.get(key) != size:
                        raise MismatchError(key, "the bucket did not copy it whole")
                given = temporary()  # their life begins now
                objects.rehearse(given, root, next(iter(copies)))
                return given

            given = await asyncio.to_thread(prepare)
        token = given.session_token
        if token is None:
            raise AssertionError("temporary keys have a session token")
        values = {
            _prefix_placeholder(dataset): prefixes[dataset.id] for dataset in manifest.datasets
        }
        return JobData(
            values,
            {
                _ACCESS_KEY: Secret(given.access_key),
                _SECRET_KEY: given.secret_key,
                _SESSION: token,
            },
        )

    async def job_ended(self, job: JobRecord) -> None:
        """See `StagingPlace.job_ended`: empties the job's folder; its keys run out anyway."""
        if self._may_read(job.job_id):
            return
        async with self._opened() as (objects, _):
            await asyncio.to_thread(_empty, objects, [job.job_id])

    async def remove(self, manifest: Manifest, others: Sequence[Manifest]) -> None:
        """See `StagingPlace.remove`."""
        kept: set[str] = set().union(*(other.files for other in others))
        async with self._opened() as (objects, _):
            jobs = await asyncio.to_thread(objects.jobs)
            ended = [job_id for job_id in jobs if not self._may_read(job_id)]

            def remove() -> None:
                # A killed engine may have left the folders of jobs that have ended meanwhile.
                _empty(objects, ended)
                gone = manifest.files.keys() - kept
                self._forget_sent(objects.profile)
                objects.delete(objects.content_key(sha256) for sha256 in gone)

            await asyncio.to_thread(remove)

    def describe(self, manifest: Manifest) -> Leaves:
        """See `StagingPlace.describe`."""
        try:
            profile = self._profile()
            bucket = f"the bucket {profile.bucket} at {profile.endpoint or 'Amazon S3'}"
            stays_here = is_loopback(profile.endpoint or "") and is_loopback(self._api_base)
        except (PublishError, RefusedError):
            bucket, stays_here = f"the destination {self._destination}", False
        captions = " with their captions" if manifest.captions else ""
        try:
            life = duration(needed_life(self._waits(), manifest).total_seconds())
        except SimpleTunerError:
            life = "the time until they are read"
        return Leaves(
            what=f"{plural(manifest.images, 'file')}{captions}, {size_text(manifest.bytes)}",
            to=bucket,
            until="until the job has ended, unless they are kept for the next one",
            token=f"temporary keys for this job's folder in the bucket, for {life}",
            stays_here=stays_here,
        )

    # -- parts --------------------------------------------------------------------------------

    def _profile(self) -> S3Profile:
        target = self._destinations.read(f"s3:{self._destination}")
        return S3Profile(**target.options)

    @contextlib.asynccontextmanager
    async def _opened(self) -> AsyncIterator[tuple[BucketObjects, S3Keys]]:
        """Open the bucket with the user's keys.

        Raises:
            PublishError: there is no such destination, or there are no keys.
        """
        try:
            target = self._destinations.read(f"s3:{self._destination}")
        except RefusedError as error:
            raise PublishError(error.message, error.advice, Trouble.MISSING) from None
        profile, network = S3Profile(**target.options), self._network()
        self._destinations.require_encryption(profile)
        if profile.endpoint and is_loopback(profile.endpoint) and not is_loopback(self._api_base):
            raise PublishError(
                f"The bucket's server {profile.endpoint} is on this machine, where the trainer "
                "cannot reach it.",
                "Stage to this machine itself: its public URL leads here.",
                Trouble.NETWORK,
            )
        keys = await self._destinations.keys.of(target.profile, target.options)
        objects = await asyncio.to_thread(BucketObjects, profile, keys, network, self._throttle)
        try:
            yield objects, keys
        finally:
            objects.close()

    def _record(self, profile: S3Profile) -> Path:
        place = f"{profile.endpoint}\n{profile.bucket}\n{profile.prefix}"
        return self._records / f"{hashlib.sha256(place.encode()).hexdigest()[:16]}.json"

    def _sent(self, profile: S3Profile) -> dict[str, int]:
        """What is known to be in the bucket: the size of each content, by SHA-256."""
        try:
            known = json.loads(self._record(profile).read_bytes())
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}

    def _note_sent(self, profile: S3Profile, manifest: Manifest) -> None:
        self._records.mkdir(parents=True, exist_ok=True, mode=0o700)
        sizes = {sha256: file.size for sha256, file in manifest.files.items()}
        content = self._sent(profile) | sizes
        with contextlib.suppress(OSError):  # without it the bucket is listed again
            write_atomically(self._record(profile), json.dumps(content))

    def _forget_sent(self, profile: S3Profile) -> None:
        self._record(profile).unlink(missing_ok=True)


def _empty(objects: BucketObjects, job_ids: Iterable[str]) -> None:
    for job_id in job_ids:
        objects.delete(objects.sizes(objects.job_prefix(job_id)))


def _prefix_placeholder(dataset: StagedDataset) -> str:
    return f"(a folder of this job, {data_label(dataset.id)})"
