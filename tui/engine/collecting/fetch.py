"""Fetching one file: in parts, several at once, resumable, checked, and there only when whole."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tui.engine.collecting.source import Answer, ContentChangedError, Remote, Source
from tui.publishing.errors import MismatchError, PublishError, Trouble, disk_error
from tui.publishing.hub import git_hash
from tui.publishing.meter import pieces as pieces_of
from tui.publishing.s3_etag import matches

PART: Final = 8 * 1024 * 1024
_LOOK_EVERY: Final = PART
"""Bytes between two looks at the room, for what comes without a length."""
_TRIES: Final = 3
_FIRST_PAUSE: Final = 0.5
_KEEP_EVERY: Final = 0.5
"""Seconds between two notes: what came since the last one comes again after a crash."""


async def settled(call: Callable[..., None], *values: Any) -> None:
    """Run a call in a thread and do not leave before it has ended, even when cancelled.

    A thread that still wrote after its file was closed might write into another one.
    """
    work = asyncio.ensure_future(asyncio.to_thread(call, *values))
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        raise


@dataclass(frozen=True, slots=True)
class Got:
    """A whole file, checked and in its place."""

    size: int
    sha256: str


@dataclass(slots=True)
class Fetch:
    """One file on its way here.

    Attributes:
        source: where it is.
        remote: what it is there.
        target: where it goes; a hidden neighbour holds it until it is whole.
        notes: what an earlier try left, as plain data: `{mark, size, parts: {number: bytes}}`, or
            `{least}`, the bytes that there was no room for.
        keep: called with the notes when they changed in a way worth keeping.
        progress: called with the bytes that are here.
        room: called with the bytes that are still to come, as far as is known, perhaps more than
            once; PublishError when they do not fit.
        streams: how many connections there may be at once, for all files together.
    """

    source: Source
    remote: Remote
    target: Path
    notes: dict[str, Any]
    keep: Callable[[dict[str, Any]], None]
    progress: Callable[[int], None]
    room: Callable[[int], None]
    streams: asyncio.Semaphore
    _kept: float = float("-inf")

    @property
    def part(self) -> Path:
        """Where the half-fetched file is."""
        mark = hashlib.sha256(self.target.name.encode()).hexdigest()[:8]
        return self.target.with_name(f".{self.target.name[:100]}.{mark}.part")

    async def run(self) -> Got:
        """Fetch what is missing, check it, put it into its place.

        Raises:
            PublishError: it did not work; the notes hold what can be used the next time.
        """
        try:
            async with self.streams:
                self.remote, ranged = await self.source.look(self.remote)
            least = int(self.notes.get("least", 0))
            self._begin(ranged=ranged)
            size = least if self.remote.size is None else self.remote.size
            self._check_room(max(0, size - sum(self.notes["parts"].values())), least)
            await self._all_parts() if ranged else await self._whole()
            self.keep(self.notes)
            return await asyncio.to_thread(self._finish)
        except OSError as error:
            raise disk_error(error, f"{self.target} cannot be written") from error
        except (MismatchError, ContentChangedError):
            self._drop()
            raise

    # -- beginning ----------------------------------------------------------------------------

    def _begin(self, *, ranged: bool) -> None:
        """Go on with what is here of this very content, else begin anew; look at the room."""
        self.target.parent.mkdir(parents=True, exist_ok=True)
        known = {"mark": self.notes.get("mark"), "size": self.notes.get("size")}
        same = known == {"mark": self.remote.mark, "size": self.remote.size}
        if not (ranged and same and self.remote.mark and self.part.is_file()):
            self._drop()
        self.notes.setdefault("parts", {})
        self.notes.update(mark=self.remote.mark, size=self.remote.size)
        self.keep(self.notes)
        with self.part.open("ab"):
            pass

    def _drop(self, least: int = 0) -> None:
        self.part.unlink(missing_ok=True)
        self.notes.clear()
        self.notes.update({"least": least} if least else {})
        self.keep(self.notes)

    # -- the parts ----------------------------------------------------------------------------

    async def _all_parts(self) -> None:
        size = self.remote.size or 0
        count = -(-size // PART)
        file = os.open(self.part, os.O_RDWR)
        try:
            os.ftruncate(file, size)
            self._tell()
            works = [asyncio.ensure_future(self._one_part(n, size, file)) for n in range(count)]
            try:
                await asyncio.gather(*works)
            finally:
                for work in works:
                    work.cancel()
                await asyncio.gather(*works, return_exceptions=True)
                await asyncio.to_thread(os.fsync, file)
                self.keep(self.notes)
        finally:
            os.close(file)

    async def _one_part(self, number: int, size: int, file: int) -> None:
        begin = number * PART
        length = min(PART, size - begin)
        left = _TRIES
        while (done := self._done(number)) < length:
            try:
                async with self.streams:
                    await self._read(number, begin, done, begin + length, file)
            except PublishError as error:
                # What came before the line broke counts: only tries without a byte are numbered.
                left = _TRIES if self._done(number) > done else left - 1
                if not error.retryable or isinstance(error, ContentChangedError) or not left:
                    raise
                await asyncio.sleep(_FIRST_PAUSE * 2 ** (_TRIES - left))
        if time.monotonic() - self._kept >= _KEEP_EVERY:
            self._kept = time.monotonic()
            await settled(os.fdatasync, file)
            self.keep(self.notes)

    async def _read(self, number: int, begin: int, done: int, stop: int, file: int) -> None:
        at = begin + done
        async with self.source.reading(self.remote, at, stop) as answer:
            async for piece in answer.pieces:
                data = memoryview(piece)[: stop - at]
                await settled(self._write, file, data, at)
                at += len(data)
                self.notes["parts"][str(number)] = at - begin
                self._tell()
        if at < stop:
            raise PublishError(
                f"{self.source.place} ended the download of {self.remote.name} too early.",
                "It will be tried again.",
                Trouble.NETWORK,
            )

    async def _whole(self) -> None:
        """The far end takes no ranges: all of it by one connection, from the beginning."""
        try:
            with self.part.open("r+b", buffering=0) as file:
                file.truncate(0)
                async with self.streams, self.source.reading(self.remote, 0, None) as answer:
                    await self._pour(answer, file.fileno())
                await asyncio.to_thread(os.fsync, file.fileno())
        except BaseException:
            # The next try begins anew: what is here would only take room, which may be the reason.
            self._drop(int(self.notes.get("least", 0)))
            raise

    async def _pour(self, answer: Answer, file: int) -> None:
        """Write what comes, no more than was promised, or than there is room for."""
        at, looked = 0, 0
        async for piece in answer.pieces:
            end = at + len(piece)
            if self.remote.size is not None and end > self.remote.size:
                words = f"more than {end - 1:,} bytes instead of {self.remote.size:,}"
                raise MismatchError(self.remote.name, words)
            if self.remote.size is None and end > looked:
                looked = end + _LOOK_EVERY
                self._check_room(looked - at, looked)
            await settled(self._write, file, memoryview(piece), at)
            at = end
            self.notes["parts"] = {"0": at}
            self._tell()

    def _check_room(self, need: int, least: int) -> None:
        """The room for so many bytes; without it the next try knows how many there are at least."""
        try:
            self.room(need)
        except PublishError:
            if self.remote.size is None:
                self._drop(least)
            raise

    @staticmethod
    def _write(file: int, data: memoryview, at: int) -> None:
        while data:
            count = os.pwrite(file, data, at)
            data, at = data[count:], at + count

    def _done(self, number: int) -> int:
        return int(self.notes["parts"].get(str(number), 0))

    def _tell(self) -> None:
        self.progress(sum(self.notes["parts"].values()))

    # -- the end ------------------------------------------------------------------------------

    def _finish(self) -> Got:
        """Check what came by everything that the source told, then put it into its place."""
        size = self.part.stat().st_size
        name = self.remote.name
        if self.remote.size is not None and size != self.remote.size:
            raise MismatchError(name, f"{size:,} bytes instead of {self.remote.size:,}")
        sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        for piece in pieces_of(self.part):
            sha256.update(piece)
            if self.remote.md5:
                md5.update(piece)
        found = sha256.hexdigest()
        if self.remote.sha256 and found != self.remote.sha256:
            raise MismatchError(name, "its SHA-256 is another")
        if self.remote.md5 and md5.hexdigest() != self.remote.md5:
            raise MismatchError(name, "its MD5 is another")
        if self.remote.git and git_hash(self.part, size) != self.remote.git:
            raise MismatchError(name, "its checksum is another")
        if self.remote.etag and matches(self.part, size, self.remote.etag) is False:
            raise MismatchError(name, "its ETag is another")
        self.part.replace(self.target)
        handle = os.open(self.target.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        return Got(size, found)
