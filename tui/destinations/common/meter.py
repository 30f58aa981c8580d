"""Helpers of every transfer: progress meter, bandwidth limit, hashing, and checks of file names."""

from __future__ import annotations

import hashlib
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from tui.base.stored_names import has_hidden
from tui.destinations.common.contract import Item, LocalFile, Progress
from tui.destinations.common.errors import PublishError, TransferCancelledError, Trouble, disk_error

PIECE = 1024 * 1024
_PROGRESS_SECONDS = 0.05
FIRST_PAUSE: Final = 0.5
"""Seconds before the first retry after a temporary failure; each further pause is longer."""


class Meter:
    """The progress of a transfer, with its bandwidth limit and cancellation. Thread-safe."""

    def __init__(
        self,
        total: int,
        progress: Progress | None = None,
        cancel: threading.Event | None = None,
        throttle: Throttle | None = None,
        pause: float = FIRST_PAUSE,
    ) -> None:
        """Create a meter.

        Args:
            total: bytes of the transfer.
            progress: is called with the bytes done.
            cancel: stops the transfer when set.
            throttle: the bandwidth limit.
            pause: seconds before the first retry.
        """
        self.pause = pause
        self.cancel = cancel or threading.Event()
        self._total = total
        self._progress = progress
        self._throttle = throttle
        self._lock = threading.Lock()
        self._done = 0
        self._reported_at = float("-inf")

    @property
    def done(self) -> int:
        """Bytes done so far."""
        with self._lock:
            return self._done

    @property
    def is_limited(self) -> bool:
        """Whether a bandwidth limit is set now."""
        return self._throttle is not None and self._throttle.limit is not None

    def check(self) -> None:
        """Raise TransferCancelledError if the transfer is cancelled."""
        if self.cancel.is_set():
            raise TransferCancelledError

    def add(self, count: int, *, limited: bool = True) -> None:
        """Count bytes; waits for the bandwidth limit, except for bytes that were not sent."""
        self.check()
        if limited and self._throttle is not None:
            self._throttle.take(count, self.cancel)
        with self._lock:
            self._done += count
            now = time.monotonic()
            due = now - self._reported_at >= _PROGRESS_SECONDS or self._done >= self._total
            if due:
                self._reported_at = now
            done = self._done
        if due and self._progress is not None:
            self._progress(min(done, self._total), self._total)

    def back(self, count: int) -> None:
        """Subtract bytes that will be sent again."""
        with self._lock:
            self._done -= count

    def restart(self) -> None:
        """Reset the count: everything will be sent again."""
        with self._lock:
            self._done = 0

    def finish(self) -> None:
        """Report the transfer as complete."""
        with self._lock:
            self._done = self._total
        if self._progress is not None:
            self._progress(self._total, self._total)


def pieces(path: Path, cancel: threading.Event | None = None) -> Iterator[bytes]:
    """Yield a file in blocks of 1 MiB.

    Raises:
        PublishError: it cannot be read, or `cancel` was set.
    """
    try:
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                if cancel is not None and cancel.is_set():
                    raise TransferCancelledError
                yield piece
    except OSError as error:
        raise disk_error(error, f"{path} cannot be read") from error


def sha256_of(path: Path, cancel: threading.Event | None = None) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    digest = hashlib.sha256()
    for piece in pieces(path, cancel):
        digest.update(piece)
    return digest.hexdigest()


def describe_source(file: LocalFile, target: str, cancel: threading.Event | None = None) -> Item:
    """Create the item of a file: its current state, and its hash unless known.

    Raises:
        PublishError: the file cannot be read, is not a file, or changed while it was hashed.
    """
    try:
        before = file.path.stat()
    except OSError as error:
        raise disk_error(error, f"{file.path} cannot be read") from error
    if not file.path.is_file():
        raise PublishError(f"{file.path} is not a file.", "Choose files only.", Trouble.LOCAL)
    digest = file.sha256 or sha256_of(file.path, cancel)
    item = Item(
        file.name, target, file.path, before.st_size, before.st_mtime_ns, digest.lower(),
        ctime_ns=before.st_ctime_ns, inode=before.st_ino,
    )  # fmt: skip
    item.check_source()
    return item


def check_name(name: str) -> None:
    """Raise PublishError for a name that leads outside its folder or has control characters."""
    parts = name.split("/")
    strange = {unicodedata.category(letter) for letter in name} & {"Cc", "Cs"}
    if strange:
        # Cs, a lone surrogate, is how Python represents bytes of a file name that are not UTF-8.
        what = "bytes that are no UTF-8" if "Cs" in strange else "control characters"
        raise PublishError(
            f"{name!r} cannot be the name of a published file: it has {what}.",
            "Rename the file, then publish it again.",
            Trouble.NAME,
        )
    bad = not name or name.startswith("/") or any(part in {"", ".", ".."} for part in parts)
    if bad or "\\" in name:
        raise PublishError(
            f"{name!r} cannot be the name of a published file.",
            "Use a relative name without empty parts or '..'.",
            Trouble.NAME,
        )


def check_names(files: list[LocalFile] | tuple[LocalFile, ...]) -> None:
    """Raise PublishError for names that are invalid, hidden, or occur twice.

    Programs act on hidden files: git in a downloaded folder with a `.git` runs its hooks.
    """
    seen: set[str] = set()
    for file in files:
        check_name(file.name)
        if has_hidden(file.name):
            raise PublishError(
                f"{file.name} is a hidden file, and those are not published.",
                "Leave it out, or rename it here and publish it again.",
                Trouble.NAME,
            )
        if file.name in seen:
            raise PublishError(
                f"{file.name} would be published twice in one go.", "Name each once.", Trouble.NAME
            )
        seen.add(file.name)


_BURST_SECONDS = 0.25
_LONGEST_WAIT = 0.5  # seconds between two looks at `cancel`


class Throttle:
    """A bandwidth limit that any number of threads share.

    A thread calls `take` before it moves bytes. The limit can be changed at any time, also while
    threads wait.
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
        """Wait until `count` bytes may be sent.

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
                # Unused time up to _BURST_SECONDS may be caught up after a stall.
                self._next = max(self._next, now - _BURST_SECONDS)
                if self._next <= now:
                    self._next += count / self._limit
                    return
                self._changed.wait(min(self._next - now, _LONGEST_WAIT))
