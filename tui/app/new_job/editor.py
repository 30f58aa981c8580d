"""Edits the config's file in the user's own editor, which has the terminal meanwhile."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.app.terminal.text_lines import plain

if TYPE_CHECKING:
    from textual.app import App

    from tui.app.context import AppContext


def edit_file(app: App[Any], context: AppContext, path: Path) -> bool:
    """Opens a file in `$VISUAL` or `$EDITOR`; returns whether it has other content afterwards."""
    from textual.app import SuspendNotSupported

    command = editor_command()
    if isinstance(command, str):
        context.tell(command, "Set EDITOR, such as EDITOR=nano, and start the app again.", "error")
        return False
    before = _content(path)
    try:
        with app.suspend():
            status = subprocess.run([*command, str(path)], check=False).returncode  # noqa: S603  the user's own choice
    except SuspendNotSupported:
        context.tell("This terminal cannot be lent to another program.", level="warning")
        return False
    except OSError as error:
        advice = "Set EDITOR to another one."
        context.do_redraw()
        context.tell(f"{plain(command[0])} cannot be started: {error.strerror}.", advice, "error")
        return False
    context.do_redraw()
    if status:
        context.tell(f"{plain(command[0])} ended with status {status}.", level="warning")
    return _content(path) != before


def editor_command() -> list[str] | str:
    """Returns the program and its options, or what is wrong with the variable, in words."""
    for name in ("VISUAL", "EDITOR"):
        if given := os.environ.get(name, "").strip():
            try:
                return shlex.split(given) or f"{name} names no program."
            except ValueError:
                return f"{name} has a quote that is not closed."
    return "There is no editor: EDITOR is not set."


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
