"""Reading objects from a bucket, from any byte on."""

from __future__ import annotations

import builtins
import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

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
    """Objects below the profile's prefix."""

    def __init__(self, profile: S3Profile, keys: S3Keys, network: NetworkSettings) -> None:
        self._profile = profile
        try:
            self._client: S3Client = make_client(profile, keys, network)
        except Exception as error:
            raise explain(error, profile) from error

    def list(self, since: datetime | None = None) -> list[RemoteFile]:
        """All objects, by their names below the prefix; with `since`, those that are younger.

        A prefix that is one object's whole key is that object, whenever it was made.
        """
        prefix = self._profile.prefix.strip("/")
        start = f"{prefix}/" if prefix else ""
        found: list[RemoteFile] = []
        try:
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._profile.bucket, Prefix=start
            )
            for page in pages:
                for item in page.get("Contents", []):
                    name = str(item["Key"]).removeprefix(start)
                    if not name or name.endswith("/"):
                        continue  # what web consoles make for an empty folder
                    if since is not None and item["LastModified"] < since:
                        continue
                    found.append(RemoteFile(name, int(item["Size"]), str(item["ETag"]).strip('"')))
        except Exception as error:
            raise explain(error, self._profile) from error
        return found or self._itself(prefix)

    def _itself(self, key: str) -> builtins.list[RemoteFile]:
        """The object of this very key, if there is one; others are below its folder from now on."""
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
        """What a copy can be checked by: the SHA-256 that a sender put beside it, and the ETag.

        Either may be "" (for the ETag see `etag_of`).
        """
        try:
            head = self._client.head_object(
                Bucket=self._profile.bucket, Key=self._profile.key(name)
            )
        except Exception as error:
            raise self._explained(error, name) from error
        return str(head.get("Metadata", {}).get(_HASH_KEY, "")), etag_of(head)

    @contextlib.contextmanager
    def opened(self, name: str, mark: str, start: int, stop: int | None) -> Iterator[Reading]:
        """An object from `start` on, if it still has this ETag.

        Raises:
            PublishError: `Trouble.CHANGED` when it is another object now.
        """
        last = "" if stop is None else str(stop - 1)
        ranged: dict[str, Any] = {}
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
            raise self._explained(error, name) from error
        begin = _begin(answer, start)
        with contextlib.closing(answer["Body"]) as body:

            def read(size: int) -> bytes:
                try:
                    return bytes(body.read(size))
                except Exception as error:
                    raise explain(error, self._profile) from error

            yield Reading(begin, read)

    def _explained(self, error: Exception, name: str) -> PublishError:
        code = code_of(error)
        if code in _CHANGED:
            words = f"{name} changed while it was fetched."
            return PublishError(words, "It will be fetched anew.", Trouble.CHANGED)
        if code in _GONE:
            words = f"{name} is not in the bucket any more."
            return PublishError(words, "Somebody deleted it there.", Trouble.MISSING)
        return explain(error, self._profile)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _begin(answer: Mapping[str, Any], asked: int) -> int:
    """The first byte that comes.

    The header counts and not the status: rclone's server answers a range with 200.
    """
    found = _RANGE.match(str(answer.get("ContentRange", "")))
    if found:
        return int(found[1])
    return asked if answer["ResponseMetadata"]["HTTPStatusCode"] == 206 else 0


ABSENT = frozenset({"404", "NoSuchKey", "NotFound"})


def head(client: S3Client, profile: S3Profile, key: str) -> dict[str, Any] | None:
    """Size, ETag and metadata of an object; None when there is none.

    Raises:
        PublishError: the server refused, or does not answer.
    """
    where = {"Bucket": profile.bucket, "Key": key}
    try:
        answer = _head(client, where)
        if answer == {}:  # refused without a reason: GET is told the reason
            client.get_object(**where, Range="bytes=0-0")["Body"].close()
            answer = client.head_object(**where)  # it found the right region
    except Exception as error:
        if code_of(error) in ABSENT:
            return None
        raise explain(error, profile) from error
    if "ContentLength" not in answer or "ETag" not in answer:
        raise no_s3(profile)
    return answer


def _head(client: S3Client, where: dict[str, str]) -> dict[str, Any]:
    """The answer to HEAD, which has no body: empty where it is a refusal without a reason."""
    try:
        answer: dict[str, Any] = client.head_object(**where)
    except Exception as error:
        if code_of(error).isdecimal() and code_of(error) not in ABSENT:
            return {}
        raise
    return answer


def head_before_sending(client: S3Client, profile: S3Profile, key: str) -> dict[str, Any] | None:
    """The same, for an object that may not be there yet.

    Keys that may put and get but not list are told "access denied" instead of "not found" when
    they ask for what is not there. Whether they may put shows when something is put.
    """
    try:
        return head(client, profile, key)
    except PublishError as error:
        if error.kind is Trouble.PERMISSION:
            return None
        raise


def etag_of(answer: dict[str, Any]) -> str:
    """The ETag in the answer to HEAD; "" where it is said to be no hash of the content.

    With KMS and with keys of one's own it is none, whatever it looks like
    (https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html).
    """
    hidden = answer.get("ServerSideEncryption", "AES256") != "AES256"
    if hidden or "SSECustomerAlgorithm" in answer:
        return ""
    return str(answer.get("ETag", "")).strip('"')
