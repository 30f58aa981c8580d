"""Which lines of a log are shown: all of them, or those that a filter lets through."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from typing import Protocol

from tui.app.widgets.log_source import Line, LogSource


class Lines(Protocol):
    """A way through the lines of a file; a line is named by the byte it starts at."""

    def at(self, start: int) -> Line | None:
        """The line that starts at a byte."""
        ...

    def next(self, start: int) -> Line | None:
        """The one below a line."""
        ...

    def previous(self, start: int) -> Line | None:
        """The one above a line."""
        ...

    def first(self) -> Line | None:
        """The first one."""
        ...

    def last(self) -> Line | None:
        """The last one."""
        ...

    def nearest(self, start: int) -> Line | None:
        """The line at a byte, or else the one before it, or else the first."""
        ...


class AllLines:
    """Every line of the file."""

    def __init__(self, source: LogSource) -> None:
        self._source = source

    def at(self, start: int) -> Line | None:
        """The line that starts at a byte."""
        return self._source.line(start)

    def next(self, start: int) -> Line | None:
        """The one below a line."""
        here = self._source.line(start)
        return None if here is None else self._source.line(here.after)

    def previous(self, start: int) -> Line | None:
        """The one above a line."""
        return self._source.before(start)

    def first(self) -> Line | None:
        """The first one."""
        return self._source.line(0)

    def last(self) -> Line | None:
        """The last one."""
        return self._source.last()

    def nearest(self, start: int) -> Line | None:
        """The line around a byte."""
        return self._source.line(self._source.start_of(start)) or self.last()


class SomeLines:
    """Lines by their places, in order."""

    def __init__(self, source: LogSource, starts: array[int]) -> None:
        self._source = source
        self.starts = starts

    def _pick(self, index: int) -> Line | None:
        if not 0 <= index < len(self.starts):
            return None
        return self._source.line(self.starts[index])

    def at(self, start: int) -> Line | None:
        """The line that starts at a byte, if it is one of these."""
        index = bisect_left(self.starts, start)
        if index < len(self.starts) and self.starts[index] == start:
            return self._pick(index)
        return None

    def next(self, start: int) -> Line | None:
        """The one below a line."""
        return self._pick(bisect_right(self.starts, start))

    def previous(self, start: int) -> Line | None:
        """The one above a line."""
        return self._pick(bisect_left(self.starts, start) - 1)

    def first(self) -> Line | None:
        """The first one."""
        return self._pick(0)

    def last(self) -> Line | None:
        """The last one."""
        return self._pick(len(self.starts) - 1)

    def nearest(self, start: int) -> Line | None:
        """The line at a byte, or else the one before it, or else the first."""
        return self._pick(max(0, bisect_right(self.starts, start) - 1))
