"""`doctor`: one line about each thing that the program depends on, with the fix."""

from __future__ import annotations

import argparse
import locale
import os
import shutil
import sys
from typing import TYPE_CHECKING, Final, Literal

from tui.cli import context, exit_codes
from tui.cli.output import say, say_json

if TYPE_CHECKING:
    from tui.api.base import CheckLevel, TypedDict

    class TerminalLine(TypedDict):
        """The finding about the terminal, in the shape of the engine's findings."""

        id: Literal["terminal"]
        level: CheckLevel
        message: str
        advice: str


_MARKS: Final = {"ok": "✓", "warn": "!", "error": "✗"}
_ASCII: Final = {"ok": "+", "warn": "!", "error": "x"}


def doctor(options: argparse.Namespace) -> int:
    """Examine the terminal here and everything else in the engine; 1 when something is broken."""
    lines = [terminal_line(), *context.engine().cloud.doctor().result()["lines"]]
    broken = any(line["level"] == "error" for line in lines)
    if options.json:
        say_json({"ok": not broken, "lines": lines})
        return exit_codes.FAILED if broken else exit_codes.FINE
    marks = _MARKS if _unicode() else _ASCII
    for line in lines:
        fix = f" → {line['advice']}" if line["advice"] else ""
        say(f"{marks[line['level']]} {line['id']:<9} {line['message']}{fix}")
    return exit_codes.FAILED if broken else exit_codes.FINE


def terminal_line() -> TerminalLine:
    """Whether this terminal can show the app."""
    name = os.environ.get("TERM", "")
    columns, rows = shutil.get_terminal_size()
    if not sys.stdout.isatty():
        return _line("ok", "output goes to a file or a pipe")
    if name in ("", "dumb"):
        message = f"TERM is {name or 'not set'}: the app cannot draw here"
        return _line("error", message, "Set TERM=xterm-256color.")
    if columns < 80 or rows < 24:
        return _line("warn", f"{columns}×{rows} is small", "Use at least 80×24.")
    if not _unicode():
        message = f"{name} without UTF-8: plain characters are used"
        return _line("warn", message, "Set LANG=C.UTF-8 if the terminal can show it.")
    return _line("ok", f"{name}, {columns}×{rows}")


def _line(level: CheckLevel, message: str, advice: str = "") -> TerminalLine:
    return {"id": "terminal", "level": level, "message": message, "advice": advice}


def _unicode() -> bool:
    return "utf" in locale.getpreferredencoding(False).lower().replace("-", "")
