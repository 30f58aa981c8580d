"""The objects of staged datasets in a user's bucket: shared content, and a folder for every job.

Keys below the destination's prefix:

    staged/content/ab/ab12…             a picture, named by its SHA-256
    staged/jobs/<job>/<label>/images/…  a dataset as one job reads it: copies made by the server,
                                        and caption files

A folder for every job, because the trainer writes index files beside the pictures and prefers those
that it finds to its settings. All calls block.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Final, TypeVar

from tui.destinations.common.contract import Item, LocalFile
from tui.destinations.common.errors import (
    MismatchError,
    PublishError,
    TransferCancelledError,
    Trouble,
)
from tui.destinations.common.meter import Meter, Throttle, describe_source
from tui.destinations.s3.client import S3Client, make_client
from tui.destinations.s3.copy import WHOLE_BYTES
from tui.destinations.s3.destination import S3Destination
from tui.destinations.s3.errors import code_of, explain
from tui.destinations.s3.parts import call_with_retries
from tui.destinations.s3.profile import S3Keys, S3Profile
from tui.destinations.s3.reading import head
from tui.engine.staging.content import check_source, sent_blocks
from tui.engine.staging.place import Progress
from tui.settings import NetworkSettings
from tui.simpletuner.staging.manifest import StagedFile

_AT_ONCE: Final = 10
_ASKED_ONE_BY_ONE: Final = 256
"""Contents that are looked for and verified by a request each; for more of them all contents are
listed, a thousand in one answer. Some servers (rclone) hash every object that they list."""
_DELETED_AT_ONCE: Final = 1000
"""Keys of one DeleteObjects (https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html)."""
_T = TypeVar("_T")
_R = TypeVar("_R")


class BucketObjects:
    """The staged objects of a bucket, with the user's own keys."""

    def __init__(
        self,
        profile: S3Profile,
        keys: S3Keys,
        network: NetworkSettings,
        throttle: Throttle | None = None,
    ) -> None:
        self.profile = profile
        self._keys = keys
        self._network = network
        self._destination = S3Destination(profile, keys, network=network, throttle=throttle)
        self._client: S3Client = self._destination.client

    def close(self) -> None:
        """Close the connections."""
        self._destination.close()

    # -- keys ---------------------------------------------------------------------------------

    def content_key(self, sha256: str) -> str:
        """Return the key of a content."""
        return self.profile.key(f"staged/content/{sha256[:2]}/{sha256}")

    def job_prefix(self, job_id: str) -> str:
        """Return what the keys of a job begin with."""
        return self.profile.key(f"staged/jobs/{job_id}/")

    # -- looking ------------------------------------------------------------------------------

    def sizes(self, prefix: str) -> dict[str, int]:
        """Return the size of each object below a prefix, by key."""
        return {key: size for key, (size, _) in self._listed(prefix)}

    def _listed(self, prefix: str) -> Iterator[tuple[str, tuple[int, str]]]:
        """Yield key, size and ETag of each object below a prefix."""
        try:
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.profile.bucket, Prefix=prefix
            )
            for page in pages:
                for row in page.get("Contents", []):
                    yield str(row["Key"]), (int(row["Size"]), str(row.get("ETag", "")).strip('"'))
        except Exception as error:
            raise explain(error, self.profile) from error

    def absent(
        self, files: Collection[StagedFile], cancel: threading.Event
    ) -> list[StagedFile]:  # fmt: skip
        """Return the files whose content the bucket does not have whole.

        Raises:
            PublishError: the bucket cannot be looked into.
            TransferCancelledError: `cancel` was set.
        """
        sizes = self._sizes_of(files, cancel)
        return [file for file in files if sizes.get(file.sha256) != file.size]

    def _sizes_of(
        self, files: Collection[StagedFile], cancel: threading.Event
    ) -> dict[str, int]:  # fmt: skip
        if len(files) > _ASKED_ONE_BY_ONE:
            return {sha256: size for sha256, (size, _) in self._content().items()}
        # It also says whether there is such a bucket; HEAD gives the same answer without one.
        folders = set(self._folders(self.profile.key("staged/content/")))
        sizes: dict[str, int] = {}

        def look(file: StagedFile) -> None:
            key = self.content_key(file.sha256)
            answer = self._call(lambda: head(self._client, self.profile, key), cancel)
            if answer is not None:
                sizes[file.sha256] = int(answer["ContentLength"])

        _each(look, [file for file in files if file.sha256[:2] in folders], cancel)
        return sizes

    def _content(self) -> dict[str, tuple[int, str]]:
        """Return size and ETag of each content, by SHA-256."""
        rows = self._listed(self.profile.key("staged/content/"))
        return {key.rpartition("/")[2]: what for key, what in rows}

    def jobs(self) -> list[str]:
        """Return the ids of the jobs that have a folder."""
        return self._folders(self.profile.key("staged/jobs/"))

    def _folders(self, prefix: str) -> list[str]:
        names: list[str] = []
        try:
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.profile.bucket, Prefix=prefix, Delimiter="/"
            )
            for page in pages:
                names += [
                    str(row["Prefix"]).removeprefix(prefix).strip("/")
                    for row in page.get("CommonPrefixes", [])
                ]
        except Exception as error:
            raise explain(error, self.profile) from error
        return names

    # -- writing ------------------------------------------------------------------------------

    def send(
        self, files: Collection[StagedFile], progress: Progress, cancel: threading.Event
    ) -> None:  # fmt: skip
        """Send the contents that are not there, and compare each with what arrived.

        Args:
            files: the files to send, each content once.
            progress: is called with the bytes that are there, and the bytes in all.
            cancel: stops it.

        Raises:
            MismatchError: the bucket has something else than was sent.
            SourceChangedError: a file is not that of the manifest any more.
            TransferCancelledError: `cancel` was set.
        """
        absent = self.absent(files, cancel)
        total = sum(file.size for file in files)
        there = total - sum(file.size for file in absent)
        progress(there, total)
        lock = threading.Lock()
        counts: dict[str, int] = {}

        def count(file: StagedFile, sent: int) -> None:
            nonlocal there
            with lock:
                there += sent - counts.get(file.sha256, 0)
                counts[file.sha256] = sent
                progress(there, total)

        destination = self._destination
        by_listing = len(absent) > _ASKED_ONE_BY_ONE

        def send(file: StagedFile) -> None:
            with self._item(file, cancel) as item:
                destination.send(item, lambda sent, _: count(file, sent), cancel)
                if not by_listing:
                    self._verify(item, cancel)
            check_source(file)
            count(file, file.size)

        def prove(file: StagedFile) -> None:
            with self._item(file, cancel) as item:
                self._verify(item, cancel)

        _each(send, absent, cancel)
        if by_listing:
            arrived = self._content()
            # An ETag that is no MD5 says nothing: such an object is looked at by itself.
            unproved = [
                file
                for file in absent
                if arrived.get(file.sha256)
                != (file.size, destination.etag_sent(self.content_key(file.sha256)))
            ]
            _each(prove, unproved, cancel)

    def _verify(self, item: Item, cancel: threading.Event) -> None:
        """Prove that a content arrived; one that is damaged must not count as there."""
        try:
            self._destination.verify(item, cancel=cancel)
        except MismatchError:
            with suppress(PublishError):
                self.delete([item.target])
            raise

    @contextmanager
    def _item(self, file: StagedFile, cancel: threading.Event) -> Iterator[Item]:
        """A file as it is sent, on its way to the key of its content."""
        with _local_file(file, cancel) as path:
            source = LocalFile(path, Path(file.source).name, file.sha256)
            yield describe_source(source, self.content_key(file.sha256), cancel)

    def copy(self, copies: Mapping[str, StagedFile], cancel: threading.Event) -> None:
        """Have the server copy contents; `copies` names the source of each new key.

        Raises:
            PublishError: the server does not copy, or a content is gone.
        """

        def copy(pair: tuple[str, StagedFile]) -> None:
            key, file = pair
            if file.size > WHOLE_BYTES:
                raise PublishError(
                    f"{file.name} is larger than 5 GiB, and such a file is not copied.",
                    "Stage it to the Hub or to this machine instead.",
                    Trouble.REFUSED,
                )
            source = {"Bucket": self.profile.bucket, "Key": self.content_key(file.sha256)}
            self._call(
                lambda: self._client.copy_object(
                    Bucket=self.profile.bucket, Key=key, CopySource=source, **self._options
                ),
                cancel,
            )

        _each(copy, copies.items(), cancel)

    def put_texts(self, texts: Iterable[tuple[str, str]], cancel: threading.Event) -> None:
        """Write small objects: key and text of each."""

        def put(pair: tuple[str, str]) -> None:
            key, text = pair
            self._call(
                lambda: self._client.put_object(
                    Bucket=self.profile.bucket, Key=key, Body=text.encode(), **self._options
                ),
                cancel,
            )

        _each(put, texts, cancel)

    @property
    def _options(self) -> dict[str, Any]:
        options: dict[str, Any] = {}
        if self.profile.encryption:
            options["ServerSideEncryption"] = self.profile.encryption
            if self.profile.encryption == "aws:kms" and self.profile.kms_key:
                options["SSEKMSKeyId"] = self.profile.kms_key
        return options

    # -- deleting -----------------------------------------------------------------------------

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; what is gone already is no error."""
        rest = list(keys)
        for start in range(0, len(rest), _DELETED_AT_ONCE):
            part = [{"Key": key} for key in rest[start : start + _DELETED_AT_ONCE]]
            try:
                answer = self._client.delete_objects(
                    Bucket=self.profile.bucket, Delete={"Objects": part, "Quiet": True}
                )
            except Exception as error:
                raise explain(error, self.profile) from error
            for row in answer.get("Errors", []):
                raise PublishError(
                    f"{row.get('Key')} cannot be deleted from {self.profile.bucket}: "
                    f"{row.get('Message') or row.get('Code')}.",
                    "Give the keys permission to delete objects.",
                    Trouble.PERMISSION,
                )

    def _call(self, call: Callable[[], Any], cancel: threading.Event) -> Any:
        return call_with_retries(call, self.profile, Meter(0, cancel=cancel))

    # -- with the trainer's keys ----------------------------------------------------------------

    def rehearse(self, keys: S3Keys, prefix: str, picture: str) -> None:
        """Do with a trainer's keys what it will do: list, read, look for a missing key, write.

        Args:
            keys: the trainer's.
            prefix: what its keys may read and write.
            picture: the key of a picture below it.

        Raises:
            PublishError: one of them fails.
        """
        client = make_client(self.profile, keys, self._network)
        bucket, note = self.profile.bucket, f"{prefix}write-check"

        def look() -> None:
            try:
                client.head_object(Bucket=bucket, Key=note)
            except Exception as error:
                if code_of(error) not in ("404", "NoSuchKey"):
                    raise

        def read() -> None:
            client.get_object(Bucket=bucket, Key=picture)["Body"].close()

        steps: list[tuple[str, Callable[[], Any]]] = [
            ("list", lambda: client.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1)),
            ("read", read),
            ("look for missing files among", look),
            ("write", lambda: client.put_object(Bucket=bucket, Key=note, Body=b"")),
        ]
        try:
            for what, step in steps:
                try:
                    step()
                except Exception as error:
                    problem = explain(error, self.profile)
                    raise PublishError(
                        f"With the temporary keys of the bucket {bucket} the trainer could not "
                        f"{what} the staged data: {problem.message}",
                        "Give the keys or the role s3:GetObject, s3:PutObject and s3:ListBucket "
                        "there, or stage to the Hub or to this machine.",
                        problem.kind,
                    ) from error
        finally:
            client.close()
            self.delete([note])


@contextmanager
def _local_file(file: StagedFile, cancel: threading.Event) -> Iterator[Path]:
    """A local file with the bytes as they are sent."""
    if file.transform == "as-is":
        check_source(file)
        yield Path(file.source)
        return
    with NamedTemporaryFile(prefix="staged-") as made:
        for block in sent_blocks(file, cancel):
            made.write(block)
        made.flush()
        yield Path(made.name)


def _each(work: Callable[[_T], _R], items: Iterable[_T], cancel: threading.Event) -> None:
    """Do the work for each item, several at a time; the first failure ends it."""
    stop = threading.Event()

    def guarded(item: _T) -> None:
        if cancel.is_set():
            raise TransferCancelledError
        if not stop.is_set():
            work(item)

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="staging") as pool:
        waiting = [pool.submit(guarded, item) for item in items]
        done, _ = wait(waiting, return_when=FIRST_EXCEPTION)
        stop.set()
        errors = [error for future in done if (error := future.exception()) is not None]
    if cancel.is_set():
        raise TransferCancelledError
    if errors:
        raise errors[0]
