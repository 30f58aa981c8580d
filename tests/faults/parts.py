"""The parts of the table, each run by itself."""

from __future__ import annotations

import asyncio
import logging
import sys

from tests.faults import crashes, delivery, following, submit, transfers, webhooks
from tests.faults.table import Row, line, run

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


def rows_of(number: int, tries: int) -> list[Row]:
    """Run one of `PARTS`; say each row when it is complete, as all of them take minutes."""
    logging.disable()  # the engine's words on faults would stand between the rows
    return asyncio.run(
        run([PARTS[number]], tries, lambda row: print(line(row), file=sys.stderr, flush=True))
    )
