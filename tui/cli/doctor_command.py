"""`doctor`: one line about each thing that the program depends on, with the fix."""

from __future__ import annotations

import argparse
import locale
import os
import shutil
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from tui.base import tmux_client
from tui.cli import context, exit_codes
from tui.cli.failures import failed
from tui.cli.output import TONES, columns, folded, harmless, say_drawn, say_json, toned

if TYPE_CHECKING:
    from tui.api.base import CheckLevel, TypedDict
    from tui.api.diagnostics import DoctorLine

    class OwnLine(TypedDict):
        """A finding of the command itself, in the shape of the engine's findings."""

        id: str
        level: CheckLevel
        message: str
        advice: str

    AnyLine: TypeAlias = DoctorLine | OwnLine


_NO_SPACE: Final = 100 * 1024**2
_MARKS: Final = {"ok": "✓", "warn": "!", "error": "✗"}
_INDENT: Final = len("✓ terminal  ")
_ASCII: Final = {"ok": "+", "warn": "!", "error": "x"}


def doctor(options: argparse.Namespace) -> int:
    """Examine the terminal here and everything else in the engine; 1 when something is broken."""
    lines: list[AnyLine] = [terminal_line(), *ability_lines(), *_other_lines()]
    broken = any(line["level"] == "error" for line in lines)
    if options.json:
        answer: dict[str, object] = {"ok": not broken, "lines": lines}
        if broken:
            bad = next(line for line in lines if line["level"] == "error")
            answer = failed(answer, bad["id"], bad["message"], bad["advice"])
        say_json(answer)
        return exit_codes.FAILED if broken else exit_codes.FINE
    for line in lines:
        for text in _drawn(line):
            say_drawn(text)
    return exit_codes.FAILED if broken else exit_codes.FINE


def _drawn(line: AnyLine) -> list[str]:
    """A finding with its fix, folded between words where the terminal would break them."""
    marks = _MARKS if _unicode() else _ASCII
    fix = f" → {line['advice']}" if line["advice"] else ""
    words = harmless(f"  {line['id']:<9} {line['message']}{fix}")
    first, *more = folded(words, columns(), _INDENT)
    return [f"{toned(marks[line['level']], TONES[line['level']])}{first[1:]}", *more]


_OTHERS: Final = ("keyring", "token", "network", "proxy", "listener", "delivery")


def _other_lines() -> Sequence[AnyLine]:
    """What the engine finds; without one why there is none, and what can be told without it."""
    from tui.client.errors import ControlError
    from tui.settings import SettingsError

    try:
        return context.doctor()
    except (ControlError, SettingsError) as error:
        engine: OwnLine = {
            "id": "engine", "level": "error", "message": error.message.rstrip("."),
            "advice": error.advice,
        }  # fmt: skip
        skipped: list[OwnLine] = [
            {"id": name, "level": "warn", "message": "not examined: no engine answers",
             "advice": ""} for name in _OTHERS
        ]  # fmt: skip
        return [engine, *skipped, _disk_line()]


def _disk_line() -> OwnLine:
    """Free space for the state folder; the engine looks at that for results as well."""
    from tui.base.formatting import size

    root = context.home().root
    there = next((path for path in (root, *root.parents) if path.is_dir()), root)
    try:
        free = shutil.disk_usage(there).free
    except OSError as error:
        words = f"{there}: {error.strerror or error}"
        return {"id": "disk", "level": "error", "message": words,
                "advice": "Is the disk still there?"}  # fmt: skip
    words = f"{size(free)} free for {root}"
    if free < _NO_SPACE:
        return {"id": "disk", "level": "error", "message": words,
                "advice": "Make room: logs and results need it."}  # fmt: skip
    return {"id": "disk", "level": "ok", "message": words, "advice": ""}


def terminal_line() -> OwnLine:
    """Whether this terminal can show the app."""
    name = os.environ.get("TERM", "")
    across, rows = shutil.get_terminal_size()
    if not sys.stdout.isatty():
        return _line("ok", "output goes to a file or a pipe")
    if name in ("", "dumb"):
        message = f"TERM is {name or 'not set'}: the app cannot draw here"
        return _line("error", message, "Set TERM=xterm-256color.")
    if across < 80 or rows < 24:
        return _line("warn", f"{across}×{rows} is small", "Use at least 80×24.")
    if not _unicode():
        message = f"{name} without UTF-8: plain characters are used"
        return _line("warn", message, "Set LANG=C.UTF-8 if the terminal can show it.")
    if tmux_client.draws_ascii_alone():
        message = "tmux runs without UTF-8: the app draws plain characters, a command's show as _"
        advice = "Attach with tmux -u, or set LANG=C.UTF-8 where tmux is started."
        return _line("warn", message, advice)
    return _line("ok", f"{name}, {across}×{rows}")


def ability_lines() -> list[OwnLine]:
    """What this terminal can do, and the line that mends what it cannot.

    Nothing here is an error: the app works without all of it.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return []
    from tui.cli.terminal_probe import look

    abilities = look(os.environ)
    inside = " outside of tmux" if os.environ.get("TMUX") else ""
    lines = [
        _line("warn", f"no {one.name}{inside}", f"{_where()}{one.mend}")
        for one in abilities
        if one.works is False and one.mend
    ]
    for works, words in (
        (True, "has"),
        (False, "does without"),
        (None, "does not say whether it has"),
    ):
        names = [one.name for one in abilities if one.works is works and not (
            works is False and one.mend)]  # fmt: skip
        if names:
            lines.append(_line("ok", f"{words} {', '.join(names)}"))
    mends = {one.mend for one in abilities if one.works and one.mend}
    return [*lines, *(_line("warn", "true colour is not announced", mend) for mend in mends)]


def _where() -> str:
    return "tmux.conf: " if os.environ.get("TMUX") else ""


def _line(level: CheckLevel, message: str, advice: str = "") -> OwnLine:
    return {"id": "terminal", "level": level, "message": message, "advice": advice}


def _unicode() -> bool:
    return "utf" in locale.getpreferredencoding(False).lower().replace("-", "")
