"""Keeps Python's garbage collector from stopping every thread while much is being built.

A full collection looks at every container of the process and lets no other thread run meanwhile:
with a million of them that is about a second in which the event loop does not answer. What a scan
builds is freed by its reference counts; nothing is lost by not looking at it.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_MANY: Final = 50_000
_lock = threading.Lock()
_users = 0
_was_enabled = True


@contextmanager
def paused() -> Iterator[None]:
    """Collect no cycles in this block, in any thread; blocks of several threads may overlap.

    If many containers are new at its end, all that exists is set aside, or the next collection
    would look at each. Cycles that become garbage among these stay until the process ends, which
    are few: it happens when a large folder is read, not when it is found unchanged.
    """
    global _users, _was_enabled  # noqa: PLW0603  the collector is one per process as well
    with _lock:
        if not _users:
            _was_enabled = gc.isenabled()
            gc.disable()
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                if gc.get_count()[0] > _MANY:
                    gc.freeze()
                if _was_enabled:
                    gc.enable()
