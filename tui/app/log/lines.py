"""Which lines of a log are shown: all of them, or those that a filter lets through."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Protocol

from tui.app.log.filter import Kept
from tui.store.log_file import LogFile
from tui.store.log_line import LogLine


class Lines(Protocol):
    """A way through the lines of a file; a line is named by the byte it begins at."""

    def at(self, offset: int) -> LogLine | None:
        """The line that begins at a byte, if it is shown."""
        ...

    def after(self, offset: int, count: int) -> list[LogLine]:
        """So many lines from the one that begins at a byte."""
        ...

    def before(self, offset: int, count: int) -> list[LogLine]:
        """So many lines above the one that begins at a byte."""
        ...

    def tail(self, count: int) -> list[LogLine]:
        """The last lines."""
        ...

    def nearest(self, place: int) -> LogLine | None:
        """The line around a byte, or else the one before it, or else the first."""
        ...


class AllLines:
    """Every line of the file."""

    def __init__(self, log: LogFile) -> None:
        self._log = log

    def at(self, offset: int) -> LogLine | None:
        """The line that begins at a byte."""
        return next(iter(self._log.after(offset, 1)), None)

    def after(self, offset: int, count: int) -> list[LogLine]:
        """So many lines from a byte on."""
        return self._log.after(offset, count)

    def before(self, offset: int, count: int) -> list[LogLine]:
        """So many lines above a byte."""
        return self._log.before(offset, count)

    def tail(self, count: int) -> list[LogLine]:
        """The last lines."""
        return self._log.tail(count)

    def nearest(self, place: int) -> LogLine | None:
        """The line around a byte; at the end of the file the last one."""
        return self.at(self._log.line_start(place)) or next(iter(self.tail(1)), None)


class SomeLines:
    """Lines that a filter let through, drawn as they were where it found them."""

    def __init__(self, log: LogFile, kept: Kept) -> None:
        self._log = log
        self._kept = kept

    def _pick(self, first: int, last: int) -> list[LogLine]:
        kept = self._kept
        return [
            self._log.drawing(line, kept.places[index])
            for index in range(max(0, first), min(last, len(kept.starts)))
            for line in self._log.after(kept.starts[index], 1)
        ]

    def at(self, offset: int) -> LogLine | None:
        """The line that begins at a byte, if it is one of these."""
        index = bisect_left(self._kept.starts, offset)
        line = next(iter(self._pick(index, index + 1)), None)
        return line if line is not None and line.offset == offset else None

    def after(self, offset: int, count: int) -> list[LogLine]:
        """So many lines from a byte on."""
        index = bisect_left(self._kept.starts, offset)
        return self._pick(index, index + count)

    def before(self, offset: int, count: int) -> list[LogLine]:
        """So many lines above a byte."""
        index = bisect_left(self._kept.starts, offset)
        return self._pick(index - count, index)

    def tail(self, count: int) -> list[LogLine]:
        """The last ones."""
        index = len(self._kept.starts)
        return self._pick(index - count, index)

    def nearest(self, place: int) -> LogLine | None:
        """The line around a byte, or else the one before it, or else the first."""
        index = max(0, bisect_right(self._kept.starts, place) - 1)
        return next(iter(self._pick(index, index + 1)), None)
