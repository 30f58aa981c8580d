"""Reads a log file for a view: its end at once, any line by number, growth, all without loading it.

The file is read with `pread`, not mapped: touching a mapped page behind the end of a file that
somebody has just cut short kills the process, and copying a block out of a map costs the same as
reading it. A thread counts the newlines of each block; from these counts any line number is one
bisection and one short read away.

Lines end at a newline. Progress bars redraw themselves with carriage returns inside one such line;
what is shown is its last drawing, as on a terminal, and `LogFile.raw` gives the rest.
"""

from __future__ import annotations

import os
import threading
from bisect import bisect_left
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from tui.store.log_line import (
    LINE_BYTES,
    LogLine,
    drawing,
    drawing_span,
    last_drawing,
    read_line,
)
from tui.store.log_source import BLOCK, Source, count_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_READ: Final = 1 << 18
# Growth up to here is counted at once, beyond it by the thread.
_AT_ONCE: Final = 1 << 22


class Change(StrEnum):
    """What `LogFile.refresh` found."""

    SAME = "same"
    GROWN = "grown"
    REPLACED = "replaced"
    GONE = "gone"


class LogFile:
    """A log file on disk. Not for use by several threads at once; searches have their own object.

    A file that does not exist yet is an empty one that appears at a later `refresh`; one that
    vanishes stays readable; one that is replaced or cut short is read anew.

    Attributes:
        path: where it is.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._source: Source | None = None
        self._thread: threading.Thread | None = None
        self._counting: Source | None = None
        self._indexing = False
        self._on_indexed: Callable[[], None] | None = None
        self._open()

    def __enter__(self) -> Self:
        """Use as a context manager closes the file at the end."""
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; running searches keep it until they end."""
        self._indexing = False
        self._on_indexed = None
        self._drop()

    @property
    def source(self) -> Source | None:
        """The opened file, for searches."""
        return self._source

    @property
    def size(self) -> int:
        """Bytes, as of the last `refresh`."""
        return self._source.size if self._source else 0

    def refresh(self) -> Change:
        """Look at the file again; cheap when nothing has changed."""
        try:
            status = self.path.stat()
        except OSError:
            return Change.GONE if self._source else Change.SAME
        source = self._source
        if source is None:
            self._open()
            return Change.REPLACED if self._source else Change.SAME
        if (status.st_dev, status.st_ino) != source.identity or status.st_size < source.size:
            self._drop()
            self._open()
            return Change.REPLACED
        grown = status.st_size > source.size
        source.size = status.st_size
        # Also when nothing has grown: the thread may have ended just before the last growth.
        if self._indexing and not self.indexed:
            self._count()
        return Change.GROWN if grown else Change.SAME

    # -- line numbers ----------------------------------------------------------------------------

    def start_index(self, on_indexed: Callable[[], None] | None = None) -> None:
        """Count lines in the background.

        Args:
            on_indexed: called each time all lines are counted: from the thread, or at once where
                there is little to count.
        """
        self._on_indexed = on_indexed
        self._indexing = True
        if self._source is not None:
            self._count()

    def wait_indexed(self, timeout: float | None = None) -> bool:
        """Wait for the thread; return whether all lines are counted."""
        if self._thread is not None:
            self._thread.join(timeout)
        return self.indexed

    @property
    def indexed(self) -> bool:
        """Whether every line has a number yet."""
        source = self._source
        return source is None or len(source.counts) >= source.size // BLOCK

    @property
    def line_count(self) -> int | None:
        """Lines in all, None until they are counted. An unfinished last line counts."""
        source = self._source
        if source is None or source.size == 0:
            return 0
        if not self.indexed:
            return None
        total, rest = self._tail_block(source)
        return total + rest.count(b"\n") + (not rest.endswith(b"\n") if rest else self._open_end())

    def offset_of(self, row: int) -> int | None:
        """Where line `row` (from 0) begins; None if it is not there or not counted yet."""
        source = self._source
        if source is None or row < 0:
            return None
        if row == 0:
            return 0 if source.size else None
        counts = source.counts
        number = bisect_left(counts, row)
        if number == len(counts) and not self.indexed:
            return None
        wanted = row - (counts[number - 1] if number else 0)
        start = number * BLOCK
        parts = source.read(start, min(BLOCK, source.size - start)).split(b"\n", wanted)
        if len(parts) <= wanted:
            return None
        offset = start + sum(map(len, parts[:wanted])) + wanted
        return offset if offset < source.size else None

    def row_of(self, offset: int) -> int | None:
        """The number of the line that holds `offset`; None if not counted yet."""
        source = self._source
        if source is None or not 0 <= offset <= source.size:
            return None
        number = offset // BLOCK
        if number > len(source.counts):
            return None
        before = source.counts[number - 1] if number else 0
        start = number * BLOCK
        return before + source.read(start, offset - start).count(b"\n")

    def lines(self, row: int, count: int) -> list[LogLine]:
        """`count` lines from line `row`; fewer at the end or where lines are not counted yet."""
        offset = self.offset_of(row)
        return [] if offset is None else self.after(offset, count)

    # -- lines by place, which need no counting --------------------------------------------------

    def tail(self, count: int) -> list[LogLine]:
        """The last lines."""
        return self.before(self.size, count)

    def before(self, offset: int, count: int) -> list[LogLine]:
        """The `count` lines before `offset`, which is the beginning of a line or the end."""
        return [] if self._source is None else self._read_lines(self._back(offset, count))

    def after(self, offset: int, count: int) -> list[LogLine]:
        """The `count` lines from `offset`, which is the beginning of a line."""
        return [] if self._source is None else self._read_lines(self._forward(offset, count))

    def line_start(self, offset: int) -> int:
        """The beginning of the line that holds `offset`."""
        for start, data in self._blocks_back(min(offset, self.size)):
            found = data.rfind(b"\n")
            if found >= 0:
                return start + found + 1
        return 0

    def raw(self, line: LogLine, limit: int = 1 << 24) -> bytes:
        """All bytes of a line, with every drawing of a bar; at most `limit`."""
        if self._source is None:
            return b""
        return self._source.read(line.offset, min(limit, line.end - line.offset))

    def drawing(self, line: LogLine, place: int) -> LogLine:
        """The line as it was drawn where `place` lies: perhaps before it was drawn over."""
        return line if self._source is None else drawing(self._source, line, place)

    def drawing_span(self, line: LogLine, place: int) -> tuple[int, int]:
        """Where the drawing that holds `place` begins and ends; the line where that is unclear."""
        if self._source is None:
            return line.offset, line.end
        return drawing_span(self._source, line, place)

    # -- inside ----------------------------------------------------------------------------------

    def _drop(self) -> None:
        if self._source is not None:
            self._source.stop.set()
            self._source = None

    def _open(self) -> None:
        try:
            # Opening another kind of file (a pipe) must not block.
            source = Source(os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK))
        except OSError:
            return
        if source.regular:
            self._source = source
            if self._indexing:
                self._count()

    def _count(self) -> None:
        source = self._source
        if source is None:
            return
        if self._thread is not None and self._thread.is_alive() and self._counting is source:
            return
        if source.size - len(source.counts) * BLOCK <= _AT_ONCE:
            source.count_blocks()
            if self._on_indexed is not None:
                self._on_indexed()
            return
        self._counting = source
        self._thread = threading.Thread(
            target=count_all, args=(source, self._on_indexed), name="log-index", daemon=True
        )
        self._thread.start()

    def _tail_block(self, source: Source) -> tuple[int, bytes]:
        """Newlines in the whole blocks, and the bytes after them."""
        whole = source.size // BLOCK
        start = whole * BLOCK
        return (
            source.counts[whole - 1] if whole else 0,
            source.read(start, source.size - start),
        )

    def _open_end(self) -> bool:
        """Whether the last line has no newline."""
        source = self._source
        return source is not None and source.read(source.size - 1, 1) != b"\n"

    def _blocks_back(self, end: int) -> Iterator[tuple[int, bytes]]:
        source = self._source
        while source is not None and end > 0:
            start = max(0, end - BLOCK)
            yield start, source.read(start, end - start)
            end = start

    def _back(self, end: int, count: int) -> list[tuple[int, int]]:
        """Beginnings and ends of the lines before `end`, in order."""
        found: list[tuple[int, int]] = []
        if end <= 0 or count <= 0:
            return found
        stop: int | None = None
        for start, data in self._blocks_back(end):
            at = len(data)
            if stop is None:
                # The newline at the very end ends the last line and begins none.
                at -= data.endswith(b"\n")
                stop = start + at
            while (at := data.rfind(b"\n", 0, at)) >= 0:
                found.append((start + at + 1, stop))
                stop = start + at
                if len(found) == count:
                    return found[::-1]
        found.append((0, stop or 0))
        return found[::-1]

    def _forward(self, start: int, count: int) -> list[tuple[int, int]]:
        source, found = self._source, list[tuple[int, int]]()
        position, size = start, self.size
        step = BLOCK
        while source is not None and position < size and len(found) < count:
            data = source.read(position, min(step, size - position))
            if not data:
                break
            step = _READ
            at = data.find(b"\n")
            while at >= 0 and len(found) < count:
                found.append((start, position + at))
                start = position + at + 1
                at = data.find(b"\n", at + 1)
            position += len(data)
        if len(found) < count and start < min(position, size):
            found.append((start, min(position, size)))
        return found

    def _read_lines(self, spans: list[tuple[int, int]]) -> list[LogLine]:
        source = self._source
        if source is None or not spans:
            return []
        first, last = spans[0][0], spans[-1][1]
        if last - first > _READ:
            return [read_line(source, start, end) for start, end in spans]
        data = source.read(first, last - first)
        return [
            read_line(source, start, end)
            if end - start > LINE_BYTES
            else LogLine(start, end, last_drawing(data[start - first : end - first]), cut=False)
            for start, end in spans
        ]
