"""The program: `simpletuner-tui`, or `python -m tui`."""

from __future__ import annotations

import sys


def main() -> int:
    """Run what the command line asks for; returns the exit status."""
    from tui.cli.main import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
