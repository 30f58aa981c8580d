"""An engine that tells of an earlier version: `python -m tests.client.older_engine HOME`."""

from __future__ import annotations

import sys
from pathlib import Path

import tui
from tests.app.world import home_at


def main(root: str) -> int:
    """Run it as an agent until something ends it."""
    tui.__version__ = "0.0.1"  # before the engine takes it over
    from tui.engine.process.main import run_engine

    return run_engine(home_at(Path(root)), agent=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
