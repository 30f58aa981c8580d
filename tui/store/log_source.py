"""An opened log file and the newlines counted in it."""

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
PIECE: Final = 1 << 18
"""Bytes that a search looks at in one go."""
LONGEST: Final = 1 << 24
"""A longer line is searched in pieces, and a hit across their border may be missed."""


class Source:
    """One opened file and the newlines counted in it. Its descriptor lives as long as any user."""

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
        """Bytes from `offset`; fewer when the file is shorter, none when it cannot be read."""
        try:
            return os.pread(self._descriptor, length, offset)
        except OSError:
            return b""

    def length(self) -> int:
        """The present size of the opened file."""
        return os.fstat(self._descriptor).st_size

    def count_blocks(self, limit: int | None = None) -> bool:
        """Count newlines of further whole blocks; return whether all are counted."""
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
    """Count until nothing is left; the file may grow meanwhile."""
    while not source.count_blocks(limit=64):
        if source.stop.is_set():
            return
    if done is not None and not source.stop.is_set():
        done()


def pieces(source: Source, start: int, size: int) -> Iterator[tuple[int, bytes, bool]]:
    """Pieces of whole lines from `start`: offset, bytes, and whether the last line is complete."""
    wanted = PIECE
    while start < size:
        data = source.read(start, min(wanted, size - start))
        if not data:
            return
        cut = data.rfind(b"\n") + 1
        at_end = start + len(data) >= size
        if cut and not (at_end and cut == len(data)):
            data = data[:cut]
        elif not cut and not at_end and len(data) < LONGEST:
            wanted *= 4
            continue
        yield start, data, data.endswith(b"\n") or not at_end
        start += len(data)
        wanted = PIECE
