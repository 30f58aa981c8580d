"""`engine`: the keeper itself, started by the app and by commands that need it."""

from __future__ import annotations

import argparse

from tui.cli import world


def engine(options: argparse.Namespace) -> int:
    """Run the engine in this process."""
    from tui.engine.main import run_engine

    return run_engine(world.home(), until_eof=options.until_eof, agent=options.agent)
