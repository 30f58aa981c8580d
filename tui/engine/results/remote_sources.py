"""The sources a trainer delivers to: a bucket, and a repository on the Hub."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from urllib.parse import SplitResult, quote, unquote, urlsplit

from tui.base.json_types import JsonObject, as_object
from tui.destinations.common.contract import RemoteFile
from tui.destinations.hub.reading import RepoReader
from tui.destinations.s3.profile import S3Keys, S3Profile, store_of
from tui.destinations.s3.reading import BucketReader
from tui.engine.results.replicate_outputs import texts_of
from tui.engine.results.source import Answer, Remote, RemoteLocation, in_thread
from tui.replicate.secret import Secret
from tui.settings import NetworkSettings
from tui.store.records import JobRecord
from tui.store.transfer_records import DestinationRecord, Origin


class Bucket:
    """Objects below a prefix of a bucket, read with the keys of the user's destination."""

    origin: Origin = "s3"

    def __init__(
        self,
        profile: S3Profile,
        keys: S3Keys,
        network: NetworkSettings,
        since: datetime | None = None,
        target: str = "",
    ) -> None:
        """Create the reader; nothing is requested yet.

        Args:
            profile: bucket and prefix.
            keys: the keys to read with.
            network: proxy and certificates.
            since: skips older objects, for a prefix that is shared with other jobs.
            target: the place as a target of the user's destinations; "" if it is none.
        """
        where = profile.endpoint or "Amazon S3"
        self.place = f"s3://{profile.bucket}/{profile.prefix.strip('/')} at {where}"
        self._reader = BucketReader(profile, keys, network)
        self._since = since
        self._profile = profile
        self._target = target

    async def list(self) -> list[Remote]:
        """List the objects."""
        return [_remote(file) for file in await asyncio.to_thread(self._reader.list, self._since)]

    async def inspect(self, remote: Remote) -> tuple[Remote, bool]:
        """Read the object's checksums."""
        sha256, etag = await asyncio.to_thread(self._reader.proofs_of, remote.key)
        return replace(remote, sha256=sha256, etag="" if sha256 else etag), bool(remote.size)

    def reading(
        self, remote: Remote, start: int, stop: int | None
    ) -> AbstractAsyncContextManager[Answer]:
        """Open an object; an `If-Match` header ensures that it is unchanged."""
        return in_thread(
            remote.name, start, self._reader.opened(remote.key, remote.mark, start, stop)
        )

    def permanent_location(self, remote: Remote) -> RemoteLocation | None:
        """The object in the bucket; None if it is not below one of the user's destinations."""
        if not self._target:
            return None
        key = self._profile.key(remote.key)
        return RemoteLocation(
            self._target, key, store_of(self._profile), self._profile.url(key) or ""
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await asyncio.to_thread(self._reader.close)


class Repo:
    """A repository at one revision; `list` resolves a branch to its commit."""

    origin: Origin = "hub"

    def __init__(
        self,
        repo_id: str,
        revision: str,
        *,
        endpoint: str,
        token: Secret | None,
        network: NetworkSettings,
    ) -> None:
        self.place = f"{repo_id} on the Hugging Face Hub"
        self._reader = RepoReader(repo_id, endpoint=endpoint, token=token, network=network)
        self._revision = revision
        self._repo = (repo_id, endpoint)

    async def list(self) -> list[Remote]:
        """List the files of the revision."""
        revision = await asyncio.to_thread(self._reader.revision, self._revision)
        self._revision = revision
        return [_remote(file) for file in await asyncio.to_thread(self._reader.list, revision)]

    async def inspect(self, remote: Remote) -> tuple[Remote, bool]:
        """Return the file as it is: `list` gives all there is to know."""
        return remote, bool(remote.size)

    def reading(
        self, remote: Remote, start: int, stop: int | None
    ) -> AbstractAsyncContextManager[Answer]:
        """Open a file of the revision."""
        return in_thread(
            remote.name, start, self._reader.opened(remote.key, self._revision, start, stop)
        )

    def permanent_location(self, remote: Remote) -> RemoteLocation:
        """The file in the repository."""
        repo_id, endpoint = self._repo
        link = f"{endpoint}/{repo_id}/blob/main/{quote(remote.key)}"
        return RemoteLocation(f"hub:{repo_id}", remote.key, f"{endpoint} {repo_id}", link)

    async def aclose(self) -> None:
        """Do nothing: huggingface_hub keeps its connections for the whole process."""


def _remote(file: RemoteFile) -> Remote:
    return Remote(file.name, file.name, file.size, file.mark, file.sha256, file.git)


_DEFAULT_PREFIX: Final = "simpletuner"
_PORTS: Final = {"http": 80, "https": 443}


def bucket_of(job: JobRecord, records: Sequence[DestinationRecord]) -> dict[str, str] | None:
    """The bucket in the trainer's inputs or in its output; None for our own receiver's.

    Args:
        job: the job.
        records: the user's destinations, by which an output that is a web address is recognised.

    Returns:
        `{bucket, endpoint, region, prefix, destination}`, with "" for what is not known.
    """
    if job.delivery == "local":
        return None
    inputs = job.inputs
    draft = as_object(job.submit.get("draft", {}).get("delivery"))
    if bucket := _text(inputs.get("s3_bucket")):
        return {
            "bucket": bucket,
            "endpoint": _text(inputs.get("s3_endpoint_url")),
            "region": _text(inputs.get("s3_region")),
            "prefix": (_text(inputs.get("s3_base_path")) or _DEFAULT_PREFIX).strip("/"),
            "destination": _text(draft.get("destination")),
        }
    for text in texts_of(job.output):
        parts = _split(text)
        if parts is None:
            continue
        if parts.scheme == "s3" and parts.netloc:
            return {
                "bucket": parts.netloc, "endpoint": "", "region": "",
                "prefix": unquote(parts.path).strip("/"), "destination": "",
            }  # fmt: skip
        if parts.scheme in _PORTS and (match := _match_destination(parts, records)) is not None:
            return match
    return None


def _match_destination(
    parts: SplitResult, records: Sequence[DestinationRecord]
) -> dict[str, str] | None:
    """Match an address to the user's destination with the longest common path.

    Only bucket and prefix are taken from the address. Requests, and the keys with them, go to the
    destination's own endpoint.
    """
    match: tuple[int, dict[str, str]] | None = None
    path = unquote(parts.path)
    for record in records:
        if record.kind != "s3":
            continue
        for base in _bases(record.options):
            base_path = unquote(base.path).rstrip("/")
            if _host(base) != _host(parts) or not f"{path}/".startswith(f"{base_path}/"):
                continue
            if match is None or len(base_path) > match[0]:
                bucket = {
                    "bucket": str(record.options["bucket"]),
                    "endpoint": _text(record.options.get("endpoint")),
                    "region": "",
                    "prefix": path[len(base_path) :].strip("/"),
                    "destination": record.name,
                }
                match = len(base_path), bucket
    return match[1] if match is not None else None


def _bases(options: JsonObject) -> Iterator[SplitResult]:
    """Base addresses of a bucket's objects: path style, virtual-host style and public links."""
    bucket, endpoint = str(options["bucket"]), _text(options.get("endpoint"))
    if endpoint:
        endpoints = [endpoint]
    else:
        region = _text(options.get("region")) or "us-east-1"
        endpoints = [f"https://s3.{region}.amazonaws.com", "https://s3.amazonaws.com"]
    texts = [_text(options.get("public_base_url"))]
    for base_endpoint in endpoints:
        parts = urlsplit(base_endpoint)
        texts.append(f"{base_endpoint.rstrip('/')}/{bucket}")
        texts.append(f"{parts.scheme}://{bucket}.{parts.netloc}{parts.path.rstrip('/')}")
    for text in texts:
        parsed = _split(text)
        if parsed is not None and parsed.hostname:
            yield parsed


def _split(text: str) -> SplitResult | None:
    """Parse an address; None if it is not valid, since an output may be any text."""
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _host(parts: SplitResult) -> tuple[str, int | None]:
    return (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme)


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""
