"""The lines of a log that a filter lets through, found piece by piece in a thread."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from threading import Event
from typing import Final, Protocol

from tui.store.log_file import LogFile
from tui.store.log_line import LogLine, last_drawing
from tui.store.log_search import LogSearch
from tui.store.log_source import pieces

Finder = Callable[[bytes], Iterator[tuple[int, int]]]
"""Finds lines in a piece of whole lines: where each begins, and the place it was found for."""

STAGES: Final = re.compile(rb"\[STAGE\]|\[CHECKPOINT\]|published to: |Training complete\. Output: ")
PROBLEMS: Final = re.compile(
    rb"\[(?:WARN|ERROR|WARNING|CRITICAL)\]|Traceback \(most recent|[A-Za-z]Error\b"
    rb"|\[EVENT\] gpu\.fault|Training failed|\xe2\x9c\x97"
)
_STEP: Final = re.compile(
    rb"Steps:\s+\d+%\|[^|\r\n]*\|\s*(\d+)/|(?:Step |Step: )(\d+)(?: of |/)\d+"
)
_BAR: Final = b"%|"


@dataclass(slots=True)
class FilteredLines:
    """The lines that match a filter, in order.

    Attributes:
        starts: the byte at which each begins.
        places: for each, the byte it was found for; a drawing that was drawn over may hold it.
        scanned: bytes looked at, from the start of the file, up to the last finished line.
        settled: how many of the lines are finished and cannot change any more.
    """

    starts: array[int] = field(default_factory=lambda: array("q"))
    places: array[int] = field(default_factory=lambda: array("q"))
    scanned: int = 0
    settled: int = 0


def sift(log: LogFile, finder: Finder, kept: FilteredLines, cancel: Event | None = None) -> None:
    """Adds to `kept` what `finder` finds in the part of the file that was not scanned yet."""
    source = log.source
    if source is None:
        return
    del kept.starts[kept.settled :], kept.places[kept.settled :]
    for start, data, whole in pieces(source, kept.scanned, source.size):
        if cancel is not None and cancel.is_set():
            return
        matches = list(finder(data))
        kept.places.extend(start + place for _, place in matches)
        kept.starts.extend(start + begin for begin, _ in matches)
        if whole:
            kept.scanned, kept.settled = start + len(data), len(kept.starts)


def lines_with(pattern: re.Pattern[bytes]) -> Finder:
    """Returns a finder of the lines in which a pattern occurs."""
    return lambda data: _lines_of(data, (found.start() for found in pattern.finditer(data)))


def lines_hit(search: LogSearch) -> Finder:
    """Returns a finder of the lines with a hit of a search."""
    return lambda data: _lines_of(data, (place for place, _ in search.find_in(data)))


def _lines_of(data: bytes, places: Iterator[int]) -> Iterator[tuple[int, int]]:
    end = -1
    for place in places:
        if place <= end:
            continue
        yield data.rfind(b"\n", 0, place) + 1, place
        end = data.find(b"\n", place)
        if end < 0:
            return


def without_bars(data: bytes) -> Iterator[tuple[int, int]]:
    """Finds every line that is neither empty nor, as last drawn, a progress bar."""
    at = 0
    for line in data.split(b"\n"):
        shown = last_drawing(line)
        if shown.strip() and _BAR not in shown:
            yield at, at + line.rfind(shown)
        at += len(line) + 1


def both(first: Finder, second: Finder) -> Finder:
    """Returns a finder of the lines that two finders find, at the place of the second."""

    def find(data: bytes) -> Iterator[tuple[int, int]]:
        starts = {start for start, _ in first(data)}
        return (found for found in second(data) if found[0] in starts)

    return find


def find_step(log: LogFile, step: int, cancel: Event | None = None, begin: int = 0) -> int | None:
    """Returns the byte of the first line about a step or a later one; None without one.

    Args:
        log: the file.
        step: the step.
        cancel: ends the search.
        begin: a byte that no such line is before.
    """
    source = log.source
    for start, data, _ in pieces(source, begin, source.size) if source is not None else ():
        if cancel is not None and cancel.is_set():
            return None
        for found in _STEP.finditer(data):
            if int(found[1] or found[2]) >= step:
                return start + found.start()
    return None


def step_of(line: bytes) -> int | None:
    """Returns the training step that a line is about; None for one about none."""
    found = _STEP.search(line)
    return None if found is None else int(found[1] or found[2])


def find_steps(
    log: LogFile, first: int, last: int, cancel: Event | None = None
) -> tuple[int, int] | None:
    """Returns the bytes from the line about a step up to what is about later ones than another.

    None without a line about them.
    """
    begin = find_step(log, first, cancel)
    if begin is None:
        return None
    end = find_step(log, last + 1, cancel, begin)
    start = log.line_start(begin)
    return start, log.size if end is None else max(end, start + 1)


class Lines(Protocol):
    """Reads lines of a file; a line is named by the byte it begins at."""

    def at(self, offset: int) -> LogLine | None:
        """Returns the line that begins at a byte; None if it is not shown."""
        ...

    def after(self, offset: int, count: int) -> list[LogLine]:
        """Returns so many lines, the first one beginning at a byte."""
        ...

    def before(self, offset: int, count: int) -> list[LogLine]:
        """Returns so many lines above the one that begins at a byte."""
        ...

    def tail(self, count: int) -> list[LogLine]:
        """Returns the last lines."""
        ...

    def nearest(self, place: int) -> LogLine | None:
        """Returns the line around a byte, else the one before it, else the first."""
        ...


class AllLines:
    """Every line of the file."""

    def __init__(self, log: LogFile) -> None:
        self._log = log

    def at(self, offset: int) -> LogLine | None:
        """Returns the line that begins at a byte."""
        return next(iter(self._log.after(offset, 1)), None)

    def after(self, offset: int, count: int) -> list[LogLine]:
        """Returns so many lines from a byte on."""
        return self._log.after(offset, count)

    def before(self, offset: int, count: int) -> list[LogLine]:
        """Returns so many lines above a byte."""
        return self._log.before(offset, count)

    def tail(self, count: int) -> list[LogLine]:
        """Returns the last lines."""
        return self._log.tail(count)

    def nearest(self, place: int) -> LogLine | None:
        """Returns the line around a byte; at the end of the file the last one."""
        return self.at(self._log.line_start(place)) or next(iter(self.tail(1)), None)


class SomeLines:
    """The lines that match a filter; of a redrawn line, the drawing that matched."""

    def __init__(self, log: LogFile, kept: FilteredLines) -> None:
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
        """Returns the line that begins at a byte; None if it does not match."""
        index = bisect_left(self._kept.starts, offset)
        line = next(iter(self._pick(index, index + 1)), None)
        return line if line is not None and line.offset == offset else None

    def after(self, offset: int, count: int) -> list[LogLine]:
        """Returns so many lines from a byte on."""
        index = bisect_left(self._kept.starts, offset)
        return self._pick(index, index + count)

    def before(self, offset: int, count: int) -> list[LogLine]:
        """Returns so many lines above a byte."""
        index = bisect_left(self._kept.starts, offset)
        return self._pick(index - count, index)

    def tail(self, count: int) -> list[LogLine]:
        """Returns the last lines."""
        index = len(self._kept.starts)
        return self._pick(index - count, index)

    def nearest(self, place: int) -> LogLine | None:
        """Returns the line around a byte, else the one before it, else the first."""
        index = max(0, bisect_right(self._kept.starts, place) - 1)
        return next(iter(self._pick(index, index + 1)), None)


class LinesBetween:
    """The lines of others that begin between two bytes."""

    def __init__(self, log: LogFile, lines: Lines, begin: int, end: int) -> None:
        self._log = log
        self._lines = lines
        self._begin = begin
        self._end = end

    def _inside(self, lines: Iterable[LogLine]) -> list[LogLine]:
        return [line for line in lines if self._begin <= line.offset < self._end]

    def at(self, offset: int) -> LogLine | None:
        """Returns the line that begins at a byte; None if it is not shown."""
        return self._lines.at(offset) if self._begin <= offset < self._end else None

    def after(self, offset: int, count: int) -> list[LogLine]:
        """Returns so many lines from a byte on."""
        return self._inside(self._lines.after(max(offset, self._begin), count))

    def before(self, offset: int, count: int) -> list[LogLine]:
        """Returns so many lines above a byte."""
        return self._inside(self._lines.before(offset, count))

    def tail(self, count: int) -> list[LogLine]:
        """Returns the last lines."""
        last = self._log.after(self._log.line_start(self._end - 1), 1)
        return self.before(last[0].end + 1, count) if last else []

    def nearest(self, place: int) -> LogLine | None:
        """Returns the line around a byte, else the one before it, else the first."""
        near = self._lines.nearest(min(max(place, self._begin), self._end - 1))
        return next(iter(self._inside([near] if near else [])), None) or next(
            iter(self.after(self._begin, 1)), None
        )
