"""Finds an expression in lines with Python's `re`, in a process that can be given up.

`re` lets no other thread run while it matches and cannot be interrupted; some expressions take it
longer than anyone lives. So it runs in a process of its own, with a limit of computing time for
each piece of the log. This file is also that process's program: it starts in few milliseconds
because it imports nothing else of this package.
"""

from __future__ import annotations

import re
import signal
import struct
import sys
from array import array
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_REQUEST: Final = struct.Struct("=dIII")
"""Limit in seconds, flags, size of the expression, size of the lines."""
_COUNT: Final = struct.Struct("=Q")

# An expression with one of these could match across lines; it is matched line by line.
_MAY_CROSS: Final = re.compile(
    r"\\[sWDnAZrvf0-9xuUN]|\[\^|\(\?[a-zA-Z-]|[^\x20-\x7e\xa0-\U0010ffff]"
)


def request(pattern: re.Pattern[str], data: bytes, limit: float) -> bytes:
    """Return what the process reads: a question for the hits in whole lines."""
    query = pattern.pattern.encode("utf-8", "surrogatepass")
    return _REQUEST.pack(limit, pattern.flags, len(query), len(data)) + query + data


def answer_size(head: bytes) -> int:
    """Return how many bytes follow the head of an answer."""
    return int(_COUNT.unpack(head)[0]) * 8


HEAD: Final = _COUNT.size
"""Bytes at the beginning of an answer."""


def find(pattern: re.Pattern[str], data: bytes) -> Iterator[tuple[int, int]]:
    """Yield position and length of the hits in whole lines, without empty ones."""
    if _MAY_CROSS.search(pattern.pattern) is None:
        yield from _matches(pattern, data, 0)
        return
    at = 0
    for line in data.split(b"\n"):
        yield from _matches(pattern, line, at)
        at += len(line) + 1


def _matches(pattern: re.Pattern[str], data: bytes, base: int) -> Iterator[tuple[int, int]]:
    if data.isascii():
        for match in pattern.finditer(data.decode("ascii")):
            start, end = match.span()
            if end > start:
                yield base + start, end - start
        return
    text = data.decode("utf-8", "surrogateescape")
    seen, position = 0, base
    for match in pattern.finditer(text):
        start, end = match.span()
        if end > start:
            position += len(text[seen:start].encode("utf-8", "surrogateescape"))
            seen = start
            yield position, len(text[start:end].encode("utf-8", "surrogateescape"))


def main() -> None:
    """Answer questions until there are no more; a question that takes too long ends the process."""
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while head := source.read(_REQUEST.size):
        limit, flags, query_size, size = _REQUEST.unpack(head)
        query = source.read(query_size).decode("utf-8", "surrogatepass")
        data = source.read(size)
        signal.setitimer(signal.ITIMER_VIRTUAL, limit)
        pattern = re.compile(query, flags)
        hits = array("q", (number for hit in find(pattern, data) for number in hit))
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        sink.write(_COUNT.pack(len(hits)) + hits.tobytes())
        sink.flush()


if __name__ == "__main__":
    main()
