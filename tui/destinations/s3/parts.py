"""Sends a file to S3 as a multipart upload that can be resumed, several parts at a time.

The caller stores a small dictionary: the upload id, the part size, and for each part that arrived
its ETag and MD5. With it the upload is resumed after a crash, also by another process. boto3's
`upload_file` (s3transfer) cannot do that: it keeps this state in memory and aborts on errors.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import math
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from tui.destinations.common.contract import Item, Resume
from tui.destinations.common.errors import PublishError, TransferCancelledError, Trouble
from tui.destinations.common.meter import Meter
from tui.destinations.s3 import unseen
from tui.destinations.s3.body import Body
from tui.destinations.s3.client import S3Client
from tui.destinations.s3.errors import code_of, explain, no_s3
from tui.destinations.s3.profile import S3Profile

MIB = 1024 * 1024
PART_BYTES = 8 * MIB
"""The part size, and the largest file that is sent in one request; S3 requires at least 5 MiB."""
PARTS_AT_ONCE = 6
_MOST_PARTS = 9_000  # S3 allows 10 000
_TRIES = 3
_FORGOTTEN = frozenset({"NoSuchUpload", "InvalidPart", "InvalidPartOrder"})
"""Error codes for an upload or parts that the server does not have."""
_T = TypeVar("_T")


def part_size(size: int) -> int:
    """Return the part size for a file: 8 MiB, or more if there would be too many parts."""
    return max(PART_BYTES, math.ceil(size / _MOST_PARTS / MIB) * MIB)


def call_with_retries(
    call: Callable[[], _T], profile: S3Profile, meter: Meter, body: Body | None = None
) -> _T:
    """Call, and retry after temporary failures, with pauses that `meter.cancel` interrupts.

    boto3's own retries are off: their pauses cannot be interrupted.

    Raises:
        PublishError: the last attempt failed.
    """
    pause = meter.pause
    for attempts_left in reversed(range(_TRIES)):
        try:
            meter.check()
            return call()
        except Exception as error:
            if meter.cancel.is_set():
                raise TransferCancelledError from None
            problem = explain(error, profile)
            if body is not None:
                body.rewind()
            if not problem.retryable or not attempts_left or code_of(error) == "NoSuchUpload":
                raise problem from error
            meter.cancel.wait(max(pause, min(problem.retry_after or 0, 10)))
            pause *= 2
    raise AssertionError("unreachable")  # pragma: no cover - the last try returns or raises


class PartedUpload:
    """A multipart upload."""

    def __init__(
        self, client: S3Client, profile: S3Profile, item: Item, meter: Meter, resume: Resume
    ) -> None:
        self._client = client
        self._profile = profile
        self._item = item
        self._meter = meter
        self._resume = resume
        self._lock = threading.Lock()
        self._where = {"Bucket": profile.bucket, "Key": item.target}

    def run(self, options: dict[str, Any]) -> str:
        """Send the missing parts and complete the upload; returns the ETag to expect."""
        if self._can_resume():
            try:
                return self._send_missing()
            except PublishError as error:
                if error.__cause__ is None or code_of(error.__cause__) not in _FORGOTTEN:
                    raise
            # The stored state does not match the server's.
            with contextlib.suppress(Exception):
                self._client.abort_multipart_upload(
                    **self._where, UploadId=self._resume.data["upload_id"]
                )
            self._meter.restart()
        self._start(options)
        return self._send_missing()

    def _send_missing(self) -> str:
        size, parts = int(self._resume.data["part"]), self._resume.data["parts"]
        count = math.ceil(self._item.size / size)
        missing = [number for number in range(1, count + 1) if str(number) not in parts]
        for number in set(range(1, count + 1)) - set(missing):
            self._meter.add(self._length(number, size), limited=False)
        self._send_all(missing, size)
        self._item.check_source()
        ordered = [
            {"PartNumber": number, "ETag": parts[str(number)]["etag"]}
            for number in range(1, count + 1)
        ]
        unseen.write(
            self._item,
            self._resume,
            lambda condition: self._client.complete_multipart_upload(
                **self._where,
                UploadId=self._resume.data["upload_id"],
                MultipartUpload={"Parts": ordered},
                **condition,
            ),
            lambda call: call_with_retries(call, self._profile, self._meter),
        )
        return whole_etag([parts[str(number)]["md5"] for number in range(1, count + 1)])

    def _can_resume(self) -> bool:
        """Whether the stored upload is of this file and still exists on the server.

        Many keys may put but not list parts: for them the stored state counts until the server
        contradicts it.
        """
        data = self._resume.data
        if data.get("sha256") != self._item.sha256 or data.get("key") != self._item.target:
            return False
        if not data.get("upload_id"):
            return False
        try:
            etags = self._list_parts(data["upload_id"])
        except Exception as error:
            if code_of(error) in {"NoSuchUpload", "404", "NoSuchKey"}:
                return False
            problem = explain(error, self._profile)
            if problem.kind is not Trouble.PERMISSION:
                raise problem from error
            return True
        kept = {
            number: part
            for number, part in data["parts"].items()
            if etags.get(int(number)) == part["etag"].strip('"')
        }
        data["parts"] = kept
        return True

    def _list_parts(self, upload_id: str) -> dict[int, str]:
        etags: dict[int, str] = {}
        marker = 0
        while True:
            page = self._client.list_parts(
                **self._where, UploadId=upload_id, PartNumberMarker=marker
            )
            for part in page.get("Parts", []):
                etags[int(part["PartNumber"])] = str(part["ETag"]).strip('"')
            following = int(page.get("NextPartNumberMarker") or 0)
            if not page.get("IsTruncated") or following <= marker:  # some servers know no pages
                return etags
            marker = following

    def _start(self, options: dict[str, Any]) -> None:
        answer = call_with_retries(
            lambda: self._client.create_multipart_upload(**self._where, **options),
            self._profile,
            self._meter,
        )
        if "UploadId" not in answer:
            raise no_s3(self._profile)
        begun = self._resume.data.get(unseen.BEGUN)
        self._resume.data.clear()
        if begun is not None:  # its last request may have been carried out
            self._resume.data[unseen.BEGUN] = begun
        self._resume.data.update(
            key=self._item.target,
            sha256=self._item.sha256,
            upload_id=answer["UploadId"],
            part=part_size(self._item.size),
            parts={},
        )
        self._resume.changed()

    def _length(self, number: int, size: int) -> int:
        return min(size, self._item.size - (number - 1) * size)

    def _send_all(self, missing: list[int], size: int) -> None:
        stop = threading.Event()
        with ThreadPoolExecutor(PARTS_AT_ONCE, thread_name_prefix="s3-part") as pool:
            waiting = [pool.submit(self._send_part, number, size, stop) for number in missing]
            done, _ = wait(waiting, return_when=FIRST_EXCEPTION)
            stop.set()
            if any(future.exception() for future in done) and not self._meter.cancel.is_set():
                self._item.check_source()  # a changed file explains a wrong checksum of a part
            _raise_first(list(done), self._meter)

    def _send_part(self, number: int, size: int, stop: threading.Event) -> None:
        if stop.is_set():
            return
        self._meter.check()
        length = self._length(number, size)
        with self._item.source.open("rb") as file:
            body = Body(self._item.name, file.fileno(), (number - 1) * size, length, self._meter)
            md5 = body.md5()
            self._item.check_source()
            answer = call_with_retries(
                lambda: self._client.upload_part(
                    **self._where,
                    UploadId=self._resume.data["upload_id"],
                    PartNumber=number,
                    Body=body,
                    ContentLength=length,
                    ContentMD5=base64.b64encode(md5.digest()).decode(),
                ),
                self._profile,
                self._meter,
                body,
            )
        with self._lock:
            part = {"etag": str(answer["ETag"]), "md5": md5.hexdigest()}
            self._resume.data["parts"][str(number)] = part
            self._resume.changed()


def _raise_first(done: list[Future[None]], meter: Meter) -> None:
    errors = [error for future in done if (error := future.exception()) is not None]
    if meter.cancel.is_set():
        raise TransferCancelledError
    for error in errors:
        if not isinstance(error, TransferCancelledError):
            raise error
    if errors:
        raise errors[0]


def whole_etag(md5s: list[str]) -> str:
    """Return S3's ETag of an object made of parts with these MD5s."""
    together = hashlib.md5(b"".join(map(bytes.fromhex, md5s)), usedforsecurity=False)
    return f"{together.hexdigest()}-{len(md5s)}"
