"""`doctor`: one line about each thing the program stands on, with the fix."""

from __future__ import annotations

import argparse
import locale
import os
import shutil
import sys
from typing import Any, Final

from tui.cli import context, exit_codes
from tui.cli.output import say, say_json

_MARKS: Final = {"ok": "✓", "warn": "!", "error": "✗"}
_ASCII: Final = {"ok": "+", "warn": "!", "error": "x"}


def doctor(options: argparse.Namespace) -> int:
    """Examine everything; 1 when something is broken."""
    lines = [terminal_line()]
    lines += context.engine().request("GET", "/api/engine/doctor", timeout=60.0)["lines"]
    broken = any(line["level"] == "error" for line in lines)
    if options.json:
        say_json({"ok": not broken, "lines": lines})
        return exit_codes.FAILED if broken else exit_codes.FINE
    marks = _MARKS if _unicode() else _ASCII
    for line in lines:
        fix = f" → {line['advice']}" if line["advice"] else ""
        say(f"{marks[line['level']]} {line['id']:<9} {line['message']}{fix}")
    return exit_codes.FAILED if broken else exit_codes.FINE


def terminal_line() -> dict[str, Any]:
    """Whether the app can be shown here."""
    name = os.environ.get("TERM", "")
    columns, rows = shutil.get_terminal_size()
    found = {"id": "terminal", "level": "ok", "message": f"{name}, {columns}×{rows}", "advice": ""}
    if not sys.stdout.isatty():
        return found | {
            "message": "output goes to a file or a pipe",
            "advice": "",
        }
    if name in ("", "dumb"):
        return found | {
            "level": "error",
            "message": f"TERM is {name or 'not set'}: the app cannot draw here",
            "advice": "Set TERM=xterm-256color.",
        }
    if columns < 80 or rows < 24:
        return found | {
            "level": "warn",
            "message": f"{columns}×{rows} is small",
            "advice": "Use at least 80×24.",
        }
    if not _unicode():
        return found | {
            "level": "warn",
            "message": f"{name} without UTF-8: plain characters are used",
            "advice": "Set LANG=C.UTF-8 if the terminal can show it.",
        }
    return found


def _unicode() -> bool:
    return "utf" in locale.getpreferredencoding(False).lower().replace("-", "")
