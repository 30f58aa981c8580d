"""Finds a regular expression in the lines of a log: with RE2 where that finds the same, else `re`.

Both return the hits that Python's `re` finds in each line on its own, without empty ones. See
`log_re2` for what RE2 can be asked; where it is not installed, `re` does all of it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Protocol

from tui.store.log_re2 import STAND_IN, CannotSpellError, Spelling, foreign_word_characters, spell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from re2._re2 import RE2

Span = tuple[int, int]
"""Position and length in bytes."""

_ESCAPES: Final = re.compile("[\udc80-\udcff]")
# An expression with one of these could match across lines; it is matched line by line.
_MAY_CROSS: Final = re.compile(
    r"\\[sWDnAZrvf0-9xuUN]|\[\^|\(\?[a-zA-Z-]|[^\x20-\x7e\xa0-\U0010ffff]"
)


class Expression(Protocol):
    """A compiled expression.

    Attributes:
        linear: whether its time depends on the length of the text alone.
    """

    linear: bool

    def find(self, data: bytes) -> Iterator[Span]:
        """Yield the hits in whole lines, from left to right."""
        ...


def expression(pattern: re.Pattern[str]) -> Expression:
    """Return the fastest engine that finds in each line what a pattern finds in it."""
    try:
        spelling = spell(pattern.pattern, pattern.flags & ~re.UNICODE)
        return _Linear(pattern, spelling, _re2(spelling.text))
    except (CannotSpellError, ImportError):
        return _Backtracking(pattern)


@lru_cache(maxsize=8)
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


class _Linear:
    """Searches with RE2; lines in which it would see other characters than `re` are set apart."""

    linear = True

    def __init__(self, pattern: re.Pattern[str], spelling: Spelling, compiled: RE2) -> None:
        self._spelling = spelling
        self._compiled = compiled
        self._backtracking = _Backtracking(pattern)

    def find(self, data: bytes) -> Iterator[Span]:
        """Yield the hits in whole lines."""
        apart = {} if data.isascii() else self._set_apart(data)
        if not apart:
            yield from _spans(self._compiled, data, 0, len(data))
            return
        at = 0
        for start, end in sorted(apart.items()):
            yield from _spans(self._compiled, data, at, start)
            for position, length in self._in_line(data[start:end]):
                yield start + position, length
            at = min(end + 1, len(data))
        yield from _spans(self._compiled, data, at, len(data))

    def _set_apart(self, data: bytes) -> dict[int, int]:
        """Return starts and ends of lines that RE2 alone might read differently."""
        apart: dict[int, int] = {}
        if self._spelling.edges:
            places = _spans(_re2(foreign_word_characters()), data, 0, len(data))
            at = 0
            for place, _ in places:
                if place >= at:
                    start, end = _line(data, place)
                    apart[start] = end
                    at = end
        if self._spelling.escapes:
            at = 0
            while (place := _undecodable(data, at)) >= 0:
                start, end = _line(data, place)
                apart[start] = end
                at = end
        return apart

    def _in_line(self, line: bytes) -> Iterator[Span]:
        text = line.decode("utf-8", "surrogateescape")
        if self._spelling.edges and _FOREIGN.search(text):
            yield from self._backtracking.find(line)
            return
        known = _ESCAPES.sub(STAND_IN, text).encode()
        seen, position, character = 0, 0, 0
        for start, length in _spans(self._compiled, known, 0, len(known)):
            begin = character + len(known[seen:start].decode())
            seen, end = start + length, begin + len(known[start : start + length].decode())
            position += _size(text[character:begin])
            size = _size(text[begin:end])
            yield position, size
            position, character = position + size, end


_FOREIGN: Final = re.compile(r"[^\W\x00-\x7f]")


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))


def _line(data: bytes, place: int) -> Span:
    """Return start and end of the line around a byte."""
    end = data.find(b"\n", place)
    return data.rfind(b"\n", 0, place) + 1, len(data) if end < 0 else end


def _undecodable(data: bytes, begin: int) -> int:
    """Return the first byte that is no UTF-8, from a line's end on; -1 if all is."""
    try:
        str(memoryview(data)[begin:], "utf-8")
    except UnicodeDecodeError as error:
        return begin + error.start
    return -1


class _Backtracking:
    """Searches with Python's `re`, which may take very long for some expressions."""

    linear = False

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self._pattern = pattern
        self._crosses = _MAY_CROSS.search(pattern.pattern) is not None

    def find(self, data: bytes) -> Iterator[Span]:
        """Yield the hits in whole lines."""
        if not self._crosses:
            yield from self._matches(data, 0)
            return
        at = 0
        for line in data.split(b"\n"):
            yield from self._matches(line, at)
            at += len(line) + 1

    def _matches(self, data: bytes, base: int) -> Iterator[Span]:
        """Yield hits, from a byte of the whole on, without empty ones."""
        if data.isascii():
            for match in self._pattern.finditer(data.decode("ascii")):
                start, end = match.span()
                if end > start:
                    yield base + start, end - start
            return
        text = data.decode("utf-8", "surrogateescape")
        seen, position = 0, base
        for match in self._pattern.finditer(text):
            start, end = match.span()
            if end > start:
                position += _size(text[seen:start])
                seen = start
                yield position, _size(text[start:end])
