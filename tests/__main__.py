"""Runs the tests: `python -m tests fast | all | ui | release`; further arguments are pytest's.

`fast` is for the minute between two edits: what starts nothing, with few generated examples.
`all` is what every change has to pass, and what the README's command runs. `ui` is the app alone.
`release` adds what takes too long for every change: more examples, more kills, larger files. What
it tries at length, `all` tries in short.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TIERS: dict[str, tuple[str, list[str]]] = {
    "fast": ("what starts no server, process or screen", ["-m", "quick and not release"]),
    "all": ("what every change has to pass", []),
    "ui": ("the app's screens and their snapshots", ["tests/app"]),
    "release": ("everything, and what is too long for every change", ["-m", ""]),
}


def command(tier: str, more: list[str]) -> list[str]:
    """The command that runs a tier; arguments of the caller come last, so they count."""
    return [sys.executable, "-m", "pytest", *TIERS[tier][1], *more]


def main(arguments: list[str]) -> int:
    """Run one tier; returns the exit status of pytest, or 2 when there is no such tier."""
    if not arguments or arguments[0] not in TIERS:
        print("usage: python -m tests TIER [ARGUMENTS OF PYTEST]\n", file=sys.stderr)
        for name, (words, _) in TIERS.items():
            print(f"  {name:8} {words}", file=sys.stderr)
        return 2
    tier, *more = arguments
    environ = os.environ | {"SIMPLETUNER_TUI_TESTS": tier if tier in {"fast", "release"} else "all"}
    return subprocess.run(command(tier, more), cwd=ROOT, env=environ, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
