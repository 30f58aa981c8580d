"""A log file with the query and the filter over it; no drawing, no event loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock
from typing import Final

from tui.app.log.filter import (
    PROBLEMS,
    STAGES,
    AllLines,
    FilteredLines,
    Finder,
    Lines,
    LinesBetween,
    SomeLines,
    both,
    lines_hit,
    lines_with,
    sift,
    without_bars,
)
from tui.store.log_file import Change, LogFile
from tui.store.log_search import LogSearch
from tui.store.search_error import SearchError

SHOWN: Final = ("all", "no bars", "stages", "problems")
"""What the filter lets through, in the order of its key."""
_FINDERS: Final[dict[str, Finder]] = {
    "no bars": without_bars,
    "stages": lines_with(STAGES),
    "problems": lines_with(PROBLEMS),
}
_NOW: Final = 1 << 22
"""Bytes that may be looked through between two key presses."""
_NOW_EXPRESSION: Final = 1 << 14
"""The same for an expression, which may have a hit at every byte."""


@dataclass(frozen=True, slots=True)
class Query:
    """A search text.

    Attributes:
        text: as typed.
        regex: whether it is a regular expression.
    """

    text: str
    regex: bool = False

    @property
    def ignores_case(self) -> bool:
        """Whether case is ignored: for a plain text in lower case, never for an expression."""
        return not self.regex and self.text == self.text.lower()


class LogDocument:
    """The lines that are shown, the query and its hits.

    `scan` may run in a thread while the event loop reads lines; lines and hits are found in order,
    so a half finished scan is a beginning and never wrong.
    """

    def __init__(self, path: Path) -> None:
        self.log = LogFile(path)
        self.query: Query | None = None
        self.search: LogSearch | None = None
        self.hits = 0
        self.gave_up: SearchError | None = None
        """Why the query is not looked for any more."""
        self.shown = "all"
        self.only_hits = False
        self.between: tuple[int, int] | None = None
        """The bytes that the shown lines begin in; None for the whole file."""
        self.kept = FilteredLines()
        self.lines: Lines = AllLines(self.log)
        self._sieve: tuple[Finder | None, FilteredLines] = (None, self.kept)
        self._scanning = Lock()
        self._counted = 0
        self._known = self.log.size

    def close(self) -> None:
        """Closes the file and ends the search."""
        self.log.close()
        if self.search is not None:
            self.search.close()

    # -- what is looked for -------------------------------------------------------------------

    def look_for(self, query: Query | None) -> None:
        """Sets the query, or none; `scan` counts its hits.

        Raises:
            SearchError: it cannot be searched for.
        """
        search = None
        if query is not None:
            search = LogSearch(
                self.log, query.text, regex=query.regex, ignore_case=query.ignores_case
            )
        self.search = search
        self.query, self.hits, self._counted, self.gave_up = query, 0, 0, None
        if self.only_hits:
            self.only_hits = query is not None
            self._filter()

    def show(self, shown: str, *, only_hits: bool, between: tuple[int, int] | None = None) -> None:
        """Sets which lines are shown; `scan` finds them.

        Args:
            shown: one of `SHOWN`.
            only_hits: of those, only lines with a hit of the query.
            between: the bytes that they begin in; by default the whole file.
        """
        self.shown, self.between = shown, between
        self.only_hits = only_hits and self.query is not None
        self._filter()

    def _filter(self) -> None:
        finder = _FINDERS.get(self.shown)
        if self.only_hits and self.search is not None:
            hit = lines_hit(self.search)
            finder = hit if finder is None else both(finder, hit)
        self.kept = FilteredLines()
        self._sieve = (finder, self.kept)
        self.lines = AllLines(self.log) if finder is None else SomeLines(self.log, self.kept)
        if self.between is not None:
            self.lines = LinesBetween(self.log, self.lines, *self.between)

    @property
    def is_filtered(self) -> bool:
        """Whether not all lines are shown."""
        return self.shown != "all" or self.only_hits or self.between is not None

    def scan(self, cancel: Event | None = None) -> None:
        """Finds filtered lines and counts hits in the part that was not scanned yet."""
        with self._scanning:  # one that was cancelled may not have ended yet
            search = self.search
            try:
                self._scan(search, cancel)
            except SearchError as error:
                self._give_up(search, error)

    def _scan(self, search: LogSearch | None, cancel: Event | None) -> None:
        finder, kept = self._sieve
        if finder is not None:
            sift(self.log, finder, kept, cancel)
        size = self.log.size
        if search is None or self.gave_up is not None:
            return
        hits = search.count(cancel)
        if search is self.search and not (cancel is not None and cancel.is_set()):
            self.hits, self._counted = hits, size

    def _give_up(self, search: LogSearch | None, error: SearchError) -> None:
        if search is self.search and self.gave_up is None:  # two threads may find it out
            self.gave_up = error

    def find(self, find: Callable[[Event], int | None], cancel: Event) -> int | None:
        """Returns what a function finds with the query; None also when that takes too long."""
        search = self.search
        try:
            return find(cancel)
        except SearchError as error:
            self._give_up(search, error)
            return None

    def first_hit(self, place: int, cancel: Event | None = None) -> int | None:
        """Returns the first hit at or below a byte, else the last one above."""
        search = self.search
        if search is None:
            return None
        hit = search.next(place, cancel) or search.previous(place, cancel)
        return None if hit is None else hit.offset

    @property
    def pending(self) -> int:
        """The number of bytes that are not scanned yet."""
        left = 0
        if self._sieve[0] is not None:
            left += self.log.size - self.kept.scanned
        if self.search is not None and self.gave_up is None:
            left += max(0, self.log.size - self._counted)
        return left

    @property
    def is_short(self) -> bool:
        """Whether the whole file can be scanned between two key presses."""
        return self._is_short(self.log.size)

    @property
    def scan_is_short(self) -> bool:
        """Whether the rest can be scanned between two key presses."""
        return self._is_short(self.pending)

    def _is_short(self, size: int) -> bool:
        if self.search is None or self.query is None or not self.query.regex:
            return size <= _NOW
        return not size or (size <= _NOW_EXPRESSION and self.search.is_linear)

    # -- the file -----------------------------------------------------------------------------

    def refresh(self) -> int | None:
        """Reads how the file has changed.

        Returns:
            About how many lines are new, None when nothing has changed, -1 when it starts anew.
        """
        change = self.log.refresh()
        if change in (Change.SAME, Change.GONE):
            return None
        known, self._known = self._known, self.log.size
        source = self.log.source
        if source is None or (change is Change.REPLACED and known):
            self.hits, self._counted, self.between = 0, 0, None
            self._filter()
            return -1
        new = source.read(known, min(source.size - known, _NOW))
        return max(new.count(b"\n"), 1)
