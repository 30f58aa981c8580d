"""A place that holds what a job produced, and what can be read from it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from tui.destinations.common.contract import Reading
from tui.destinations.common.errors import PublishError, Trouble

PIECE = 1024 * 1024
"""Bytes that are read at a time."""


@dataclass(frozen=True, slots=True)
class Remote:
    """One file there.

    Attributes:
        name: relative, as it will lie in the job's folder, where hidden names become visible.
        key: how the source finds it.
        size: bytes, None while unknown.
        mark: changes when the content does (an ETag, a hash); "" while unknown.
        sha256: of the content in hex, "" when the source does not tell.
        git: git's hash of the content, "" when the source does not tell.
        md5: of the content in hex, "" when the source does not tell.
        etag: S3's, where it may be a hash of the content.
    """

    name: str
    key: str
    size: int | None = None
    mark: str = ""
    sha256: str = ""
    git: str = ""
    md5: str = ""
    etag: str = ""


@dataclass(frozen=True, slots=True)
class RemoteLocation:
    """Where a source keeps a file for good, in the terms of a publication.

    Attributes:
        target: the place as the user's destinations name it.
        key: the file's name there.
        store: what the far end can copy within, as in an `Item`.
        link: an address for people, or "".
    """

    target: str
    key: str
    store: str
    link: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes when a file is opened, from byte `start` on.

    Attributes:
        pieces: what comes.
        read: the same for a thread: the next bytes, empty at the end; None where there is no
            blocking way. Only one of the two may be used.
    """

    start: int
    pieces: AsyncIterator[bytes]
    read: Callable[[int], bytes] | None = None


class Source(Protocol):
    """One place.

    Attributes:
        origin: `replicate`, `hub` or `s3`.
        place: for people; holds no secret and no signed address.
    """

    origin: str
    place: str

    async def list(self) -> list[Remote]:
        """All files of the job there; PublishError when it cannot be asked."""

    async def look(self, remote: Remote) -> tuple[Remote, bool]:
        """The same file with what can be known before it is read, and whether it takes ranges."""

    def reading(
        self, remote: Remote, start: int, stop: int | None
    ) -> AbstractAsyncContextManager[Answer]:
        """Open it from `start` up to `stop` (not included).

        Raises:
            ContentChangedError: it is another file now.
            PublishError: it cannot be read.
        """

    def kept_at(self, remote: Remote) -> RemoteLocation | None:
        """Where the file stays; None where it will be deleted, or nobody could find it again."""

    async def aclose(self) -> None:
        """Let go of connections."""


class ContentChangedError(PublishError):
    """A file is not the one any more that was begun to be fetched."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} changed while it was fetched.",
            "It will be fetched from its beginning.",
            Trouble.BUSY,
        )


@asynccontextmanager
async def in_thread(
    name: str, start: int, manager: AbstractContextManager[Reading]
) -> AsyncIterator[Answer]:
    """A blocking reader as an answer, each step in a thread."""
    reading = await asyncio.to_thread(manager.__enter__)
    try:
        if reading.start != start:
            raise ContentChangedError(name)
        yield Answer(reading.start, _pieces(reading.read), reading.read)
    finally:
        await asyncio.shield(asyncio.to_thread(manager.__exit__, None, None, None))


async def _pieces(read: Callable[[int], bytes]) -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(read, PIECE):
        yield piece
