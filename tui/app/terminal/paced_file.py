"""Whether the terminal keeps up with what is written to it.

A thread of Textual's writes; where the terminal is slow it stands still, and everything that the
app draws meanwhile would wait behind it and be old when it comes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import IO, Any, Final

_PATIENCE: Final = 0.03
"""Seconds that a write may take before the terminal is behind."""


class PacedFile:
    """The terminal's file, with a count of what it has taken.

    Args:
        file: the file.
        caught_up: called in the thread that writes, when all has been taken after a delay.
    """

    def __init__(self, file: IO[str], caught_up: Callable[[], None]) -> None:
        self._file = file
        self._caught_up = caught_up
        self._handed = self._written = self._taken = 0
        self._since = 0.0
        self._was_behind = False

    def hand_over(self) -> None:
        """Counts a text that the thread is given to write."""
        if self._handed == self._taken:
            self._since = time.monotonic()
        self._handed += 1

    @property
    def is_behind(self) -> bool:
        """Whether the terminal has not taken a text for longer than a write lasts."""
        behind = self._handed != self._taken and time.monotonic() - self._since > _PATIENCE
        self._was_behind |= behind
        # Looked at again after the note: else the thread may have been done just before it.
        return behind and self._handed != self._taken

    def write(self, text: str) -> int:
        """Writes a text; in the thread."""
        count = self._file.write(text)
        self._written += 1
        return count

    def flush(self) -> None:
        """Sends what has been written; in the thread, when nothing more waits."""
        written = self._written
        self._file.flush()
        self._taken = written
        if self._was_behind and self._handed == written:
            self._was_behind = False
            self._caught_up()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
