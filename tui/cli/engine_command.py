"""`engine`: the keeper itself, started by the app and by commands that need it."""

from __future__ import annotations

import argparse

from tui.cli import exit_codes, world
from tui.cli.output import say


def engine(options: argparse.Namespace) -> int:
    """Run the engine in this process."""
    from tui.store.writer import StoreBusyError, check_free

    try:
        check_free(world.home())  # before anything heavy is imported
    except StoreBusyError:
        say("busy")
        return exit_codes.FINE
    from tui.engine.process.main import run_engine

    return run_engine(world.home(), until_eof=options.until_eof, agent=options.agent)
