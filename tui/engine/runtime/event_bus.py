"""Who listens to what happens: the engine's side of the event stream."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

_BACKLOG: Final = 1000


class EventBus:
    """Hands each message to every subscriber; a subscriber that does not keep up is told to resync.

    A message is a kind and plain data. Nothing secret goes in.
    """

    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[tuple[str, dict[str, Any]]]] = set()

    @property
    def listeners(self) -> int:
        """How many streams are open."""
        return len(self._queues)

    def publish(self, kind: str, /, **data: Any) -> None:
        """Tell everybody; never waits."""
        for queue in self._queues:
            if queue.qsize() >= _BACKLOG:
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(("resync", {}))
            queue.put_nowait((kind, data))

    @contextmanager
    def subscribe(self) -> Iterator[asyncio.Queue[tuple[str, dict[str, Any]]]]:
        """A queue that receives every message while the context is open."""
        queue: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()
        self._queues.add(queue)
        try:
            yield queue
        finally:
            self._queues.discard(queue)
