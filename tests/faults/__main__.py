"""Prints the table; its exit status is 1 if anything was lost, doubled or hung."""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.faults import crashes
from tests.faults.parts import PARTS, rows_of
from tests.faults.table import text

TRIES = 30


def main(tries: int = TRIES) -> int:
    """Run all rows, each part in a process of its own: most of the time is waiting."""
    numbers = [n for n, part in enumerate(PARTS) if part is not crashes.FULL or crashes.may_mount()]
    if len(numbers) < len(PARTS):
        print("disk full: not tried, as no file system can be mounted here", file=sys.stderr)
    with ProcessPoolExecutor(len(numbers), get_context("spawn")) as pool:
        rows = [row for part in pool.map(rows_of, numbers, [tries] * len(numbers)) for row in part]
    print(text(rows))
    return 0 if all(row.is_clean for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(*(int(argument) for argument in sys.argv[1:2])))
