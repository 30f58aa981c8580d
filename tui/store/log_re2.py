r"""Spells a Python expression for RE2, so that both find the same in the lines of a log.

RE2 searches in linear time whatever the expression is, lets other threads run meanwhile, and is
several times as fast as Python's `re`. It lacks look-around and back-references, and its classes
and word edges know ASCII only. So classes are written out as the very characters that Python's
`re` puts in them; what cannot be said the same way is refused. The newline is left out of every
class: a hit stays in its line even when many lines are searched at once.

Bytes that are no UTF-8 are characters of their own in Python (`surrogateescape`) and none in RE2.
Classes with such characters are noted, and `STAND_IN` is always in the same classes as they are.
"""

from __future__ import annotations

import importlib
import re
from array import array
from functools import lru_cache
from typing import Any, Final, NamedTuple

Ranges = tuple[tuple[int, int], ...]
"""First and last character of each run, in order."""

STAND_IN: Final = "\U0010ffff"
"""Takes the place of a byte that is no UTF-8."""

_LAST: Final = 0x10FFFF
# No character above is a digit, a word character, a space, or has case.
_SCANNED: Final = 0x40000
_NEWLINE: Final = 0x0A
_SURROGATES: Final = (0xD800, 0xDFFF)
_ESCAPES: Final = (0xDC80, 0xDCFF)
_NEVER: Final = r"[^\x00-\x{10FFFF}]"
_FLAGS: Final = re.IGNORECASE | re.ASCII
_KINDS: Final = re.ASCII | re.LOCALE | re.UNICODE
_CATEGORIES: Final = {
    "CATEGORY_DIGIT": r"\d",
    "CATEGORY_NOT_DIGIT": r"\D",
    "CATEGORY_SPACE": r"\s",
    "CATEGORY_NOT_SPACE": r"\S",
    "CATEGORY_WORD": r"\w",
    "CATEGORY_NOT_WORD": r"\W",
}
_PLACES: Final = {
    "AT_BEGINNING": "^",
    "AT_BEGINNING_STRING": "^",
    "AT_END": "$",
    "AT_END_STRING": "$",
    "AT_BOUNDARY": r"\b",
    "AT_NON_BOUNDARY": r"\B",
}


class CannotSpellError(Exception):
    """RE2 has no expression that finds the same."""


class Spelling(NamedTuple):
    """An expression for RE2, of UTF-8 text.

    Attributes:
        text: the expression.
        escapes: whether it may match bytes that are no UTF-8.
        edges: whether it looks at word edges, which RE2 sees between ASCII characters only.
    """

    text: str
    escapes: bool
    edges: bool


def spell(query: str, flags: int) -> Spelling:
    """Spell a valid expression for RE2.

    Raises:
        CannotSpellError: RE2 has nothing like it, or it might find something else.
    """
    try:
        parsed: Any = importlib.import_module("re._parser").parse(query, flags)
        speller = _Speller()
        text = speller.whole(parsed)
    except CannotSpellError:
        raise
    except Exception as error:  # a private parser, of another version it may do anything
        raise CannotSpellError from error
    return Spelling(text, speller.escapes, speller.edges)


class _Speller:
    """Walks through a parsed expression; notes what the spelling needs of its text."""

    def __init__(self) -> None:
        self.escapes = False
        self.edges = False

    def whole(self, parsed: Any) -> str:
        if parsed.getwidth()[0] == 0:
            raise CannotSpellError  # after an empty hit, `re` looks for another one at its place
        return f"(?m){self.sequence(parsed, parsed.state.flags)}"

    def sequence(self, parsed: Any, flags: int) -> str:
        return "".join(self._item(str(operation), value, flags) for operation, value in parsed)

    def _item(self, name: str, value: Any, flags: int) -> str:
        if name == "LITERAL":
            return self._class(_literal(value, flags))
        if name == "NOT_LITERAL":
            return self._class(_complement(_literal(value, flags)))
        if name == "ANY":
            return self._class(((0, _LAST),))
        if name == "IN":
            return self._class(_members(value, flags))
        if name == "AT":
            self.edges |= "BOUNDARY" in str(value) and not flags & re.ASCII
            return _PLACES[str(value)]
        if name == "BRANCH":
            return f"(?:{'|'.join(self.sequence(branch, flags) for branch in value[1])})"
        if name == "SUBPATTERN":
            _, added, removed, inner = value
            if added & _KINDS:  # `re` itself compiles their first class with the flags around them
                raise CannotSpellError
            return f"(?:{self.sequence(inner, (flags | added) & ~removed)})"
        if name in {"MAX_REPEAT", "MIN_REPEAT"}:
            least, most, inner = value
            return self._repeat(least, most, inner, flags) + "?" * (name == "MIN_REPEAT")
        raise CannotSpellError

    def _repeat(self, least: int, most: Any, inner: Any, flags: int) -> str:
        unbounded = str(most) == "MAXREPEAT"
        if (unbounded or most > 1) and inner.getwidth()[0] == 0:
            raise CannotSpellError  # engines differ in how they leave a loop that eats nothing
        times = f"{{{least},{'' if unbounded else most}}}"
        return f"(?:{self.sequence(inner, flags)}){times}"

    def _class(self, ranges: Ranges) -> str:
        escapes, stand_in = _held(ranges, *_ESCAPES), _held(ranges, _LAST, _LAST)
        if stand_in != bool(escapes) or escapes not in (0, _ESCAPES[1] - _ESCAPES[0] + 1):
            raise CannotSpellError
        self.escapes |= bool(escapes)
        return _bracket(ranges)


def _bracket(ranges: Ranges) -> str:
    kept = _without(_without(ranges, _NEWLINE, _NEWLINE), *_SURROGATES)
    if not kept:
        return _NEVER
    if len(kept) == 1 and kept[0][0] == kept[0][1]:
        return f"\\x{{{kept[0][0]:x}}}"
    return "[" + "".join(f"\\x{{{first:x}}}-\\x{{{last:x}}}" for first, last in kept) + "]"


def _held(ranges: Ranges, first: int, last: int) -> int:
    """Return how many characters of a run are in a class."""
    return sum(max(0, min(last, end) - max(first, begin) + 1) for begin, end in ranges)


def _literal(character: int, flags: int) -> Ranges:
    if not flags & re.IGNORECASE:
        return ((character, character),)
    return _matched(_written(character), flags & _FLAGS)


def _members(items: Any, flags: int) -> Ranges:
    """Return the characters of a `[class]`."""
    negated = str(items[0][0]) == "NEGATE"
    items = items[1:] if negated else items
    if flags & re.IGNORECASE:
        parts = [_source(str(name), value) for name, value in items]
        ranges = _matched(f"[{''.join(parts)}]", flags & _FLAGS)
    else:
        ranges = _union([part for name, value in items for part in _part(str(name), value, flags)])
    return _complement(ranges) if negated else ranges


def _part(name: str, value: Any, flags: int) -> Ranges:
    if name == "LITERAL":
        return ((value, value),)
    if name == "RANGE":
        return (value,)
    return _matched(_source(name, value), flags & _FLAGS)


def _source(name: str, value: Any) -> str:
    if name == "LITERAL":
        return _written(value)
    if name == "RANGE":
        return f"{_written(value[0])}-{_written(value[1])}"
    if name == "CATEGORY":
        return _CATEGORIES[str(value)]
    raise CannotSpellError


def _written(character: int) -> str:
    if character >= _SCANNED:
        raise CannotSpellError
    return f"\\U{character:08x}"


@lru_cache(maxsize=1)
def _characters() -> str:
    return array("I", range(_SCANNED)).tobytes().decode("utf-32", "surrogatepass")


@lru_cache(maxsize=128)
def _matched(source: str, flags: int) -> Ranges:
    """Return the characters that an expression of one character matches, asked of `re` itself."""
    runs = re.compile(f"(?:{source})+", flags).finditer(_characters())
    ranges = [(run.start(), run.end() - 1) for run in runs]
    if re.fullmatch(source, STAND_IN, flags):
        ranges.append((_SCANNED, _LAST))
    return _union(ranges)


def foreign_word_characters() -> str:
    r"""Return a class for RE2 of all characters of `\w` that are not ASCII."""
    return _bracket(_without(_matched(r"\w", 0), 0, 0x7F))


def _union(ranges: list[tuple[int, int]]) -> Ranges:
    joined: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = joined[-1][0], max(last, joined[-1][1])
        else:
            joined.append((first, last))
    return tuple(joined)


def _complement(ranges: Ranges) -> Ranges:
    gaps, at = [], 0
    for first, last in ranges:
        if first > at:
            gaps.append((at, first - 1))
        at = last + 1
    if at <= _LAST:
        gaps.append((at, _LAST))
    return tuple(gaps)


def _without(ranges: Ranges, first: int, last: int) -> Ranges:
    return tuple(
        (begin, end)
        for low, high in ranges
        for begin, end in ((low, min(high, first - 1)), (max(low, last + 1), high))
        if begin <= end
    )
