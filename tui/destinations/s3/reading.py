"""Reads objects of a bucket, from any byte on, and their metadata."""

from __future__ import annotations

import builtins
import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, TypedDict

from tui.destinations.common.contract import Reading, RemoteFile
from tui.destinations.common.errors import PublishError, Trouble
from tui.destinations.s3.client import S3Client, make_client
from tui.destinations.s3.errors import code_of, explain, no_s3
from tui.destinations.s3.profile import S3Keys, S3Profile
from tui.settings import NetworkSettings

_HASH_KEY = "sha256"
_RANGE = re.compile(r"bytes (\d+)-")
_GONE = {"404", "NoSuchKey", "NotFound"}
_CHANGED = {"412", "PreconditionFailed", "416", "InvalidRange"}


class BucketReader:
    """Lists and reads objects below the profile's prefix."""

    def __init__(self, profile: S3Profile, keys: S3Keys, network: NetworkSettings) -> None:
        self._profile = profile
        try:
            self._client: S3Client = make_client(profile, keys, network)
        except Exception as error:
            raise explain(error, profile) from error

    def list(self, since: datetime | None = None) -> list[RemoteFile]:
        """Return all objects, by their names below the prefix; with `since`, only newer ones.

        If the prefix is the key of an object, that object alone is returned, whatever its age.
        """
        prefix = self._profile.prefix.strip("/")
        start = f"{prefix}/" if prefix else ""
        files: list[RemoteFile] = []
        try:
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._profile.bucket, Prefix=start
            )
            for page in pages:
                for item in page.get("Contents", []):
                    name = str(item["Key"]).removeprefix(start)
                    if not name or name.endswith("/"):
                        continue  # a placeholder that web consoles create for an empty folder
                    if since is not None and item["LastModified"] < since:
                        continue
                    files.append(RemoteFile(name, int(item["Size"]), str(item["ETag"]).strip('"')))
        except Exception as error:
            raise explain(error, self._profile) from error
        return files or self._single_object(prefix)

    def _single_object(self, key: str) -> builtins.list[RemoteFile]:
        """Return the object of exactly this key, if any, and use its folder as the prefix."""
        if not key:
            return []
        try:
            head = self._client.head_object(Bucket=self._profile.bucket, Key=key)
        except Exception as error:
            if code_of(error) in _GONE:
                return []
            raise explain(error, self._profile) from error
        folder, _, name = key.rpartition("/")
        self._profile = replace(self._profile, prefix=folder)
        return [RemoteFile(name, int(head["ContentLength"]), str(head["ETag"]).strip('"'))]

    def proofs_of(self, name: str) -> tuple[str, str]:
        """Return what a copy can be verified by: the SHA-256 in the metadata, and the ETag.

        Either may be "" (for the ETag see `etag_of`).
        """
        try:
            head = self._client.head_object(
                Bucket=self._profile.bucket, Key=self._profile.key(name)
            )
        except Exception as error:
            raise self._read_error(error, name) from error
        return str(head.get("Metadata", {}).get(_HASH_KEY, "")), etag_of(head)

    @contextlib.contextmanager
    def opened(self, name: str, mark: str, start: int, stop: int | None) -> Iterator[Reading]:
        """Open an object from byte `start` on, if it still has this ETag.

        Raises:
            PublishError: `Trouble.CHANGED` if it was replaced.
        """
        last = "" if stop is None else str(stop - 1)
        ranged: dict[str, str] = {}
        if start or stop is not None:
            ranged["Range"] = f"bytes={start}-{last}"
        try:
            answer = self._client.get_object(
                Bucket=self._profile.bucket,
                Key=self._profile.key(name),
                IfMatch=f'"{mark}"',
                **ranged,
            )
        except Exception as error:
            raise self._read_error(error, name) from error
        begin = _first_byte(answer, start)
        with contextlib.closing(answer["Body"]) as body:

            def read(size: int) -> bytes:
                try:
                    return bytes(body.read(size))
                except Exception as error:
                    raise explain(error, self._profile) from error

            yield Reading(begin, read)

    def _read_error(self, error: Exception, name: str) -> PublishError:
        code = code_of(error)
        if code in _CHANGED:
            message = f"{name} changed while it was fetched."
            return PublishError(message, "It will be fetched anew.", Trouble.CHANGED)
        if code in _GONE:
            message = f"{name} is not in the bucket any more."
            return PublishError(message, "Somebody deleted it there.", Trouble.MISSING)
        return explain(error, self._profile)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _first_byte(answer: Mapping[str, Any], requested: int) -> int:
    """Return the offset of the first byte of an answer.

    The header counts and not the status: rclone's server answers a range with 200.
    """
    match = _RANGE.match(str(answer.get("ContentRange", "")))
    if match:
        return int(match[1])
    return requested if answer["ResponseMetadata"]["HTTPStatusCode"] == 206 else 0


ABSENT = frozenset({"404", "NoSuchKey", "NotFound"})


class ObjectHead(TypedDict, total=False):
    """What is read of an answer to HEAD; those of `head` have size and ETag."""

    ContentLength: int
    ETag: str
    Metadata: dict[str, str]
    ServerSideEncryption: str
    SSECustomerAlgorithm: str


def head(client: S3Client, profile: S3Profile, key: str) -> ObjectHead | None:
    """Return size, ETag and metadata of an object; None if it does not exist.

    Raises:
        PublishError: the server refused, or does not answer.
    """
    where = {"Bucket": profile.bucket, "Key": key}
    try:
        answer = _head(client, where)
        if not answer:  # an answer to HEAD has no body, so GET is used to get the reason
            client.get_object(**where, Range="bytes=0-0")["Body"].close()
            answer = client.head_object(**where)  # GET succeeded: boto3 found the right region
    except Exception as error:
        if code_of(error) in ABSENT:
            return None
        raise explain(error, profile) from error
    if "ContentLength" not in answer or "ETag" not in answer:
        raise no_s3(profile)
    return answer


def _head(client: S3Client, where: dict[str, str]) -> ObjectHead:
    """Return the answer to HEAD; empty for a refusal without a known reason."""
    try:
        answer: ObjectHead = client.head_object(**where)
    except Exception as error:
        if code_of(error).isdecimal() and code_of(error) not in ABSENT:
            return {}
        raise
    return answer


def head_before_sending(client: S3Client, profile: S3Profile, key: str) -> ObjectHead | None:
    """Return the same as `head` for an object that may not exist yet; empty if that is not told.

    For keys that may put and get but not list, S3 answers "access denied" instead of "not found".
    Whether they may put shows when something is put.
    """
    try:
        return head(client, profile, key)
    except PublishError as error:
        if error.kind is Trouble.PERMISSION:
            return {}
        raise


def etag_of(answer: ObjectHead) -> str:
    """Return the ETag in an answer to HEAD; "" if it is not a hash of the content.

    With KMS and with customer-provided keys it is not, whatever it looks like
    (https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html).
    """
    hidden = answer.get("ServerSideEncryption", "AES256") != "AES256"
    if hidden or "SSECustomerAlgorithm" in answer:
        return ""
    return str(answer.get("ETag", "")).strip('"')
