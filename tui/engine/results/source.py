"""The interface of a source of results, and the data types it works with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from tui.destinations.common.contract import Reading
from tui.destinations.common.errors import PublishError, Trouble
from tui.store.transfer_records import Origin

PIECE_BYTES = 1024 * 1024
"""Bytes per read."""


@dataclass(frozen=True, slots=True)
class Remote:
    """One file at a source.

    Attributes:
        name: path relative to the job's folder; hidden names are made visible there.
        key: how the source addresses it.
        size: bytes; None while unknown.
        mark: changes when the content does (an ETag, a hash); "" while unknown.
        sha256: of the content in hex; "" if the source has none.
        git: git's blob hash in hex; "" if the source has none.
        md5: of the content in hex; "" if the source has none.
        etag: S3's ETag if it can be computed from the content; else "".
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
    """Where a source keeps a file permanently, in the terms of a transfer.

    Attributes:
        target: the target in terms of the user's destinations.
        key: the file's name there.
        store: identifies the storage that copies can be made within; see `Item.store`.
        link: web address for the user; "" if there is none.
    """

    target: str
    key: str
    store: str
    link: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The content of an opened file.

    Attributes:
        start: offset of the first byte.
        pieces: the content.
        read: the same for a thread: returns the next bytes, b"" at the end; None if the source has
            no blocking reader. Only one of the two may be used.
    """

    start: int
    pieces: AsyncIterator[bytes]
    read: Callable[[int], bytes] | None = None


class Source(Protocol):
    """A place that results are fetched from.

    Attributes:
        origin: the kind of place.
        place: name for the user, without secrets and signed addresses.
    """

    origin: Origin
    place: str

    async def list(self) -> list[Remote]:
        """List the job's files.

        Raises:
            PublishError: the source cannot be read.
        """

    async def inspect(self, remote: Remote) -> tuple[Remote, bool]:
        """Complete a file's size, mark and checksums before it is read.

        Returns:
            The completed file, and whether ranges of it can be read.
        """

    def reading(
        self, remote: Remote, start: int, stop: int | None
    ) -> AbstractAsyncContextManager[Answer]:
        """Open a file from offset `start` up to `stop` (exclusive); None reads to the end.

        Raises:
            ContentChangedError: the content is not that of `remote.mark` any more.
            PublishError: the file cannot be read.
        """

    def permanent_location(self, remote: Remote) -> RemoteLocation | None:
        """Where the source keeps the file; None if it deletes it, or no destination leads there."""

    async def aclose(self) -> None:
        """Close the connections."""


class ContentChangedError(PublishError):
    """The content of a file changed while it was downloaded."""

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
    """Wrap a blocking reader as an `Answer`; each step runs in a thread."""
    reading = await asyncio.to_thread(manager.__enter__)
    try:
        if reading.start != start:
            raise ContentChangedError(name)
        yield Answer(reading.start, _pieces(reading.read), reading.read)
    finally:
        await asyncio.shield(asyncio.to_thread(manager.__exit__, None, None, None))


async def _pieces(read: Callable[[int], bytes]) -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(read, PIECE_BYTES):
        yield piece
