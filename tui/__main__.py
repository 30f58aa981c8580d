"""The program: `simpletuner-tui`, or `python -m tui`."""

from __future__ import annotations

import sys


def main() -> int:
    """Run what the command line asks for; returns the exit status."""
    if sys.argv[1:2] == ["jobs"]:
        from tui.cli.quick import quick

        status = quick(sys.argv[1:])
        if status is not None:
            return status
    from tui.cli.main import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
