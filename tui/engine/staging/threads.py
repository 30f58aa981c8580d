"""Runs blocking work of staging in threads that stop when they are no longer wanted."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def run_until_cancelled(cancel: threading.Event, work: Callable[[], T]) -> T:
    """Run blocking work in a thread; on cancellation set `cancel` and return at once.

    The thread ends at its next look at `cancel`. What it still does then may be repeated: staging
    sends contents by their digest, so two at once make no mixture.
    """
    thread = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        cancel.set()
        thread.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        raise
