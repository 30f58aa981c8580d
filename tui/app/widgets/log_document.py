"""A log file with what is being looked for in it. No drawing here, and no event loop."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from tui.app.widgets.log_lines import AllLines, Lines, SomeLines
from tui.app.widgets.log_search import (
    PROBLEMS,
    STAGES,
    Hits,
    Query,
    lines_of,
    matches,
    pattern_lines,
    scan,
    without_bars,
)
from tui.app.widgets.log_source import LogSource

SHOWN: Final = ("all", "no bars", "stages", "problems")
"""What the filter lets through, in the order of its key."""
_NOW: Final = 1 << 22
"""Bytes that may be looked through between two key presses."""

Finder = Callable[[bytes], Iterator[int]]


class LogDocument:
    """The lines that are shown, the query and its hits.

    `scan_all` may run in a thread while the event loop reads lines; hits appear in place order, so
    a half finished scan is a beginning and never wrong.
    """

    def __init__(self, path: Path) -> None:
        self.source = LogSource(path)
        self.query: Query | None = None
        self.pattern: re.Pattern[bytes] | None = None
        self.hits = Hits()
        self.shown = "all"
        self.only_hits = False
        self.kept = Hits()
        self.lines: Lines = AllLines(self.source)
        self._finder: Finder | None = None
        self._hit_finder: Finder | None = None
        self._known = self.source.size

    # -- what is looked for -------------------------------------------------------------------

    def look_for(self, query: Query | None) -> None:
        """Have another query, or none; `scan_all` finds its hits.

        Raises:
            re.error: it is no regular expression.
        """
        finder = matches(query) if query is not None else None
        self.pattern = query.pattern() if query is not None else None
        self.query, self._hit_finder = query, finder
        self.hits = Hits()
        if self.only_hits:
            self.only_hits = query is not None
            self._filter()

    def show(self, shown: str, *, only_hits: bool) -> None:
        """Let other lines through; `scan_all` finds them.

        Args:
            shown: one of `SHOWN`.
            only_hits: of those, only lines with a hit of the query.
        """
        self.shown = shown
        self.only_hits = only_hits and self.query is not None
        self._filter()

    def _filter(self) -> None:
        finders: list[Finder] = []
        if self.shown == "no bars":
            finders.append(without_bars)
        elif self.shown == "stages":
            finders.append(pattern_lines(STAGES))
        elif self.shown == "problems":
            finders.append(pattern_lines(PROBLEMS))
        if self.only_hits and self._hit_finder is not None:
            finders.append(lines_of(self._hit_finder))
        self.kept = Hits()
        self._finder = _all_of(finders)
        if self._finder is None:
            self.lines = AllLines(self.source)
        else:
            self.lines = SomeLines(self.source, self.kept.starts)

    def scan_all(self, cancelled: Callable[[], bool] = lambda: False) -> None:
        """Find hits and filtered lines in what was not looked at yet."""
        if self._finder is not None:
            scan(self.source, self._finder, self.kept, cancelled)
        if self._hit_finder is not None:
            scan(self.source, self._hit_finder, self.hits, cancelled)

    @property
    def pending(self) -> int:
        """Bytes that a scan has to go through yet."""
        left = 0
        if self._finder is not None:
            left += self.source.size - self.kept.scanned
        if self._hit_finder is not None:
            left += self.source.size - self.hits.scanned
        return left

    @property
    def scan_is_short(self) -> bool:
        """Whether scanning needs no thread."""
        return self.pending <= _NOW

    # -- the file -----------------------------------------------------------------------------

    def refresh(self) -> int | None:
        """Look at the file again.

        Returns:
            About how many lines are new, None when nothing has changed, -1 when it starts anew.
        """
        if not self.source.refresh():
            return None
        if self.source.size < self._known:
            self._known = self.source.size
            self.hits = Hits()
            self._filter()
            return -1
        new = self.source.read(self._known, min(self.source.size - self._known, _NOW))
        self._known = self.source.size
        return max(new.count(b"\n"), new.count(b"\r"), 1)


def _all_of(finders: list[Finder]) -> Finder | None:
    """Lines that every finder finds."""
    if not finders:
        return None
    if len(finders) == 1:
        return finders[0]
    first, second = finders

    def both(data: bytes) -> Iterator[int]:
        others = set(second(data))
        return (start for start in first(data) if start in others)

    return both
