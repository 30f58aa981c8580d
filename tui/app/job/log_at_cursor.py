"""Under the charts: what the log says where the cursor stands, and just before and after it."""

from __future__ import annotations

import asyncio
import re
from bisect import bisect_right
from pathlib import Path
from threading import Event
from typing import Final, NamedTuple

from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from tui.app.log.filter import find_step
from tui.app.log.paint import paint
from tui.app.terminal.text_lines import fit, plain
from tui.app.terminal.theme import palette
from tui.simpletuner.log.text import safe_text
from tui.store.log_file import LogFile

ROWS: Final = 3
_AROUND: Final = 1 << 13
"""Bytes that are read on each side of a place. A bar redraws itself, so each drawing is a line."""
_BREAKS: Final = re.compile(rb"[\r\n]+")
_ANCHORS: Final = 1_000


class LinesAt(NamedTuple):
    """A line of a log with its neighbours; empty where there are none."""

    before: str = ""
    here: str = ""
    after: str = ""


class StepLines:
    """Finds what a log says of a step, from the nearest place that it found before.

    Args:
        path: the log file, which may grow or not be there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._identity: object = None
        self._size = 0
        self._known: list[tuple[int, int]] = []
        """Steps with the first byte about them or a later one, both rising."""

    def at(self, step: int, cancel: Event | None = None) -> LinesAt:
        """Returns the first line about a step or a later one. Blocking."""
        with LogFile(self._path) as log:
            source = log.source
            if source is None:
                return LinesAt()
            other = source.identity != self._identity or source.size < self._size
            if other or len(self._known) > _ANCHORS:
                self._identity, self._known = source.identity, []
            self._size = source.size
            known = self._known
            nearest = bisect_right(known, (step, source.size))
            place = find_step(log, step, cancel, known[nearest - 1][1] if nearest else 0)
            if place is None:
                return LinesAt()
            if not nearest or known[nearest - 1][0] != step:
                known.insert(nearest, (step, place))
            start = max(0, place - _AROUND)
            *above, head = _BREAKS.split(source.read(start, place - start))
            rest, *below = _BREAKS.split(source.read(place, min(_AROUND, source.size - place)))
        return LinesAt(
            next((_text(one) for one in reversed(above) if one.strip()), ""),
            _text(head + rest),
            next((_text(one) for one in below if one.strip()), ""),
        )


def _text(line: bytes) -> str:
    return plain(safe_text(line.decode("utf-8", "replace")))


class LogAtCursor(Widget):
    """Three lines of the log; read again when the cursor moves, and only then.

    Args:
        path: the log file.
        ascii_only: use no character beyond ASCII.
    """

    DEFAULT_CSS = "LogAtCursor { height: 3; width: 100%; display: none; }"
    ALLOW_SELECT = False

    def __init__(self, path: Path, *, ascii_only: bool) -> None:
        super().__init__()
        self._lines = StepLines(path)
        self._pointer = ">" if ascii_only else "▸"
        self._cancel = Event()
        self.step: int | None = None
        self.shown = LinesAt()

    def show(self, step: int | None) -> None:
        """Shows the log at a step; nothing, and takes no room, without one."""
        self.display = step is not None
        if step == self.step:
            return
        self.step = step
        self._cancel.set()
        self._cancel = Event()
        if step is not None:
            self.run_worker(self._read(step, self._cancel), group="log-at-cursor", exclusive=True)

    async def _read(self, step: int, cancel: Event) -> None:
        found = await asyncio.to_thread(self._lines.at, step, cancel)
        if not cancel.is_set() and found != self.shown:
            self.shown = found
            self.refresh()

    def on_unmount(self) -> None:
        """Ends the thread."""
        self._cancel.set()

    def render_line(self, y: int) -> Strip:
        """Returns one of the lines, the middle one in the tones of the log."""
        colors, width = palette(self.app), self.size.width
        text = fit(self.shown[y], max(0, width - 3))
        if y != 1:
            return Strip([Segment(f"  {text} ", colors.dim)]).adjust_cell_length(width, colors.base)
        pointer = self._pointer if text.strip() else " "
        strip = Strip.join(
            [Strip([Segment(f"{pointer} ", colors.accent)]), paint(text, colors, None)]
        )
        return strip.adjust_cell_length(width, colors.base)
