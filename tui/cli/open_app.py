"""Opening the app on the user's own jobs.

The last screen is painted before anything heavy is imported, so this module imports little.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from tui.app.terminal import first_frame
from tui.cli import exit_codes
from tui.cli.output import tell
from tui.settings import Home, load_settings

if TYPE_CHECKING:
    from tui.client.client import ControlClient


def open_app(_options: argparse.Namespace) -> int:
    """The app on the user's own jobs."""
    if not has_screen():
        return exit_codes.USAGE
    home = Home.resolve()
    settings = load_settings(home)
    first_frame.paint(home)
    try:
        from tui.app.app import run

        async def attach() -> ControlClient:
            from tui.client import engine_process

            return await engine_process.attach(home, settings, os.environ)

        return run(home, settings, attach=attach)
    finally:
        first_frame.restore()


def has_screen() -> bool:
    """Whether this is a terminal that can show a full screen; says what to do when it is not."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        tell("simpletuner-tui: the app needs a terminal.")
        tell("  Without one, use the commands: simpletuner-tui --help")
        return False
    if os.environ.get("TERM", "") in ("", "dumb"):
        tell("simpletuner-tui: this terminal (TERM=dumb) cannot show a full screen.")
        tell("  Use the commands instead: simpletuner-tui --help")
        return False
    return True
