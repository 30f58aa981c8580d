"""Random access to the lines of a growing log file, without loading it.

The file is read with `pread` and not mapped: touching a mapped page behind the end of a file that
was just truncated kills the process (SIGBUS), and copying a block out of a map costs the same as
reading it. A thread counts the newlines of each block; with these counts, a line number costs one
bisection and one short read.

Lines end at a newline. Progress bars redraw themselves with carriage returns inside one such line;
a line's text is its last drawing, as on a terminal, and `LogFile.raw` returns the rest.
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
# Up to so many new bytes are counted in the calling thread, more in the background thread.
_AT_ONCE: Final = 1 << 22


class Change(StrEnum):
    """The change of a file since the last `LogFile.refresh`."""

    SAME = "same"
    GROWN = "grown"
    REPLACED = "replaced"
    GONE = "gone"


class LogFile:
    """A log file on disk. Not thread-safe; `LogSearch` is for searches in other threads.

    A file that does not exist yet is empty until a later `refresh`; a deleted one stays readable;
    one that is replaced or truncated is read anew.

    Attributes:
        path: the path of the file.
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
        """Return the file itself; the end of the context closes it."""
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; running searches keep their descriptor until they end."""
        self._indexing = False
        self._on_indexed = None
        self._drop()

    @property
    def source(self) -> Source | None:
        """The opened file, for searches."""
        return self._source

    @property
    def size(self) -> int:
        """Size in bytes, as of the last `refresh`."""
        return self._source.size if self._source else 0

    def refresh(self) -> Change:
        """Check the file for changes; one stat(2) when nothing has changed."""
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
            on_indexed: is called each time all lines are counted: from the background thread, or
                in the calling thread when there is little to count.
        """
        self._on_indexed = on_indexed
        self._indexing = True
        if self._source is not None:
            self._count()

    def wait_indexed(self, timeout: float | None = None) -> bool:
        """Wait for the background thread; return whether all lines are counted."""
        if self._thread is not None:
            self._thread.join(timeout)
        return self.indexed

    @property
    def indexed(self) -> bool:
        """Whether all lines are counted."""
        source = self._source
        return source is None or len(source.counts) >= source.size // BLOCK

    @property
    def line_count(self) -> int | None:
        """Number of lines, None until they are counted. An unfinished last line counts."""
        source = self._source
        if source is None or source.size == 0:
            return 0
        if not self.indexed:
            return None
        total, rest = self._tail_block(source)
        return total + rest.count(b"\n") + (not rest.endswith(b"\n") if rest else self._open_end())

    def offset_of(self, row: int) -> int | None:
        """Return the offset of line `row` (from 0); None if missing or not counted yet."""
        source = self._source
        if source is None or row < 0:
            return None
        if row == 0:
            return 0 if source.size else None
        counts = source.counts
        number = bisect_left(counts, row)
        if number == len(counts) and not self.indexed:
            return None
        row_in_block = row - (counts[number - 1] if number else 0)
        start = number * BLOCK
        parts = source.read(start, min(BLOCK, source.size - start)).split(b"\n", row_in_block)
        if len(parts) <= row_in_block:
            return None
        offset = start + sum(map(len, parts[:row_in_block])) + row_in_block
        return offset if offset < source.size else None

    def row_of(self, offset: int) -> int | None:
        """Return the number of the line that contains `offset`; None if not counted yet."""
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
        """Return `count` lines from line `row`; fewer at the end or where not counted yet."""
        offset = self.offset_of(row)
        return [] if offset is None else self.after(offset, count)

    # -- lines by offset, which need no counting -------------------------------------------------

    def tail(self, count: int) -> list[LogLine]:
        """Return the last `count` lines."""
        return self.before(self.size, count)

    def before(self, offset: int, count: int) -> list[LogLine]:
        """Return the `count` lines before `offset`, the start of a line or the end of the file."""
        return [] if self._source is None else self._read_lines(self._back(offset, count))

    def after(self, offset: int, count: int) -> list[LogLine]:
        """Return the `count` lines from `offset`, the start of a line."""
        return [] if self._source is None else self._read_lines(self._forward(offset, count))

    def line_start(self, offset: int) -> int:
        """Return the start of the line that contains `offset`."""
        for start, data in self._blocks_back(min(offset, self.size)):
            newline = data.rfind(b"\n")
            if newline >= 0:
                return start + newline + 1
        return 0

    def raw(self, line: LogLine, limit: int = 1 << 24) -> bytes:
        """Return the bytes of a line, with every drawing of a bar; at most `limit`."""
        if self._source is None:
            return b""
        return self._source.read(line.offset, min(limit, line.end - line.offset))

    def drawing(self, line: LogLine, offset: int) -> LogLine:
        """Return the drawing of a line that contains the offset `place`."""
        return line if self._source is None else drawing(self._source, line, offset)

    def drawing_span(self, line: LogLine, offset: int) -> tuple[int, int]:
        """Return start and end of the drawing that contains `place`; of the line if unclear."""
        if self._source is None:
            return line.offset, line.end
        return drawing_span(self._source, line, offset)

    # -- internal --------------------------------------------------------------------------------

    def _drop(self) -> None:
        if self._source is not None:
            self._source.stop.set()
            self._source = None

    def _open(self) -> None:
        try:
            # O_NONBLOCK: opening a FIFO must not wait for its writer.
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
        """Return the newlines in all whole blocks, and the bytes after them."""
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
        """Return starts and ends of the lines before `end`, in order."""
        spans: list[tuple[int, int]] = []
        if end <= 0 or count <= 0:
            return spans
        stop: int | None = None
        for start, data in self._blocks_back(end):
            at = len(data)
            if stop is None:
                # The newline at the very end ends the last line and begins none.
                at -= data.endswith(b"\n")
                stop = start + at
            while (at := data.rfind(b"\n", 0, at)) >= 0:
                spans.append((start + at + 1, stop))
                stop = start + at
                if len(spans) == count:
                    return spans[::-1]
        spans.append((0, stop or 0))
        return spans[::-1]

    def _forward(self, start: int, count: int) -> list[tuple[int, int]]:
        source, spans = self._source, list[tuple[int, int]]()
        position, size = start, self.size
        step = BLOCK
        while source is not None and position < size and len(spans) < count:
            data = source.read(position, min(step, size - position))
            if not data:
                break
            step = _READ
            at = data.find(b"\n")
            while at >= 0 and len(spans) < count:
                spans.append((start, position + at))
                start = position + at + 1
                at = data.find(b"\n", at + 1)
            position += len(data)
        if len(spans) < count and start < min(position, size):
            spans.append((start, min(position, size)))
        return spans

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
