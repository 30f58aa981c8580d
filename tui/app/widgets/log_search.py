"""Looks through a log file piece by piece, so that a thread doing it never holds others up."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from tui.app.widgets.log_source import LogSource

KEPT: Final = 2_000_000
"""Hits whose places are kept; more are only counted."""
_PIECE: Final = 1 << 17  # fits the processor's cache, which makes looking twice as fast
_STEP: Final = re.compile(
    rb"Steps:\s+\d+%\|[^|\r\n]*\|\s*(\d+)/|(?:Step |Step: )(\d+)(?: of |/)\d+"
)
_BAR: Final = b"%|"
_SEPARATOR: Final = re.compile(rb"\r*\n\r*|\r+")


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for.

    Attributes:
        text: as typed.
        regex: whether it is a regular expression.
    """

    text: str
    regex: bool = False

    def pattern(self) -> re.Pattern[bytes]:
        """Compiled; a plain text in lower case finds both cases, an expression what it says.

        Raises:
            re.error: not a regular expression.
        """
        source = self.text.encode()
        if self.regex:
            return re.compile(source, re.MULTILINE)
        ignore_case = self.text == self.text.lower()
        return re.compile(re.escape(source), re.IGNORECASE if ignore_case else 0)


STAGES: Final = re.compile(rb"\[STAGE\]|\[CHECKPOINT\]|published to: |Training complete\. Output: ")
PROBLEMS: Final = re.compile(
    rb"\[(?:WARN|ERROR|WARNING|CRITICAL)\]|Traceback \(most recent|[A-Za-z]Error\b"
    rb"|\[EVENT\] gpu\.fault|Training failed|\xe2\x9c\x97"
)


@dataclass(slots=True)
class Hits:
    """Where something was found, in order of place."""

    starts: array[int] = field(default_factory=lambda: array("q"))
    count: int = 0
    complete: bool = False
    scanned: int = 0
    """Bytes looked at, from the start of the file."""

    def after(self, position: int) -> int | None:
        """The first hit behind a byte."""
        at = bisect_right(self.starts, position)
        return self.starts[at] if at < len(self.starts) else None

    def before(self, position: int) -> int | None:
        """The last hit ahead of a byte."""
        at = bisect_left(self.starts, position)
        return self.starts[at - 1] if at else None

    def ordinal(self, position: int) -> int:
        """How many hits lie at or ahead of a byte."""
        return bisect_right(self.starts, position)


def scan(
    source: LogSource,
    finder: Callable[[bytes], Iterator[int]],
    hits: Hits,
    cancelled: Callable[[], bool] = lambda: False,
) -> None:
    """Add to `hits` what `finder` finds in the part of the file that was not looked at yet."""
    for start, data in source.chunks(hits.scanned, _PIECE):
        if cancelled():
            return
        found = [start + place for place in finder(data)]
        hits.count += len(found)
        if len(hits.starts) < KEPT:
            hits.starts.extend(found)
        hits.scanned = start + len(data)
    hits.complete = True


def matches(query: Query) -> Callable[[bytes], Iterator[int]]:
    """Finds every match of a query in a piece.

    Raises:
        re.error: not a regular expression.
    """
    pattern = query.pattern()
    if query.regex:
        return lambda data: (found.start() for found in pattern.finditer(data))
    needle = query.text.encode()
    fold = query.text == query.text.lower() and query.text.isascii()
    if query.text == query.text.lower() and not fold:
        return lambda data: (found.start() for found in pattern.finditer(data))

    def find(data: bytes) -> Iterator[int]:
        if fold:
            data = data.lower()
        at = data.find(needle)
        while at >= 0:
            yield at
            at = data.find(needle, at + len(needle))

    return find


def lines_of(finder: Callable[[bytes], Iterator[int]]) -> Callable[[bytes], Iterator[int]]:
    """Finds the start of every line with at least one match."""

    def find(data: bytes) -> Iterator[int]:
        last = -1
        for place in finder(data):
            start = max(data.rfind(b"\n", 0, place), data.rfind(b"\r", 0, place)) + 1
            if start != last:
                last = start
                yield start

    return find


def pattern_lines(pattern: re.Pattern[bytes]) -> Callable[[bytes], Iterator[int]]:
    """Finds the start of every line in which a pattern occurs."""
    return lines_of(lambda data: (found.start() for found in pattern.finditer(data)))


def without_bars(data: bytes) -> Iterator[int]:
    """Finds the start of every line that is no progress bar and not empty."""
    at = 0
    for separator in _SEPARATOR.finditer(data):
        end = separator.start()
        if end > at and data.find(_BAR, at, end) < 0:
            yield at
        at = separator.end()
    if at < len(data) and data.find(_BAR, at) < 0:
        yield at


def find_step(
    source: LogSource, step: int, cancelled: Callable[[], bool] = lambda: False
) -> int | None:
    """The byte where the first line about this step, or the first later one, is; None without."""
    for start, data in source.chunks(0, _PIECE):
        if cancelled():
            return None
        for found in _STEP.finditer(data):
            if int(found[1] or found[2]) >= step:
                return start + found.start()
    return None
