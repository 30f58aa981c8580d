"""Finds a regular expression in the lines of a log: with RE2 where that finds the same, else `re`.

Both return the hits that Python's `re` finds in each line on its own, without empty ones. See
`log_re2` for what RE2 can be asked; where it is not installed, `re` does all of it, in a process
of its own.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Protocol

from tui.store.log_process import SearchProcesses
from tui.store.log_re2 import STAND_IN, CannotSpellError, Spelling, foreign_word_characters, spell
from tui.store.search_error import SearchError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from re2._re2 import RE2

Span = tuple[int, int]
"""Position and length in bytes."""

_ESCAPES: Final = re.compile("[\udc80-\udcff]")


class Expression(Protocol):
    """A compiled expression.

    Attributes:
        linear: whether its time depends on the length of the text alone.
        remote: whether each call asks another process, so that few long ones are best.
    """

    linear: bool
    remote: bool

    def find(self, data: bytes, seconds: float | None = None) -> Iterator[Span]:
        """Return the hits in whole lines, from left to right.

        Args:
            data: the lines.
            seconds: computing time it may take, unless it is linear; None: as a search may.

        Raises:
            SearchError: it takes too long.
        """
        ...

    def close(self) -> None:
        """End what it has started."""
        ...


def expression(pattern: re.Pattern[str]) -> Expression:
    """Return the fastest engine that finds in each line what a pattern finds in it."""
    try:
        spelling = spell(pattern.pattern, pattern.flags & ~re.UNICODE)
        return _Linear(pattern, spelling, _re2(spelling.text))
    except (CannotSpellError, ImportError):
        return _Backtracking(pattern)


def _re2(text: str) -> RE2:
    """Compile for RE2.

    Its own Python layer makes an object of each match, which doubles the time of frequent hits.

    Raises:
        ImportError: it is not installed, or different.
        CannotSpellError: the expression is too large for it.
    """
    from re2._re2 import RE2

    options = RE2.Options()
    options.never_capture = True
    options.log_errors = False
    compiled = RE2(text.encode(), options)
    if not compiled.ok():
        raise CannotSpellError
    return compiled


def _spans(compiled: RE2, data: bytes, begin: int, end: int) -> Iterator[Span]:
    from re2._re2 import RE2

    match, anywhere = compiled.Match, RE2.Anchor.UNANCHORED
    while True:
        start, begin = match(anywhere, data, begin, end)[0]
        if start < 0:
            return
        yield start, begin - start


@lru_cache(maxsize=1)
def _foreign() -> RE2:
    return _re2(foreign_word_characters())


def _has_foreign_letters(data: bytes) -> bool:
    return next(_spans(_foreign(), data, 0, len(data)), None) is not None


class _Linear:
    """Searches with RE2; lines in which it would see other characters than `re` are set apart."""

    remote = False

    def __init__(self, pattern: re.Pattern[str], spelling: Spelling, compiled: RE2) -> None:
        self.linear = not spelling.edges
        self._spelling = spelling
        self._compiled = compiled
        self._backtracking = _Backtracking(pattern)

    def close(self) -> None:
        """End the other processes."""
        self._backtracking.close()

    def find(self, data: bytes, seconds: float | None = None) -> Iterator[Span]:
        """Return the hits in whole lines."""
        if data.isascii():
            return _spans(self._compiled, data, 0, len(data))
        if self._spelling.edges and _has_foreign_letters(data):
            return self._backtracking.find(data, seconds)
        place = _undecodable(data, 0) if self._spelling.escapes else -1
        if place < 0:
            return _spans(self._compiled, data, 0, len(data))
        return self._find_apart(data, place)

    def _find_apart(self, data: bytes, place: int) -> Iterator[Span]:
        """Yield the hits where some lines have bytes that are no UTF-8, the first at a place."""
        at = 0
        while place >= 0:
            start, end = data.rfind(b"\n", 0, place) + 1, data.find(b"\n", place)
            end = len(data) if end < 0 else end
            yield from _spans(self._compiled, data, at, start)
            for position, length in self._in_line(data[start:end]):
                yield start + position, length
            at = min(end + 1, len(data))
            place = _undecodable(data, at)
        yield from _spans(self._compiled, data, at, len(data))

    def _in_line(self, line: bytes) -> Iterator[Span]:
        """Yield the hits in a line whose bytes that are no UTF-8 have something in their place."""
        text = line.decode("utf-8", "surrogateescape")
        known = _ESCAPES.sub(STAND_IN, text).encode()
        seen, position, character = 0, 0, 0
        for start, length in _spans(self._compiled, known, 0, len(known)):
            begin = character + len(known[seen:start].decode())
            seen, end = start + length, begin + len(known[start : start + length].decode())
            position += _size(text[character:begin])
            size = _size(text[begin:end])
            yield position, size
            position, character = position + size, end


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))


def _undecodable(data: bytes, begin: int) -> int:
    """Return the first byte that is no UTF-8, from the start of a line on; -1 if all is."""
    try:
        str(memoryview(data)[begin:], "utf-8")
    except UnicodeDecodeError as error:
        return begin + error.start
    return -1


class _Backtracking:
    """Searches with Python's `re`, in another process: it may take very long."""

    linear = False
    remote = True

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self._pattern = pattern
        self._given_up: SearchError | None = None
        self._processes = SearchProcesses()

    def close(self) -> None:
        """End the other processes."""
        self._processes.close()

    def find(self, data: bytes, seconds: float | None = None) -> Iterator[Span]:
        """Return the hits in whole lines; once given up, it is not tried again.

        Raises:
            SearchError: it takes too long.
        """
        if self._given_up is not None:
            raise self._given_up
        try:
            return iter(self._processes.hits(self._pattern, data, seconds))
        except SearchError as error:
            if seconds is None:
                self._given_up = error
            raise
