"""Downloads one file in parallel parts: resumable, verified, and renamed only when complete.

Libraries for parallel or resumable downloads (s3transfer, hf_transfer, huggingface_hub) each serve
one source. This one serves Replicate's addresses, the Hub and S3 alike, keeps finished parts over a
restart, and hashes while it downloads.
"""

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

from tui.base.formatting import plural
from tui.destinations.common.contract import part_name
from tui.destinations.common.errors import MismatchError, PublishError, Trouble, disk_error
from tui.destinations.hub.destination import git_hash
from tui.engine.results.hashing import Digests
from tui.engine.results.source import PIECE_BYTES, Answer, ContentChangedError, Remote, Source
from tui.store.transfer_records import FetchNotes

PART: Final = 8 * 1024 * 1024
_RESERVE_BYTES: Final = PART
"""Bytes between two checks of the free space, for a file of unknown size."""
_MAX_TRIES: Final = 3
_LONGEST_PAUSE: Final = 60.0
"""Seconds that a file waits between two tries, however long the far end asks to wait."""
_FIRST_PAUSE: Final = 0.5
_SAVE_SECONDS: Final = 0.5
"""Seconds between two saves of the notes; what came after the last is fetched again on a crash."""


async def finish_in_thread(call: Callable[..., object], *values: Any) -> None:
    """Run a call in a thread and wait until it has ended, even when cancelled.

    A thread that writes after its file descriptor was closed might write into another file that got
    the same descriptor.
    """
    thread = asyncio.ensure_future(asyncio.to_thread(call, *values))
    try:
        await asyncio.shield(thread)
    except asyncio.CancelledError:
        await asyncio.wait([thread])
        raise


class _PartWriter:
    """Writes the pieces of one answer to the file, until it is closed or has its last byte."""

    def __init__(self, offset: int, stop: int, put: Callable[[memoryview, int], None]) -> None:
        self.offset = offset
        self._stop = stop
        self._put = put
        self._lock = threading.Lock()
        self._closed = False

    def write(self, piece: bytes) -> bool:
        """Write a piece; returns whether more is needed."""
        with self._lock:
            if self._closed:
                return False
            data = memoryview(piece)[: self._stop - self.offset]
            self._put(data, self.offset)
            self.offset += len(data)
            return self.offset < self._stop

    def write_all(self, read: Callable[[int], bytes], report: Callable[[], object]) -> None:
        """Read and write all pieces in this thread."""
        while piece := read(PIECE_BYTES):
            wants_more = self.write(piece)
            if self._closed:
                return
            report()
            if not wants_more:
                return

    def close(self) -> None:
        """Stop writing; after this the file may be closed."""
        with self._lock:
            self._closed = True


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A complete and verified file: size in bytes and SHA-256 in hex."""

    size: int
    sha256: str


def retry_pause(failures: int, retry_after: float | None) -> float:
    """Return the seconds before the next try, after so many failures in a row."""
    return max(_FIRST_PAUSE * (1 << failures), min(retry_after or 0.0, _LONGEST_PAUSE))


@dataclass(slots=True)
class Download:
    """The download of one file.

    Attributes:
        source: where the file is.
        remote: the file there.
        target: its path here; a hidden file beside it holds the parts until it is complete.
        notes: state of an earlier try.
        save: called with the notes when they should be saved.
        progress: called with the bytes downloaded so far.
        reserve: called with the bytes still to come, as far as is known, perhaps several times;
            raises PublishError when the disk has no space for them.
        streams: limits the connections of all downloads together.
        pool: threads for reading, as many as there are streams.
    """

    source: Source
    remote: Remote
    target: Path
    notes: FetchNotes
    save: Callable[[FetchNotes], None]
    progress: Callable[[int], None]
    reserve: Callable[[int], None]
    streams: asyncio.Semaphore
    pool: ThreadPoolExecutor
    _last_saved: float = float("-inf")
    _received: int = 0
    _contiguous_parts: int = 0
    _digests: Digests | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def part(self) -> Path:
        """Path of the incomplete file."""
        return self.target.with_name(part_name(self.target.name))

    async def run(self) -> Downloaded:
        """Download the missing parts, verify the file and rename it to its target.

        Raises:
            PublishError: the download failed; the notes hold what the next try can use.
        """
        try:
            async with self.streams:
                self.remote, ranged = await self.source.inspect(self.remote)
            least = int(self.notes.get("least", 0))
            self._begin(ranged=ranged)
            size = least if self.remote.size is None else self.remote.size
            self._reserve(max(0, size - sum(self.notes["parts"].values())), least)
            self._digests = Digests(self.part, self.remote)
            await self._fetch_parts() if ranged else await self._fetch_unranged()
            self.save(self.notes)
            return await asyncio.to_thread(self._finish, self._digests)
        except OSError as error:
            raise disk_error(error, f"{self.target} cannot be written") from error
        except (MismatchError, ContentChangedError):
            self._discard()
            raise
        finally:
            if self._digests is not None:
                self._digests.stop()

    # -- beginning ----------------------------------------------------------------------------

    def _begin(self, *, ranged: bool) -> None:
        """Keep the parts if they are of the same content, else start from the beginning."""
        self.target.parent.mkdir(parents=True, exist_ok=True)
        noted = {"mark": self.notes.get("mark"), "size": self.notes.get("size")}
        same_content = noted == {"mark": self.remote.mark, "size": self.remote.size}
        if not (ranged and same_content and self.remote.mark and self.part.is_file()):
            self._discard()
        self.notes.setdefault("parts", {})
        self.notes["mark"], self.notes["size"] = self.remote.mark, self.remote.size
        self.save(self.notes)
        with self.part.open("ab"):
            pass

    def _discard(self, least: int = 0) -> None:
        self.part.unlink(missing_ok=True)
        self.notes.pop("mark", None)
        self.notes.pop("size", None)
        self.notes.pop("parts", None)
        self.notes.pop("least", None)
        if least:
            self.notes["least"] = least
        self.save(self.notes)

    # -- the parts ----------------------------------------------------------------------------

    async def _fetch_parts(self) -> None:
        size = self.remote.size or 0
        count = -(-size // PART)
        file = os.open(self.part, os.O_RDWR)
        try:
            os.ftruncate(file, size)
            self._received = sum(self.notes["parts"].values())
            self._report()
            tasks = [asyncio.ensure_future(self._fetch_part(n, size, file)) for n in range(count)]
            try:
                await asyncio.gather(*tasks)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await asyncio.to_thread(os.fsync, file)
                self.save(self._copy_of_notes())
        finally:
            os.close(file)

    async def _fetch_part(self, number: int, size: int, file: int) -> None:
        begin = number * PART
        length = min(PART, size - begin)
        tries_left = _MAX_TRIES
        while (done := self._done(number)) < length:
            try:
                async with self.streams:
                    await self._read(number, begin, done, begin + length, file)
            except PublishError as error:
                # A try that received bytes resets the count: only tries without progress count.
                tries_left = _MAX_TRIES if self._done(number) > done else tries_left - 1
                if not error.retryable or isinstance(error, ContentChangedError) or not tries_left:
                    raise
                await asyncio.sleep(retry_pause(_MAX_TRIES - tries_left, error.retry_after))
        if time.monotonic() - self._last_saved >= _SAVE_SECONDS:
            self._last_saved = time.monotonic()
            await finish_in_thread(os.fdatasync, file)
            self.save(self._copy_of_notes())

    async def _read(self, number: int, begin: int, done: int, stop: int, file: int) -> None:
        writer = _PartWriter(begin + done, stop, partial(self._put, file, number, begin))
        async with self.source.reading(self.remote, begin + done, stop) as answer:
            await self._drain(answer, writer)
        if writer.offset < stop:
            raise PublishError(
                f"{self.source.place} ended the download of {self.remote.name} too early.",
                "It will be tried again.",
                Trouble.NETWORK,
            )

    async def _drain(self, answer: Answer, writer: _PartWriter) -> None:
        """Write the whole answer into the sink, which is closed however this ends."""
        try:
            if answer.read is None:
                async for piece in answer.pieces:
                    await finish_in_thread(writer.write, piece)
                    self._report()
                return
            loop = asyncio.get_running_loop()
            report = partial(loop.call_soon_threadsafe, self._report)
            await loop.run_in_executor(self.pool, writer.write_all, answer.read, report)
        finally:
            writer.close()

    def _put(self, file: int, number: int, begin: int, data: memoryview, offset: int) -> None:
        """Write a piece and note it. Callable from any thread."""
        self._write(file, data, offset)
        with self._lock:
            parts = self.notes["parts"]
            self._received += len(data)
            parts[str(number)] = offset + len(data) - begin
            while parts.get(str(self._contiguous_parts), 0) == PART:
                self._contiguous_parts += 1
            available = self._contiguous_parts * PART + parts.get(str(self._contiguous_parts), 0)
        if self._digests is not None:
            self._digests.advance(available)

    def _copy_of_notes(self) -> FetchNotes:
        """A copy of the notes, which threads may be changing."""
        with self._lock:
            return {**self.notes, "parts": dict(self.notes["parts"])}

    async def _fetch_unranged(self) -> None:
        """Download everything over one connection, because the source takes no ranges."""
        try:
            with self.part.open("r+b", buffering=0) as file:
                file.truncate(0)
                async with self.streams, self.source.reading(self.remote, 0, None) as answer:
                    await self._write_stream(answer, file.fileno())
                await asyncio.to_thread(os.fsync, file.fileno())
        except BaseException:
            # Without ranges the next try cannot use the bytes, and the disk may be full.
            self._discard(int(self.notes.get("least", 0)))
            raise

    async def _write_stream(self, answer: Answer, file: int) -> None:
        """Write the answer, up to the announced size, or as long as the disk has space."""
        offset, reserved = 0, 0
        async for piece in answer.pieces:
            end = offset + len(piece)
            if self.remote.size is not None and end > self.remote.size:
                difference = f"more than {plural(end - 1, 'byte')} instead of {self.remote.size:,}"
                raise MismatchError(self.remote.name, difference)
            if self.remote.size is None and end > reserved:
                reserved = end + _RESERVE_BYTES
                self._reserve(reserved - offset, reserved)
            await finish_in_thread(self._write, file, memoryview(piece), offset)
            offset = end
            self.notes["parts"] = {"0": offset}
            self._received = offset
            if self._digests is not None:
                self._digests.advance(offset)
            self._report()

    def _reserve(self, need: int, least: int) -> None:
        """Check the free space; on failure the notes tell the next try the least size."""
        try:
            self.reserve(need)
        except PublishError:
            if self.remote.size is None:
                self._discard(least)
            raise

    @staticmethod
    def _write(file: int, data: memoryview, offset: int) -> None:
        while data:
            count = os.pwrite(file, data, offset)
            data, offset = data[count:], offset + count

    def _done(self, number: int) -> int:
        return int(self.notes["parts"].get(str(number), 0))

    def _report(self) -> None:
        self.progress(self._received)

    # -- the end ------------------------------------------------------------------------------

    def _finish(self, digests: Digests) -> Downloaded:
        """Verify the file against size and checksums of the source, then rename it."""
        size = self.part.stat().st_size
        name = self.remote.name
        if self.remote.size is not None and size != self.remote.size:
            raise MismatchError(name, f"{plural(size, 'byte')} instead of {self.remote.size:,}")
        sha256 = digests.check(size)
        if self.remote.git and git_hash(self.part, size) != self.remote.git:
            raise MismatchError(name, "its checksum is another")
        self.part.replace(self.target)
        handle = os.open(self.target.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        return Downloaded(size, sha256)
