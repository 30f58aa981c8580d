"""Runs the tests: `python -m tests fast | all | ui | attacks | release`; the rest is pytest's.

`fast` runs the tests that start no server, process or screen, with few generated examples. `all` is
required for every change; the README's command runs it. `ui` runs the tests of the app. `release`
adds what takes too long for every change: more examples, more kills, larger files. `all` has a
shorter version of each. `attacks` runs the attacks alone, in full. `release faults [TRIES]` prints
the table of faults (see `tests/faults`), `release mutants [MODULE …]` the table of small faults in
our own code that the tests noticed (see `tests/mutation`; needs the extra `mutation`), of another
sample with `--seed WORD`, and with `--guards` of the guards that must not lose their test; `release
statuses` how every command line ends, `release slow_line` what each screen sends over 50 kbit/s,
and `release tables` both, with how long the quick commands take.
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
    "attacks": (
        "attacks with fixed seeds and counts; prints what got through",
        ["-m", "", "-s", "-n", "0", "tests/attacks"],
    ),
    "release": ("everything, and what is too long for every change", ["-m", ""]),
}
_TABLES = {
    "faults": ["tests.faults"],
    "mutants": ["tests.mutation"],
    "statuses": ["tests.cli.statuses"],
    "slow_line": ["tests.benchmarks", "slow_line"],
    "tables": ["tests.tables"],
}


def command(tier: str, more: list[str]) -> list[str]:
    """The command that runs a tier; the caller's arguments come last, so they take precedence."""
    if tier == "release" and more and more[0] in _TABLES:
        return [sys.executable, "-m", *_TABLES[more[0]], *more[1:]]
    return [sys.executable, "-m", "pytest", *TIERS[tier][1], *more]


def main(arguments: list[str]) -> int:
    """Run one tier; return the exit status of pytest, or 2 for an unknown tier."""
    if not arguments or arguments[0] not in TIERS:
        print("usage: python -m tests TIER [ARGUMENTS OF PYTEST]\n", file=sys.stderr)
        for name, (description, _) in TIERS.items():
            print(f"  {name:8} {description}", file=sys.stderr)
        return 2
    tier, *more = arguments
    environ = os.environ | {"SIMPLETUNER_TUI_TESTS": tier if tier in {"fast", "release"} else "all"}
    return subprocess.run(command(tier, more), cwd=ROOT, env=environ, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
