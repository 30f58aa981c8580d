"""The last lines of a log file, from its last kilobytes."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

_CONTROL: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)?")
_BLOCK: Final = 16_384


def log_tail(path: Path, lines: int) -> list[str]:
    """The newest lines as a terminal would have left them, oldest first.

    Progress bars rewrite their line with carriage returns; only what stood last is kept. A file
    that is missing, empty or unreadable gives no lines.
    """
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            start = file.seek(max(0, end - _BLOCK))
            data = file.read(_BLOCK)
    except OSError:
        return []
    text = data.decode("utf-8", "replace")
    parts = text.split("\n")
    if start > 0:
        parts = parts[1:]
    shown = [_last_written(part) for part in parts]
    return [line for line in shown if line.strip()][-lines:]


def _last_written(line: str) -> str:
    pieces = [piece for piece in line.split("\r") if piece.strip()]
    return _CONTROL.sub("", pieces[-1]).expandtabs(4) if pieces else ""
