"""Opening the app on the user's own jobs.

The last screen is painted before anything heavy is imported, so this module imports little.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from tui.app.terminal import ending, first_frame
from tui.settings import Home, load_settings

if TYPE_CHECKING:
    from tui.client.client import ControlClient
    from tui.settings import Settings


def open_app(_options: argparse.Namespace) -> int:
    """The app on the user's own jobs."""
    require_screen()
    home = Home.resolve()
    settings = load_settings(home)
    ending.catch()
    first_frame.paint(home)
    try:
        from tui.base import tmux_client

        tmux_client.ask()  # it answers while the toolkit is imported
        limit_frames(settings)
        from tui.app.app import run

        async def attach() -> ControlClient:
            from tui.client import engine_process

            return await engine_process.attach(home, settings, os.environ)

        return run(home, settings, attach=attach)
    finally:
        first_frame.restore()
        ending.release()


def limit_frames(settings: Settings) -> None:
    """Tell Textual the settings' frame rate, which it reads when it is imported."""
    os.environ.setdefault("TEXTUAL_FPS", str(settings.ui.frame_rate))


def require_screen() -> None:
    """Refuse to draw where there is no terminal that can show a full screen.

    Raises:
        ApiError: there is none.
    """
    from tui.cli.failures import wrong_usage

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise wrong_usage(
            "the app needs a terminal.", "Without one, use the commands: simpletuner-tui --help"
        )
    if os.environ.get("TERM", "") in ("", "dumb"):
        raise wrong_usage(
            "this terminal (TERM=dumb) cannot show a full screen.",
            "Use the commands instead: simpletuner-tui --help",
        )
