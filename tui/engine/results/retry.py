"""After a job's end: fetch at once, and again as long as that makes sense."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Final

from tui.engine.results.collector import Collector
from tui.engine.tracking.recorder import Book, Clock
from tui.store.records import JobRecord, JobStatus

_FIRST_PAUSE: Final = 2.0
_LONGEST_PAUSE: Final = 300.0
_LONGEST: Final = timedelta(hours=24)
"""What stays where it is can wait for the next start of the engine, or for somebody to ask."""


async def after_end(collector: Collector, book: Book, job: JobRecord, now: Clock) -> None:
    """Fetch a job's results, trying again with growing pauses, and note what is missing."""
    told: set[str] = set()
    pause, began = _FIRST_PAUSE, now()
    while True:
        result = await collector.collect(job)
        for item in result["missing"] if job.status is JobStatus.COMPLETED else ():
            words = f"{item['what']}: {item['why']}"
            if words not in told:
                told.add(words)
                book.note(job.job_id, "local", "missing", words)
        if not any(item["again"] for item in result["missing"]) or now() - began > _LONGEST:
            return
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)
        try:
            job = book.writer.job(job.job_id)
        except KeyError:
            return
