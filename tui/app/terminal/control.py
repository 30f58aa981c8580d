"""What the app asks of the terminal and of the desktop around it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tui.base.formatting import visible_lines
from tui.replicate.redact import redact_text
from tui.settings import Home, SettingsError

if TYPE_CHECKING:
    from rich.text import Text
    from textual.app import App


_LARGEST_REPORT: Final = 256 * 1024
"""Bytes of earlier crashes that are kept; a newer one replaces more."""
_MOUSE_MODES: Final = ("1000", "1003", "1015", "1006")


def write(app: App[Any], text: str) -> None:
    """Sends raw text to the terminal, where there is one."""
    driver = app._driver  # noqa: SLF001  Textual has no public way to write to the terminal
    if driver is not None and not app.is_headless:
        driver.write(text)
        driver.flush()


def copy_text(app: App[Any], text: str) -> bool:
    """Puts text on the clipboard of the terminal that the user sits at.

    Returns:
        Whether it can have arrived.
    """
    if app.is_headless:
        app.copy_to_clipboard(text)
        return True
    from tui.app.terminal.clipboard import copy

    return copy(text, os.environ, lambda sequence: write(app, sequence))


def set_mouse(app: App[Any], on: bool) -> None:
    """Asks the terminal for mouse events, or leaves the mouse to it."""
    write(app, "".join(f"\x1b[?{mode}{'h' if on else 'l'}" for mode in _MOUSE_MODES))
    if app._driver is not None:  # noqa: SLF001  as above
        app._driver._mouse = on  # noqa: SLF001  what it restores after a stop, and at the end


def desktop_opener() -> str | None:
    """Returns the program that shows a folder on this desktop; None over plain ssh."""
    if sys.platform == "darwin":
        return shutil.which("open")
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        return shutil.which("xdg-open")
    return None


def show_folder(folder: Path) -> str:
    """Opens a folder on the desktop; returns what is wrong, empty when it was opened."""
    return _show(folder) if folder.is_dir() else f"{folder} is not there any more."


def show_picture(file: Path) -> str:
    """Opens a picture in the desktop's viewer; returns what is wrong, empty when it was opened.

    Only pictures: what another kind of file does when it is opened is not known.
    """
    return _show(file) if file.is_file() else f"{file.name} is not there any more."


def _show(path: Path) -> str:
    opener = desktop_opener()
    if opener is None:
        return "There is no desktop in this session."
    subprocess.Popen(  # noqa: S603  the desktop's own opener, a path of ours
        [opener, str(path)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    return ""


def crash_message(home: Home, details: str) -> Text:
    """Writes a report to `app.log`, without secrets and for the user alone.

    Args:
        home: the state directory.
        details: the traceback; an error's message may hold anything.

    Returns:
        What the user is told, with the path of the report.
    """
    from rich.text import Text

    path = home.root / "app.log"
    report = visible_lines(redact_text(details))
    try:
        home.create()
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "a", encoding="utf-8", errors="backslashreplace") as file:
            os.fchmod(handle, 0o600)
            if file.tell() > _LARGEST_REPORT:
                file.truncate(0)
            file.write(f"{datetime.now(UTC).isoformat()}\n{report}\n")
        where = f"Details are in {path}."
    except SettingsError as error:  # the state folder is another user's
        where = f"The details could not be written to {path}: {error.message}"
    except OSError as error:
        where = f"The details could not be written to {path}: {error.strerror}."
    return Text(
        "The window stopped because of an error in simpletuner-tui. Jobs and transfers go on.\n"
        f"{where} Start it again to go on; please report the error."
    )
