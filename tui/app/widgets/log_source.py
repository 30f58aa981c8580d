r"""A growing log file as lines, read where one looks and nowhere else.

Lines end with `\n`, or with `\r` as progress bars do; both count as one line each. The file is
read with `pread` and not mapped: a file that somebody truncates would end a program that maps it,
a mapped file counts as the program's memory, and reading lets other threads run.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

LINE_LIMIT: Final = 32_768
"""Bytes of one line that are ever shown."""
_BLOCK: Final = 65_536
_GLANCE: Final = 4_096
_COUNTED: Final = 1 << 20
_LOOK_BACK: Final = 64
_SEPARATOR: Final = re.compile(rb"\r*\n\r*|\r+")


class Line(NamedTuple):
    """Where a line lies.

    Attributes:
        start: its first byte.
        end: the byte after its last one.
        after: where the next line starts.
    """

    start: int
    end: int
    after: int


class LogSource:
    """One log file. A file that is not there yet reads as an empty one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._file: int | None = None
        self._replaced: list[int | None] = []
        self._identity: tuple[int, int] | None = None
        self._block = b""
        self._block_start = 0
        self._counts: list[int] = []
        """Lines that end before each full mebibyte."""
        self.refresh()

    def close(self) -> None:
        """Let go of the file."""
        self._replaced.append(self._file)
        self._file = None
        for file in self._replaced:
            if file is not None:
                os.close(file)
        self._replaced.clear()

    def __del__(self) -> None:
        self.close()

    # -- the file -----------------------------------------------------------------------------

    def refresh(self) -> bool:
        """Look at the file again; whether there is anything new.

        A file that was replaced or became shorter starts anew.
        """
        try:
            status = self.path.stat()
            identity = (status.st_dev, status.st_ino)
            if identity != self._identity or status.st_size < self.size:
                self._replaced.append(self._file)  # a thread may be reading it
                self._file = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
                self._identity = identity
                self._counts.clear()
            elif status.st_size == self.size:
                return False
        except OSError:
            changed = self.size > 0
            self.size = 0
            self._block = b""
            return changed
        self._block = b""
        self.size = status.st_size
        return True

    def read(self, start: int, length: int) -> bytes:
        """Bytes of the file; fewer at its end or when it cannot be read."""
        length = min(length, self.size - start)
        if self._file is None or length <= 0:
            return b""
        try:
            return os.pread(self._file, length, start)
        except OSError:
            return b""

    def chunks(self, start: int, size: int = 1 << 22) -> Iterator[tuple[int, bytes]]:
        """The rest of the file in pieces of whole lines, each with its position."""
        position = start
        while position < self.size:
            data = self.read(position, size)
            if not data:
                return
            if position + len(data) < self.size:
                cut = max(data.rfind(b"\n"), data.rfind(b"\r"))
                if cut >= 0:
                    data = data[: cut + 1]
            yield position, data
            position += len(data)

    # -- lines --------------------------------------------------------------------------------

    def line(self, start: int) -> Line | None:
        """The line that starts at a byte; None at the end of the file."""
        if not 0 <= start < self.size:
            return None
        length = _GLANCE
        while True:
            block, at = self._window(start, length)
            found = _SEPARATOR.search(block, at)
            # A short block is the end of the file, or of what was left of it a moment ago.
            complete = len(block) - at < length or self._block_start + len(block) >= self.size
            if found is not None and (found.end() < len(block) or complete):
                base = self._block_start
                return Line(start, base + found.start(), base + found.end())
            if complete:
                return Line(start, self.size, self.size)
            length *= 4

    def _window(self, start: int, length: int) -> tuple[bytes, int]:
        """A block that holds `length` bytes from `start`, as far as there are any."""
        at = start - self._block_start
        held = len(self._block)
        if at < 0 or at + min(length, self.size - start) > held:
            self._block = self.read(start, max(length, _BLOCK))
            self._block_start = start
            at = 0
        return self._block, at

    def before(self, start: int) -> Line | None:
        """The line that ends where a line starts; None at the beginning."""
        if start <= 0:
            return None
        length = _GLANCE
        while True:
            base = max(0, start - length)
            block = self.read(base, start - base)
            if not block:
                return None
            end = _line_end(block) if start < self.size or block[-1:] in (b"\n", b"\r") else None
            stop = len(block) if end is None else end
            cut = max(block.rfind(b"\n", 0, stop), block.rfind(b"\r", 0, stop))
            if cut >= 0 or base == 0:
                return Line(base + cut + 1, base + stop, start)
            length *= 4

    def start_of(self, position: int) -> int:
        """Where the line around a byte starts."""
        position = min(position, self.size)
        length = 4096
        while True:
            base = max(0, position - length)
            block = self.read(base, position - base)
            cut = max(block.rfind(b"\n"), block.rfind(b"\r"))
            if cut >= 0 or base == 0:
                return self._past_returns(base + cut + 1)
            length *= 4

    def _past_returns(self, position: int) -> int:
        while self.read(position, 1) == b"\r":
            position += 1
        return position

    def last(self) -> Line | None:
        """The last line."""
        return self.before(self.size)

    def text(self, line: Line) -> bytes:
        """What a line says, at most `LINE_LIMIT` bytes of it."""
        length = min(line.end - line.start, LINE_LIMIT)
        at = line.start - self._block_start
        if at >= 0 and at + length <= len(self._block):
            return self._block[at : at + length]
        return self.read(line.start, length)

    # -- numbers ------------------------------------------------------------------------------

    def count(self) -> bool:
        """Count the lines of one more mebibyte; False when all are counted. For a thread."""
        block = len(self._counts)
        start = block * _COUNTED
        if start + _COUNTED > self.size:
            return False
        self._counts.append((self._counts[-1] if block else 0) + self._ends(start, _COUNTED))
        return True

    def _ends(self, start: int, length: int) -> int:
        """How many lines end in a piece of the file; one that ends at its edge is counted once."""
        data = self.read(start, length)
        if b"\r" not in data and data[:1] != b"\n":
            return data.count(b"\n")
        found = sum(1 for _ in _SEPARATOR.finditer(data))
        first = _SEPARATOR.match(data)
        if first is not None and start:
            base = max(0, start - _LOOK_BACK)
            before = self.read(base, start - base)
            bare = before.rstrip(b"\r")
            if bare[-1:] == b"\n":  # what follows goes on with that line's end, up to a new one
                found -= b"\n" not in first[0]
            elif len(bare) < len(before):
                found -= 1
        return found

    def number(self, start: int) -> int | None:
        """The number, from 1, of the line that starts at a byte; None until counted so far."""
        block, rest = divmod(start, _COUNTED)
        if block > len(self._counts):
            return None
        return (self._counts[block - 1] if block else 0) + self._ends(block * _COUNTED, rest) + 1

    def total(self) -> int | None:
        """How many lines there are; None until counted."""
        last = self.last()
        return 0 if last is None else self.number(last.start)


def _line_end(block: bytes) -> int:
    """Where the text before the separator at the end of a block ends."""
    end = len(block.rstrip(b"\r"))
    if not end or block[end - 1] != 0x0A:
        return end
    end -= 1
    bare = len(block[:end].rstrip(b"\r"))
    # Returns that follow an earlier line feed belong to that one.
    return end if bare and block[bare - 1] == 0x0A else bare
