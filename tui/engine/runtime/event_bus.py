"""The event bus: services publish to it, event streams subscribe to it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from tui.base.json_types import JsonObject

_BACKLOG: Final = 1000
"""Messages that wait for one subscriber before they are replaced by a single `resync`."""


class EventBus:
    """Hands each message to every subscriber.

    A message is a kind and JSON data, without secrets: streams pass it on unchanged. A subscriber
    that does not keep up loses its waiting messages and gets one `resync` instead, so that a
    stalled window costs bounded memory and never slows the engine down.
    """

    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[tuple[str, JsonObject]]] = set()

    @property
    def subscribers(self) -> int:
        """Number of subscribers."""
        return len(self._queues)

    def publish(self, kind: str, /, **data: Any) -> None:
        """Queue a message for every subscriber; never waits."""
        for queue in self._queues:
            if queue.qsize() >= _BACKLOG:
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(("resync", {}))
            queue.put_nowait((kind, data))

    @contextmanager
    def subscribe(self) -> Iterator[asyncio.Queue[tuple[str, JsonObject]]]:
        """Return a queue that receives every message while the context is open."""
        queue: asyncio.Queue[tuple[str, JsonObject]] = asyncio.Queue()
        self._queues.add(queue)
        try:
            yield queue
        finally:
            self._queues.discard(queue)
