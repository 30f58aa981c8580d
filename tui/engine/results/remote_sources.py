"""Places that a job delivered to by itself: a bucket, or a repository of the Hub."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime
from urllib.parse import quote

from tui.destinations.common.contract import FarFile
from tui.destinations.hub.reading import RepoReader
from tui.destinations.s3.profile import S3Keys, S3Profile, store_of
from tui.destinations.s3.reading import BucketReader
from tui.engine.results.source import Answer, Elsewhere, Remote, in_thread
from tui.replicate.secret import Secret
from tui.settings import NetworkSettings


class Bucket:
    """Objects below a prefix of a bucket, with the keys of the user's destination."""

    origin = "s3"

    def __init__(
        self,
        profile: S3Profile,
        keys: S3Keys,
        network: NetworkSettings,
        since: datetime | None = None,
        target: str = "",
    ) -> None:
        """Find the objects.

        Args:
            profile: bucket and prefix.
            keys: what opens it.
            network: the way out.
            since: leaves older objects out, where others use the same prefix.
            target: the place in terms of the user's destinations, where it is one of them.
        """
        where = profile.endpoint or "Amazon S3"
        self.place = f"s3://{profile.bucket}/{profile.prefix.strip('/')} at {where}"
        self._reader = BucketReader(profile, keys, network)
        self._since = since
        self._profile = profile
        self._target = target

    async def list(self) -> list[Remote]:
        """All objects."""
        return [_remote(one) for one in await asyncio.to_thread(self._reader.list, self._since)]

    async def look(self, remote: Remote) -> tuple[Remote, bool]:
        """Ask for what the content can be checked by."""
        sha256, etag = await asyncio.to_thread(self._reader.proofs_of, remote.key)
        return replace(remote, sha256=sha256, etag="" if sha256 else etag), bool(remote.size)

    def reading(
        self, remote: Remote, start: int, stop: int | None
    ) -> AbstractAsyncContextManager[Answer]:
        """Open one object, if it is still the same."""
        return in_thread(
            remote.name, start, self._reader.opened(remote.key, remote.mark, start, stop)
        )

    def kept_at(self, remote: Remote) -> Elsewhere | None:
        """In the bucket, where a destination of the user's leads to it."""
        if not self._target:
            return None
        key = self._profile.key(remote.key)
        return Elsewhere(self._target, key, store_of(self._profile), self._profile.url(key) or "")

    async def aclose(self) -> None:
        """Close the connections."""
        await asyncio.to_thread(self._reader.close)


class Repo:
    """A repository at one revision, which is found out once and kept."""

    origin = "hub"

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
        """All files of the revision."""
        revision = await asyncio.to_thread(self._reader.revision, self._revision)
        self._revision = revision
        return [_remote(one) for one in await asyncio.to_thread(self._reader.list, revision)]

    async def look(self, remote: Remote) -> tuple[Remote, bool]:
        """The list told all."""
        return remote, bool(remote.size)

    def reading(
        self, remote: Remote, start: int, stop: int | None
    ) -> AbstractAsyncContextManager[Answer]:
        """Open one file of the revision."""
        return in_thread(
            remote.name, start, self._reader.opened(remote.key, self._revision, start, stop)
        )

    def kept_at(self, remote: Remote) -> Elsewhere:
        """In the repository."""
        repo_id, endpoint = self._repo
        link = f"{endpoint}/{repo_id}/blob/main/{quote(remote.key)}"
        return Elsewhere(f"hub:{repo_id}", remote.key, f"{endpoint} {repo_id}", link)

    async def aclose(self) -> None:
        """The library keeps its connections for the whole program."""


def _remote(one: FarFile) -> Remote:
    return Remote(one.name, one.name, one.size, one.mark, one.sha256, one.git)
