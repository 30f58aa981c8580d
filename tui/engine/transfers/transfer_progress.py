"""The progress of a running transfer, and the request to stop it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final, Literal

REPORT_SECONDS: Final = 0.4
"""Seconds between two reports of a transfer. Two run at once, so there are 5 reports a second."""
_SPEED_WINDOW: Final = 5.0
_MIN_SAMPLE_SECONDS: Final = 2.0
"""Seconds of transfer before a speed is reported; a shorter sample is not reliable."""
Stop = Literal["paused", "cancelled", "closing"]


class TransferProgress:
    """Shared by the event loop and the sending threads.

    Attributes:
        arrived: count of files and parts that arrived for good; it only grows, and shows that an
            attempt made progress.
        cancel: set when the sending threads shall stop.
        stop_event: set when the waiting task shall stop.
        reason: why the transfer shall stop; "" while it shall not.
        total: bytes of all files.
    """

    def __init__(self, report: Callable[[], None]) -> None:
        """Take `report`, which is called in the event loop when there is progress."""
        self._report = report
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._last = 0.0
        self._done: dict[int, int] = {}
        self._changed: set[int] = set()
        self._sent: set[int] = set()
        self.arrived = 0
        self._arrived_files: set[tuple[str, str]] = set()
        self._most_kept: dict[tuple[str, str], int] = {}
        self._present_bytes = 0
        self._samples: deque[tuple[float, int]] = deque()
        self.cancel = threading.Event()
        self.stop_event = asyncio.Event()
        self.reason: Stop | Literal[""] = ""
        self.total = 0

    def stop(self, reason: Stop) -> None:
        """Request a stop; `cancelled` takes precedence over other reasons, before and after."""
        if self.reason != "cancelled":
            self.reason = reason if reason == "cancelled" else self.reason or reason
        self.cancel.set()
        self.stop_event.set()

    def file_arrived(self, target: str, sha256: str) -> None:
        """Count a file that arrived, once.

        What is sent again after a failure is no progress: files of the Hub travel with a commit,
        and one that always fails would be tried for ever without a longer pause.
        """
        if (target, sha256) not in self._arrived_files:
            self._arrived_files.add((target, sha256))
            self.arrived += 1

    def part_kept(self, target: str, sha256: str, amount: int) -> None:
        """Count a part that arrived, when more of the file is there than ever before.

        A server that forgets a half-done upload each time gets the same parts again and again:
        they are no progress.
        """
        key = (target, sha256)
        if amount > self._most_kept.get(key, 0):
            self._most_kept[key] = amount
            self.arrived += 1

    def set_done(self, seq: int, done: int) -> None:
        """Set the bytes of a file that are done.

        Bytes of a file that was not sent were there before, so they do not count for the speed.
        """
        with self._lock:
            if seq not in self._sent:
                self._present_bytes += done - self._done.get(seq, 0)
            self._done[seq] = done

    def advance(self, seq: int, done: int) -> None:
        """Set the bytes of a file from its sending thread, and report at intervals."""
        with self._lock:
            self._done[seq] = done
            self._sent.add(seq)
            self._changed.add(seq)
            now = time.monotonic()
            if now - self._last < REPORT_SECONDS:
                return
            self._last = now
        self._loop.call_soon_threadsafe(self._report)

    @property
    def done(self) -> int:
        """Bytes done of all files together."""
        return sum(self._done.copy().values())

    def take_changed(self) -> dict[int, int]:
        """Bytes done of each file that progressed since the last call, by its number."""
        with self._lock:
            changed, self._changed = self._changed, set()
            return {seq: self._done[seq] for seq in changed}

    def speed(self) -> float:
        """Bytes per second over the last 5 seconds; 0 during the first 2.

        The first sample is the base line: a burst passes at once even if the speed is limited.
        """
        now, done = time.monotonic(), self.done - self._present_bytes
        if done > 0:
            self._samples.append((now, done))
        if not self._samples:
            return 0.0
        while len(self._samples) > 2 and now - self._samples[0][0] > _SPEED_WINDOW:
            self._samples.popleft()
        first_time, first_done = self._samples[0]
        return (
            max(0.0, (done - first_done) / (now - first_time))
            if now - first_time >= _MIN_SAMPLE_SECONDS
            else 0.0
        )
