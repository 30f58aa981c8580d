"""Searches a log file: counts all hits, finds the next and the previous one from any offset.

Hits do not span lines. For a regular expression, the longest text that every hit must contain is
derived first; blocks and lines without that text are not matched against the expression.
"""

from __future__ import annotations

import importlib
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from threading import Event
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tui.store.log_expression import Expression, expression
from tui.store.log_literal import Literal
from tui.store.log_source import LONGEST, PIECE, pieces
from tui.store.search_error import SearchError

if TYPE_CHECKING:
    from tui.store.log_file import LogFile
    from tui.store.log_source import Source

_FEW: Final = 100
"""With more lines with the required text than this in a piece, its rest is searched at once."""

_SOON: Final = 0.01
"""Computing time in seconds that nobody notices between two key presses."""


class Hit(NamedTuple):
    """Offset and length of a hit in bytes."""

    offset: int
    length: int


class LogSearch:
    """A query over a log file. One thread may count while others look for hits.

    Attributes:
        query: the query as typed.
        hits: hits counted so far.
    """

    def __init__(
        self, log: LogFile, query: str, *, regex: bool = False, ignore_case: bool = False
    ) -> None:
        r"""Prepare a search.

        Args:
            log: the file.
            query: a text, or a Python `re` expression in which `^` and `$` match at lines.
            regex: whether it is an expression.
            ignore_case: ignores case of ASCII letters, in expressions with other letters of all.

        Raises:
            SearchError: the query is empty, spans lines, or is an invalid expression.
        """
        if not query:
            raise SearchError("There is nothing to search for.", "Type a word.")
        self.query = query
        self.hits = 0
        self._log = log
        self._source: Source | None = None
        self._counted = 0
        # Ends of counted pieces, each with the hits up to there.
        self._marks: list[tuple[int, int]] = [(0, 0)]
        self._pattern: re.Pattern[str] | None = None
        self._expression: Expression | None = None
        self._leads = False
        self._apart = _FEW
        self._unmarked = False
        if regex:
            self._pattern = _compiled(query, ignore_case)
            literal, self._leads = required_text(query)
            if ignore_case and not (literal.isascii() and query.isascii()):
                literal = ""
            try:
                needle = literal.encode("utf-8", "surrogateescape")
            except UnicodeEncodeError:
                needle = b""
        else:
            if "\n" in query or "\r" in query:
                raise SearchError("A search looks within lines.", "Search for a part of one line.")
            needle = query.encode("utf-8", "surrogateescape")
        self._literal = Literal(needle, fold=ignore_case)

    def close(self) -> None:
        """End the processes that an expression may need."""
        if self._expression is not None:
            self._expression.close()

    def count(
        self,
        cancel: Event | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> int:
        """Count all hits up to the current end; a later call reads new bytes only.

        Args:
            cancel: set it from another thread to stop early; the count so far is kept.
            progress: is called with the bytes done and the bytes in all.

        Returns:
            Hits in the whole file, or those found before the cancellation.
        """
        source = self._log.source
        if source is not self._source:
            self._source, self._counted, self.hits = source, 0, 0
            self._marks = [(0, 0)]
        if source is None:
            return 0
        size = source.size
        unfinished = 0
        for start, data, whole in pieces(source, self._counted, size):
            if cancel is not None and cancel.is_set():
                break
            hits = self._count_in(data)
            if whole:
                self._counted = start + len(data)
                self.hits += hits
                self._mark()
            else:
                unfinished += hits
            if progress is not None:
                progress(start + len(data), size)
        return self.hits + unfinished

    def _mark(self) -> None:
        """Note the hits up to here; short pieces of a growing file share one mark."""
        marks = self._marks
        if len(marks) > 2 and self._counted - marks[-2][0] <= PIECE:
            marks[-1] = (self._counted, self.hits)
        else:
            marks.append((self._counted, self.hits))

    def ordinal(self, offset: int) -> int | None:
        """Return the number of hits before `offset`; None if not counted that far, or if slow."""
        source, marks = self._source, self._marks
        if source is None or source is not self._log.source:
            return None
        start, hits = marks[bisect_right(marks, offset, key=lambda mark: mark[0]) - 1]
        if offset - start > LONGEST:
            return None
        try:
            for at, data, _ in pieces(source, start, source.size):
                if at >= offset:
                    break
                found = self.find_in(data, seconds=_SOON)
                hits += sum(1 for position, _ in found if at + position < offset)
        except SearchError:
            return None
        return hits

    def next(self, offset: int, cancel: Event | None = None) -> Hit | None:
        """Return the first hit that starts at or after `offset`."""
        source = self._log.source
        if source is None or offset >= source.size:
            return None
        begin = self._log.line_start(max(0, offset))
        for start, data, _ in pieces(source, begin, source.size):
            if cancel is not None and cancel.is_set():
                return None
            for at, length in self.find_in(data, max(0, offset - start)):
                return Hit(start + at, length)
        return None

    def previous(self, offset: int, cancel: Event | None = None) -> Hit | None:
        """Return the last hit that starts before `offset`."""
        source = self._log.source
        if source is None or offset <= 0:
            return None
        end = min(offset, source.size)
        limit = end
        # The line that contains `offset` is searched as a whole: an expression may end with `$`.
        line_end = self._log.after(self._log.line_start(end), 1)
        end = max(end, line_end[0].end if line_end else end)
        while end > 0 and not (cancel is not None and cancel.is_set()):
            start = self._log.line_start(max(0, end - PIECE))
            if end - start > LONGEST:
                start = end - LONGEST
            data = source.read(start, end - start)
            last = None
            for at, length in self.find_in(data):
                if start + at >= limit:
                    break
                last = Hit(start + at, length)
            if last is not None:
                return last
            # One byte back is the newline of the previous line, which is searched next.
            end = start - 1 if start else 0
        return None

    def _count_in(self, data: bytes) -> int:
        if self._pattern is None:
            return self._literal.count(data)
        return sum(1 for _ in self.find_in(data))

    def find_in(
        self, data: bytes, begin: int = 0, *, seconds: float | None = None
    ) -> Iterator[tuple[int, int]]:
        """Return the hits in whole lines, as position and length.

        Args:
            data: the lines.
            begin: where the first hit may begin.
            seconds: computing time that an expression may take; None: as a search may.

        Raises:
            SearchError: it takes longer.
        """
        if self._pattern is None:
            size = len(self._literal.text)
            return ((at, size) for at in self._literal.find_all(data, begin))
        literal, engine = self._literal, self._engine(self._pattern)
        if literal.text and not self._leads and not engine.remote:
            hits = self._find_lines(engine, data, seconds)
        elif literal.text and next(literal.find_all(data), None) is None:
            return iter(())
        else:
            hits = engine.find(data, seconds)
        return (hit for hit in hits if hit[0] >= begin) if begin else hits

    @property
    def is_linear(self) -> bool:
        """Whether the time of a search depends on the length of the log alone."""
        return self._pattern is None or self._engine(self._pattern).linear

    @property
    def is_ready(self) -> bool:
        """Whether its expression is compiled; the first search does that, in its thread."""
        return self._pattern is None or self._expression is not None

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Return start and end of each hit in the text of one line.

        None until the search is ready; and none any more when one line has taken long.
        """
        if not self.is_ready or self._unmarked:
            return []
        data = text.encode("utf-8", "replace")
        try:
            hits = list(self.find_in(data, seconds=_SOON))
        except SearchError:
            self._unmarked = True
            return []
        if len(data) == len(text):
            return [(at, at + length) for at, length in hits]
        ends = ((len(data[:at].decode()), data[at : at + length].decode()) for at, length in hits)
        return [(start, start + len(hit)) for start, hit in ends]

    def _engine(self, pattern: re.Pattern[str]) -> Expression:
        """Return the engine; made when it is first needed, which is in the thread that searches."""
        if self._expression is None:
            self._expression = expression(pattern)
        return self._expression

    def _find_lines(
        self, engine: Expression, data: bytes, seconds: float | None
    ) -> Iterator[tuple[int, int]]:
        """Yield the hits of an expression, in the lines that contain the required text.

        Many such lines are faster searched at once; a piece is taken for one like the last.
        """
        end, lines = -1, 0
        for at in self._literal.find_all(data):
            if at < end:
                continue
            start = data.rfind(b"\n", 0, at) + 1
            lines += 1
            if lines > self._apart:
                self._apart //= 2
                for position, length in engine.find(data[start:], seconds):
                    yield start + position, length
                return
            end = data.find(b"\n", at)
            end = len(data) if end < 0 else end
            for position, length in engine.find(data[start:end], seconds):
                yield start + position, length
        self._apart = min(_FEW, 2 * self._apart + 1)


def _compiled(query: str, ignore_case: bool) -> re.Pattern[str]:
    try:
        return re.compile(query, re.MULTILINE | (re.IGNORECASE if ignore_case else 0))
    except (re.error, OverflowError, RecursionError) as error:
        raise SearchError(
            f"This is no valid expression: {error}.",
            "Correct it, or search for it as plain text.",
        ) from error


def required_text(pattern: str) -> tuple[str, bool]:
    """Return the longest text that every hit contains, and whether hits start with it.

    Uses the private parser of Python's `re`: where it is missing or different, the result is an
    empty text, which only costs speed.
    """
    try:
        parsed: Any = importlib.import_module("re._parser").parse(pattern)
        if parsed.state.flags & (re.IGNORECASE | re.VERBOSE | re.LOCALE):
            return "", False
        runs = list(_runs(parsed))
    except Exception:  # noqa: BLE001  # private code of another version may do anything
        return "", False
    best = max((run for run, _ in runs), key=len, default="")
    if "\n" in best:
        return "", False
    return best, bool(runs) and runs[0] == (best, True)


def _runs(parsed: Any) -> Iterator[tuple[str, bool]]:
    """Yield literal texts that every hit contains, and whether hits start with them."""
    run, leads, consumed = "", True, False
    for operation, value in parsed:
        name = str(operation)
        if name == "LITERAL":
            leads = leads if run else not consumed
            run += chr(value)
            consumed = True
            continue
        if run:
            yield run, leads
            run = ""
        consumed = True
        if name == "SUBPATTERN":
            if not value[1] and not value[2]:
                yield from ((inner, False) for inner, _ in _runs(value[3]))
        elif name in {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"} and value[0] >= 1:
            yield from ((inner, False) for inner, _ in _runs(value[2]))
    if run:
        yield run, leads
