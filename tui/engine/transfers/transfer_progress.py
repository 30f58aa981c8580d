"""One transfer under way: how to stop it, and how far it is."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final, Literal

EVERY: Final = 0.4
"""Seconds between two reports of one transfer; two run at once, so five reports a second in all."""
_WINDOW: Final = 5.0
_LEAST: Final = 2.0
"""Seconds that bytes must have moved before a speed is told: a shorter look says anything."""
Stop = Literal["paused", "cancelled", "closing"]


class TransferProgress:
    """Shared between the event loop and the threads that send.

    Attributes:
        kept: how often something arrived that will not have to be sent again: a whole file, or a
            part that the far end keeps. Never goes back.
        reason: why it shall stop; empty while it shall not.
    """

    def __init__(self, report: Callable[[], None]) -> None:
        """Args: `report` is called from the event loop when there is progress to tell."""
        self._report = report
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._last = 0.0
        self._done: dict[int, int] = {}
        self._moved: set[int] = set()
        self._sent: set[int] = set()
        self.kept = 0
        self._given = 0
        self._samples: deque[tuple[float, int]] = deque()
        self.cancel = threading.Event()
        self.woken = asyncio.Event()
        self.reason: Stop | Literal[""] = ""
        self.total = 0

    def stop(self, reason: Stop) -> None:
        """Let everything end soon. What is cancelled is not merely paused, whatever came first."""
        if self.reason != "cancelled":
            self.reason = reason if reason == "cancelled" else self.reason or reason
        self.cancel.set()
        self.woken.set()

    def settle(self, seq: int, done: int) -> None:
        """Set how many bytes of a file are done.

        Of a file that was never sent they were there already, and say nothing of the line.
        """
        with self._lock:
            if seq not in self._sent:
                self._given += done - self._done.get(seq, 0)
            self._done[seq] = done

    def progress(self, seq: int, done: int) -> None:
        """The same from a thread that sends; reports now and then."""
        with self._lock:
            self._done[seq] = done
            self._sent.add(seq)
            self._moved.add(seq)
            now = time.monotonic()
            if now - self._last < EVERY:
                return
            self._last = now
        self._loop.call_soon_threadsafe(self._report)

    @property
    def done(self) -> int:
        """Bytes of all files together."""
        return sum(self._done.copy().values())

    def take_moved(self) -> dict[int, int]:
        """Bytes of each file that has moved since the last call, by its number."""
        with self._lock:
            moved, self._moved = self._moved, set()
            return {seq: self._done[seq] for seq in moved}

    def speed(self) -> float:
        """Bytes per second over the last seconds; 0 while it is too early to tell.

        What came first is left out: it came at once, also where the speed is limited.
        """
        now, done = time.monotonic(), self.done - self._given
        if done > 0:
            self._samples.append((now, done))
        if not self._samples:
            return 0.0
        while len(self._samples) > 2 and now - self._samples[0][0] > _WINDOW:
            self._samples.popleft()
        begin, before = self._samples[0]
        return max(0.0, (done - before) / (now - begin)) if now - begin >= _LEAST else 0.0
