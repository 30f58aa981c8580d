"""Prints the table; its exit status is 1 if anything was lost, doubled or hung."""

from __future__ import annotations

import asyncio
import logging
import sys

from tests.faults import crashes, delivery, following, submit, transfers, webhooks
from tests.faults.table import run, text

PARTS = (
    submit.PART,
    following.PART,
    transfers.UPLOADS,
    transfers.DOWNLOADS,
    delivery.PART,
    webhooks.PART,
    crashes.KILLED,
    crashes.FULL,
)
TRIES = 30


def main(tries: int = TRIES) -> int:
    """Run all rows."""
    logging.disable()  # the engine's words on faults would stand between the rows
    parts = [part for part in PARTS if part is not crashes.FULL or crashes.may_mount()]
    if len(parts) < len(PARTS):
        print("disk full: not tried, as no file system can be mounted here", file=sys.stderr)
    rows = asyncio.run(run(parts, tries))
    print(text(rows))
    return 0 if all(row.is_clean for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(*(int(argument) for argument in sys.argv[1:2])))
