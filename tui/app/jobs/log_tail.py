"""The last lines of a log file."""

from __future__ import annotations

from pathlib import Path

from tui.store.log_file import LogFile


def log_tail(path: Path, lines: int) -> list[str]:
    """The newest lines that say something, oldest first, safe to show.

    Blank lines between them are left out. A file that is missing or empty gives no lines.
    """
    with LogFile(path) as log:
        texts = [line.text for line in log.tail(2 * lines)]
    return [text for text in texts if text.strip()][-lines:]
