"""A bucket of any S3 server as a destination: Amazon, MinIO, Backblaze B2, Cloudflare R2."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import logging
import mimetypes
import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Literal

from tui.base.formatting import plural
from tui.destinations.common.contract import (
    Item,
    LocalFile,
    Progress,
    Resume,
    Step,
    TestReport,
    Verified,
)
from tui.destinations.common.errors import (
    MismatchError,
    PublishError,
    SourceChangedError,
    TransferCancelledError,
    Trouble,
    UnverifiableError,
    disk_error,
)
from tui.destinations.common.meter import FIRST_PAUSE, Meter, Throttle, check_names, describe_source
from tui.destinations.s3 import unseen
from tui.destinations.s3.body import Body, watch_sending
from tui.destinations.s3.client import S3Client, make_client
from tui.destinations.s3.copy import Copier
from tui.destinations.s3.errors import code_of, explain
from tui.destinations.s3.etag import matches
from tui.destinations.s3.parts import PART_BYTES, PartedUpload, call_with_retries
from tui.destinations.s3.profile import S3Keys, S3Profile, store_of
from tui.destinations.s3.reading import ABSENT, etag_of, head, head_before_sending
from tui.settings import NetworkSettings

LOG = logging.getLogger(__name__)
_HASH_KEY = "sha256"
_KEY_BYTES = 1024


class S3Destination:
    """A bucket and a prefix in it."""

    kind = "s3"
    keeps_history = False

    def __init__(
        self,
        profile: S3Profile,
        keys: S3Keys,
        *,
        network: NetworkSettings | None = None,
        throttle: Throttle | None = None,
        pause: float = FIRST_PAUSE,
    ) -> None:
        self._profile = profile
        self._pause = pause
        self._keys = keys
        self._network = network or NetworkSettings()
        self._throttle = throttle
        self._lock = threading.Lock()
        self._sent: dict[str, tuple[str, str]] = {}
        self._can_copy = True

    @cached_property
    def _created_client(self) -> S3Client:
        try:
            client = make_client(self._profile, self._keys, self._network)
        except Exception as error:
            raise explain(error, self._profile) from error
        watch_sending(client)
        return client

    @property
    def _client(self) -> S3Client:
        with self._lock:
            return self._created_client

    @property
    def client(self) -> S3Client:
        """boto3's client of this bucket, created at its first use.

        Raises:
            PublishError: the settings give none.
        """
        return self._client

    def describe(self) -> str:
        """Return bucket, prefix and server."""
        where = self._profile.endpoint or f"Amazon S3 {self._profile.region}"
        return f"s3://{self._profile.bucket}/{self._profile.prefix.strip('/')} at {where}"

    def test(self, cancel: threading.Event | None = None) -> TestReport:
        """Write an object, read it back, send parts, and delete it."""
        from tui.destinations.s3.probe import probe

        return probe(self._client, self._profile, self._network, self._options, cancel)

    def test_large(self) -> Step:
        """Send an object in parts, as a trainer sends weights, and delete it."""
        from tui.destinations.s3.probe import probe_large

        return probe_large(self._client, self._profile)

    def prepare(self) -> None:
        """Do nothing: the user creates the bucket, as region, price and rights are their choice."""

    def plan(self, files: Sequence[LocalFile], cancel: threading.Event | None = None) -> list[Item]:
        """Compare each file with the object of its key."""
        check_names(tuple(files))
        items = []
        for file in files:
            key = self._profile.key(file.name)
            if len(key.encode()) > _KEY_BYTES:
                raise PublishError(
                    f"The key of {file.name} is longer than {_KEY_BYTES} bytes.",
                    "Use a shorter prefix or name.",
                    Trouble.NAME,
                )
            item = replace(describe_source(file, key, cancel), store=self._store)
            items.append(self._compare(item, cancel))
        return items

    @property
    def _store(self) -> str:
        return store_of(self._profile)

    def _compare(self, item: Item, cancel: threading.Event | None) -> Item:
        answer = head_before_sending(self._client, self._profile, item.target)
        if answer is None:
            return item
        if not answer:
            return replace(item, unseen=True)
        same = answer["ContentLength"] == item.size
        if same:
            same_content = self._compare_content(item, item.target, etag_of(answer), cancel)
            # The hash in the metadata counts only if the ETag proves nothing: the object may have
            # been damaged since, and only `verify` reads it back.
            same_metadata = answer.get("Metadata", {}).get(_HASH_KEY) == item.sha256
            same = same_metadata if same_content is None else same_content
        return replace(item, present=same, replaces=not same)

    def _options(self, name: str, digest: str) -> dict[str, Any]:
        """Return the request options of a new object."""
        profile = self._profile
        content_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        options: dict[str, Any] = {"ContentType": content_type, "Metadata": {_HASH_KEY: digest}}
        if profile.storage_class:
            options["StorageClass"] = profile.storage_class
        if profile.acl:
            options["ACL"] = profile.acl
        if profile.encryption:
            options["ServerSideEncryption"] = profile.encryption
            if profile.encryption == "aws:kms" and profile.kms_key:
                options["SSEKMSKeyId"] = profile.kms_key
        return options

    def send(
        self,
        item: Item,
        progress: Progress | None = None,
        cancel: threading.Event | None = None,
        resume: Resume | None = None,
    ) -> None:
        """Send a file: a small one in one request, others in parts, several at a time."""
        item.check_source()
        own_resume = Resume()
        meter = Meter(item.size, progress, cancel, self._throttle, self._pause)
        meter.check()
        try:
            etag = self._send(item, meter, resume or own_resume)
        except SourceChangedError:
            self.abandon(item, resume or own_resume)
            raise
        except PublishError:
            if resume is None:
                with contextlib.suppress(PublishError):
                    self.abandon(item, own_resume)
            raise
        except OSError as error:
            raise disk_error(error, f"{item.source} cannot be read") from error
        except Exception as error:
            raise explain(error, self._profile) from error
        self._sent[item.target] = (item.sha256, etag)
        (resume or own_resume).clear()
        meter.finish()

    def _send(self, item: Item, meter: Meter, resume: Resume) -> str:
        """Send in one request or in parts; returns the ETag that the object should have."""
        options = self._options(item.name, item.sha256)
        if item.size <= PART_BYTES:
            return self._put(item, meter, options, resume)
        return PartedUpload(self._client, self._profile, item, meter, resume).run(options)

    def copy(
        self, item: Item, source: str, cancel: threading.Event | None = None
    ) -> Literal["", "copied"]:
        """Have the server copy an object whose ETag proves that it has the same content."""
        item.check_source()
        meter = Meter(item.size, None, cancel, pause=self._pause)
        meter.check()
        if not self._can_copy:
            return ""
        try:
            answer = head_before_sending(self._client, self._profile, source)
            etag = answer["ETag"].strip('"') if answer else ""
            if not etag or not self._compare_content(item, source, etag, cancel):
                return ""
            options = self._options(item.name, item.sha256)
            copier = Copier(self._client, self._profile, item, meter)
            done = copier.copy(source, etag, options)
        except (TransferCancelledError, SourceChangedError):
            raise
        except Exception as error:  # noqa: BLE001 - sending is the fallback for every failure
            problem = explain(error, self._profile)
            LOG.info("%s does not copy: %s", self._profile.bucket, problem.message)
            self._can_copy = problem.retryable
            return ""
        return "copied" if done else ""

    def _compare_content(
        self, item: Item, key: str, etag: str, cancel: threading.Event | None
    ) -> bool | None:
        """Whether an object with that ETag has the item's content; None if the ETag cannot tell.

        A positive result is remembered, so that the file is not read again.
        """
        if etag and self._sent.get(key) == (item.sha256, etag):
            return True
        whole = hashlib.sha256()
        same = matches(item.source, item.size, etag, cancel, whole=whole)
        if same and whole.hexdigest() != item.sha256:
            raise SourceChangedError(item.name)
        if same:
            self._sent[key] = (item.sha256, etag)
        return same

    def _put(self, item: Item, meter: Meter, options: dict[str, Any], resume: Resume) -> str:
        with item.source.open("rb") as file:
            body = Body(item.name, file.fileno(), 0, item.size, meter)
            whole = hashlib.sha256()
            md5 = body.md5(whole)
            if whole.hexdigest() != item.sha256:
                raise SourceChangedError(item.name)
            unseen.write(
                item,
                resume,
                lambda condition: self._client.put_object(
                    Bucket=self._profile.bucket,
                    Key=item.target,
                    Body=body,
                    ContentLength=item.size,
                    ContentMD5=base64.b64encode(md5.digest()).decode(),
                    **options,
                    **condition,
                ),
                lambda call: call_with_retries(call, self._profile, meter, body),
            )
        item.check_source()
        return md5.hexdigest()

    def etag_sent(self, key: str) -> str:
        """Return the ETag that the object which was sent to this key has to have; "" if none was.

        A server that encrypts may give it another one.
        """
        return self._sent.get(key, ("", ""))[1]

    def finish(self, items: Sequence[Item], message: str = "") -> None:
        """Do nothing: objects are visible as soon as they are complete."""

    def verify(
        self, item: Item, *, deep: bool = False, cancel: threading.Event | None = None
    ) -> Verified:
        """Compare size and ETag; read the content back if the ETag is not an MD5 (encryption).

        Raises:
            UnverifiableError: the keys may write and not read.
        """
        try:
            return self._verify(item, cancel, deep=deep)
        except PublishError as error:
            if error.kind is not Trouble.PERMISSION:
                raise
            raise UnverifiableError(item.name, f"the bucket {self._profile.bucket}") from error

    def _verify(self, item: Item, cancel: threading.Event | None, *, deep: bool) -> Verified:
        answer = head(self._client, self._profile, item.target)
        if answer is None:
            raise MismatchError(item.name, "the bucket does not have it")
        size, etag = int(answer["ContentLength"]), str(answer.get("ETag", "")).strip('"')
        if size != item.size:
            raise MismatchError(item.name, f"{plural(size, 'byte')} instead of {item.size:,}")
        # A mismatch proves nothing here: some servers encrypt without saying so.
        if not deep and self._compare_content(item, item.target, etag, cancel):
            return Verified(size, "etag", etag)
        digest = self._read_back(item, cancel)
        if digest != item.sha256:
            raise MismatchError(item.name, "reading it back gives other bytes")
        return Verified(size, "read back", digest)

    def _read_back(self, item: Item, cancel: threading.Event | None) -> str:
        meter = Meter(item.size, None, cancel, self._throttle, self._pause)
        digest = hashlib.sha256()

        def read() -> str:
            answer = self._client.get_object(Bucket=self._profile.bucket, Key=item.target)
            with contextlib.closing(answer["Body"]) as body:
                for piece in body.iter_chunks(1024 * 1024):
                    meter.add(len(piece))
                    digest.update(piece)
            return digest.hexdigest()

        try:
            return read()
        except Exception as error:
            raise explain(error, self._profile) from error

    def abandon(self, item: Item, resume: Resume) -> None:
        """Abort the unfinished multipart upload: its parts would be billed."""
        upload_id = resume.data.get("upload_id")
        if upload_id:
            try:
                self._client.abort_multipart_upload(
                    Bucket=self._profile.bucket, Key=item.target, UploadId=upload_id
                )
            except Exception as error:
                if code_of(error) not in {"NoSuchUpload", *ABSENT}:
                    raise explain(error, self._profile) from error
        resume.clear()

    def link(self, item: Item) -> str | None:
        """Return the object's URL; a browser can open it only if the bucket is public."""
        return self._profile.url(item.target)

    def close(self) -> None:
        """Close the connections."""
        if "_created_client" in self.__dict__:
            self._created_client.close()
