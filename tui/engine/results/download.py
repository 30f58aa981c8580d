"""Fetching one file: in parts, several at once, resumable, checked, and there only when whole."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from tui.destinations.common.contract import part_name
from tui.destinations.common.errors import MismatchError, PublishError, Trouble, disk_error
from tui.destinations.hub.destination import git_hash
from tui.engine.results.hashing import Digests
from tui.engine.results.source import PIECE, Answer, ContentChangedError, Remote, Source

PART: Final = 8 * 1024 * 1024
_LOOK_EVERY: Final = PART
"""Bytes between two looks at the room, for what comes without a length."""
_TRIES: Final = 3
_FIRST_PAUSE: Final = 0.5
_KEEP_EVERY: Final = 0.5
"""Seconds between two notes: what came since the last one comes again after a crash."""


async def settled(call: Callable[..., object], *values: Any) -> None:
    """Run a call in a thread and do not leave before it has ended, even when cancelled.

    A thread that still wrote after its file was closed might write into another one.
    """
    work = asyncio.ensure_future(asyncio.to_thread(call, *values))
    try:
        await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        raise


class _Sink:
    """Takes the pieces of one answer and hands them on, until it is closed or has all."""

    def __init__(self, at: int, stop: int, put: Callable[[memoryview, int], None]) -> None:
        self.at = at
        self._stop = stop
        self._put = put
        self._lock = threading.Lock()
        self._closed = False

    def take(self, piece: bytes) -> bool:
        """Write a piece; False when nothing more is wanted."""
        with self._lock:
            if self._closed:
                return False
            data = memoryview(piece)[: self._stop - self.at]
            self._put(data, self.at)
            self.at += len(data)
            return self.at < self._stop

    def take_all(self, read: Callable[[int], bytes], tell: Callable[[], object]) -> None:
        """Read and write in this thread."""
        while piece := read(PIECE):
            more = self.take(piece)
            if self._closed:
                return
            tell()
            if not more:
                return

    def close(self) -> None:
        """Nothing is written after this: the file may be closed."""
        with self._lock:
            self._closed = True


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A whole file, checked and in its place."""

    size: int
    sha256: str


@dataclass(slots=True)
class Download:
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
        pool: threads for reading, as many as there are streams.
    """

    source: Source
    remote: Remote
    target: Path
    notes: dict[str, Any]
    keep: Callable[[dict[str, Any]], None]
    progress: Callable[[int], None]
    room: Callable[[int], None]
    streams: asyncio.Semaphore
    pool: ThreadPoolExecutor
    _kept: float = float("-inf")
    _here: int = 0
    _front: int = 0
    _digests: Digests | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def part(self) -> Path:
        """Where the half-fetched file is."""
        return self.target.with_name(part_name(self.target.name))

    async def run(self) -> Downloaded:
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
            self._digests = Digests(self.part, self.remote)
            await self._all_parts() if ranged else await self._whole()
            self.keep(self.notes)
            return await asyncio.to_thread(self._finish, self._digests)
        except OSError as error:
            raise disk_error(error, f"{self.target} cannot be written") from error
        except (MismatchError, ContentChangedError):
            self._drop()
            raise
        finally:
            if self._digests is not None:
                self._digests.stop()

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
            self._here = sum(self.notes["parts"].values())
            self._tell()
            works = [asyncio.ensure_future(self._one_part(n, size, file)) for n in range(count)]
            try:
                await asyncio.gather(*works)
            finally:
                for work in works:
                    work.cancel()
                await asyncio.gather(*works, return_exceptions=True)
                await asyncio.to_thread(os.fsync, file)
                self.keep(self._noted())
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
            self.keep(self._noted())

    async def _read(self, number: int, begin: int, done: int, stop: int, file: int) -> None:
        sink = _Sink(begin + done, stop, partial(self._put, file, number, begin))
        async with self.source.reading(self.remote, begin + done, stop) as answer:
            await self._drain(answer, sink)
        if sink.at < stop:
            raise PublishError(
                f"{self.source.place} ended the download of {self.remote.name} too early.",
                "It will be tried again.",
                Trouble.NETWORK,
            )

    async def _drain(self, answer: Answer, sink: _Sink) -> None:
        """All that comes into the sink; after this nothing more is written, however it ends."""
        try:
            if answer.read is None:
                async for piece in answer.pieces:
                    await settled(sink.take, piece)
                    self._tell()
                return
            loop = asyncio.get_running_loop()
            tell = partial(loop.call_soon_threadsafe, self._tell)
            await loop.run_in_executor(self.pool, sink.take_all, answer.read, tell)
        finally:
            sink.close()

    def _put(self, file: int, number: int, begin: int, data: memoryview, at: int) -> None:
        """Write a piece, and note that it is here. Called by any thread."""
        self._write(file, data, at)
        with self._lock:
            parts = self.notes["parts"]
            self._here += len(data)
            parts[str(number)] = at + len(data) - begin
            while parts.get(str(self._front), 0) == PART:
                self._front += 1
            there = self._front * PART + parts.get(str(self._front), 0)
        if self._digests is not None:
            self._digests.advance(there)

    def _noted(self) -> dict[str, Any]:
        """The notes as they are now; threads go on writing into them."""
        with self._lock:
            return {**self.notes, "parts": dict(self.notes["parts"])}

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
            self._here = at
            if self._digests is not None:
                self._digests.advance(at)
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
        self.progress(self._here)

    # -- the end ------------------------------------------------------------------------------

    def _finish(self, digests: Digests) -> Downloaded:
        """Check what came by everything that the source told, then put it into its place."""
        size = self.part.stat().st_size
        name = self.remote.name
        if self.remote.size is not None and size != self.remote.size:
            raise MismatchError(name, f"{size:,} bytes instead of {self.remote.size:,}")
        found = digests.check(size)
        if self.remote.git and git_hash(self.part, size) != self.remote.git:
            raise MismatchError(name, "its checksum is another")
        self.part.replace(self.target)
        handle = os.open(self.target.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        return Downloaded(size, found)
