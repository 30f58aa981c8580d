"""Remembers the results of the newest calls, by the identity of their arguments."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Newest(Generic[T]):
    """The results of the newest calls of a pure function of immutable objects.

    Arguments are compared by identity: objects with ten thousand files each are not looked through.
    Threads may share it.
    """

    def __init__(self, most: int) -> None:
        """Keep this many results."""
        self._kept: deque[tuple[tuple[object, ...], T]] = deque(maxlen=most)
        self._lock = threading.Lock()

    def get(self, *arguments: object) -> T | None:
        """The result that is kept for these very objects; None when there is none."""
        with self._lock:
            for row in self._kept:
                if len(row[0]) == len(arguments) and all(
                    one is other for one, other in zip(row[0], arguments, strict=True)
                ):
                    self._kept.remove(row)
                    self._kept.append(row)
                    return row[1]
        return None

    def keep(self, result: T, *arguments: object) -> T:
        """Keep a result, and return it."""
        with self._lock:
            self._kept.append((arguments, result))
        return result

    def of(self, make: Callable[[], T], *arguments: object) -> T:
        """The result for these very objects: the kept one, else a new one."""
        known = self.get(*arguments)
        return self.keep(make(), *arguments) if known is None else known
