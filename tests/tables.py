"""Prints how every command line ends, how long the quick ones take, and what each screen sends.

`python -m tests release tables`: the tables of `statuses`, the benchmark `cli`, and `slow_line`.
"""

from __future__ import annotations

import subprocess
import sys

PARTS = (["tests.cli.statuses"], ["tests.benchmarks", "cli", "slow_line"])


def main() -> int:
    """Print all; the exit status is the worst of them."""
    return max(
        subprocess.run([sys.executable, "-m", *part], check=False).returncode for part in PARTS
    )


if __name__ == "__main__":
    sys.exit(main())
