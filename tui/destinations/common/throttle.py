"""One limit for the bytes per second of all transfers together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from tui.destinations.common.errors import TransferCancelledError

_BURST_SECONDS = 0.25
_LONGEST_WAIT = 0.5


class Throttle:
    """A bandwidth limit that any number of threads share.

    Each asks before it moves bytes; whoever asks first goes first. The limit can be changed at
    any time, also while somebody waits.
    """

    def __init__(
        self, limit: int | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Start with a limit in bytes per second; None is no limit."""
        self._clock = clock
        self._changed = threading.Condition()
        self._limit = limit
        self._next = clock()

    @property
    def limit(self) -> int | None:
        """Bytes per second, or None."""
        return self._limit

    @limit.setter
    def limit(self, value: int | None) -> None:
        if value is not None and value <= 0:
            raise ValueError("the limit must be greater than 0")
        with self._changed:
            self._limit = value
            self._next = self._clock()
            self._changed.notify_all()

    def take(self, count: int, cancel: threading.Event | None = None) -> None:
        """Wait until `count` bytes may go.

        Raises:
            TransferCancelledError: `cancel` was set meanwhile.
        """
        if self._limit is None:
            return
        with self._changed:
            while self._limit is not None:
                if cancel is not None and cancel.is_set():
                    raise TransferCancelledError
                now = self._clock()
                # After a pause one may go on a little ahead, so that a short stall is caught up.
                self._next = max(self._next, now - _BURST_SECONDS)
                if self._next <= now:
                    self._next += count / self._limit
                    return
                self._changed.wait(min(self._next - now, _LONGEST_WAIT))
