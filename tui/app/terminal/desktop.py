"""Showing a folder on the desktop, where there is one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path


def desktop_opener() -> str | None:
    """The program that shows a folder on this desktop; None over plain ssh."""
    if sys.platform == "darwin":
        return shutil.which("open")
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        return shutil.which("xdg-open")
    return None


def show_folder(folder: Path) -> str:
    """Show a folder; returns what is wrong, empty when it was asked for."""
    opener = desktop_opener()
    if opener is None:
        return "There is no desktop in this session."
    if not folder.is_dir():
        return f"{folder} is not there any more."
    subprocess.Popen(  # noqa: S603  the desktop's own opener, a folder of ours
        [opener, str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    return ""
