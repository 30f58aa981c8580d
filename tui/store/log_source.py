"""An open log file with the newline counts of its blocks, shared by views and searches."""

from __future__ import annotations

import os
import stat
import threading
import weakref
from array import array
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BLOCK: Final = 1 << 15
PIECE: Final = 120 << 10
"""Bytes that a search reads at once: less than what malloc asks the system for each time anew."""
LONGEST: Final = 1 << 24
"""Longest line that is searched as a whole; in longer ones, a hit across pieces may be missed."""


class Source:
    """An open file with newline counts. The descriptor is closed when the last user drops it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        weakref.finalize(self, os.close, descriptor)
        status = os.fstat(descriptor)
        self.identity = (status.st_dev, status.st_ino)
        self.size = status.st_size
        self.regular = stat.S_ISREG(status.st_mode)
        self.stop = threading.Event()
        # Newlines up to the end of each whole block.
        self.counts = array("Q")

    def read(self, offset: int, length: int) -> bytes:
        """Read from `offset`; fewer bytes at the end, none when the file cannot be read."""
        try:
            return os.pread(self._descriptor, length, offset)
        except OSError:
            return b""

    def length(self) -> int:
        """Return the current size of the open file."""
        return os.fstat(self._descriptor).st_size

    def count_blocks(self, limit: int | None = None) -> bool:
        """Count newlines of further whole blocks, at most `limit`; True when all are counted."""
        counts = self.counts
        whole = self.size // BLOCK
        last = whole if limit is None else min(whole, len(counts) + limit)
        total = counts[-1] if counts else 0
        for number in range(len(counts), last):
            if self.stop.is_set():
                return False
            total += self.read(number * BLOCK, BLOCK).count(b"\n")
            counts.append(total)
        return last == whole


def count_all(source: Source, done: Callable[[], None] | None) -> None:
    """Count until all blocks are counted; the file may grow meanwhile."""
    while not source.count_blocks(limit=64):
        if source.stop.is_set():
            return
    if done is not None and not source.stop.is_set():
        done()


def pieces(source: Source, start: int, size: int) -> Iterator[tuple[int, bytes, bool]]:
    """Yield pieces of whole lines: offset, bytes, and whether the last line is complete."""
    length = PIECE
    while start < size:
        data = source.read(start, min(length, size - start))
        if not data:
            return
        cut = data.rfind(b"\n") + 1
        at_end = start + len(data) >= size
        if cut and not (at_end and cut == len(data)):
            data = data[:cut]
        elif not cut and not at_end and len(data) < LONGEST:
            length *= 4
            continue
        yield start, data, data.endswith(b"\n") or not at_end
        start += len(data)
        length = PIECE
