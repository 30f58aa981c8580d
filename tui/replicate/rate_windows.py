"""Windows of rate limits: an answer says that no request is left for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Mapping
from typing import Final

_LONGEST: Final = 3600.0
"""Seconds of a `RateLimit` window that are obeyed; the Hub's windows are five minutes long."""
_LONGEST_RESET: Final = 60.0
"""Largest `RateLimit-Reset` that is obeyed. Some services put a moment there instead of seconds."""


def window_pause(ratelimit: str) -> float | None:
    """Return the seconds until a used-up window opens, from a `RateLimit` header.

    The header lists windows as `"name";r=REMAINING;t=SECONDS` (IETF draft-ietf-httpapi-ratelimit-
    headers). None if it is malformed or no window is used up; the longest of several.
    """
    pauses = []
    for window in ratelimit.split(","):
        pairs = (part.partition("=") for part in window.split(";")[1:])
        values = {name.strip().lower(): value.strip() for name, _, value in pairs}
        seconds = values.get("t", "")
        if values.get("r") == "0" and seconds.isascii() and seconds.isdecimal():
            pauses.append(float(seconds))
    return max(pauses, default=None)


def used_up(headers: Mapping[str, str]) -> float | None:
    """Return the seconds until the next request is welcome, from the headers of any answer.

    Reads `RateLimit` and, of the draft's earlier editions, `RateLimit-Remaining` with
    `RateLimit-Reset`. None if requests are left; the longer of two answers.

    Args:
        headers: names in lower case, or a mapping that ignores case.
    """
    pauses = []
    pause = window_pause(headers.get("ratelimit", ""))
    if pause is not None:
        pauses.append(min(pause, _LONGEST))
    if headers.get("ratelimit-remaining", "").strip() == "0":
        try:
            seconds = float(headers.get("ratelimit-reset", "1"))
        except ValueError:
            seconds = 1.0
        if 0 <= seconds <= _LONGEST_RESET:
            pauses.append(seconds)
    return max(pauses, default=None)


class Windows:
    """Used-up windows by what shares a limit: until one opens, each request would be refused.

    An answer that succeeds may say already that it was the last one of its window. Thread-safe.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._until: dict[Hashable, float] = {}

    def note(self, key: Hashable, headers: Mapping[str, str]) -> None:
        """Note what the headers of an answer say; see `used_up`."""
        pause = used_up(headers)
        if pause is None:
            return
        now = self._clock()
        with self._lock:
            self._until = {known: until for known, until in self._until.items() if until > now}
            self._until[key] = now + pause

    def left(self, key: Hashable) -> float:
        """Return the seconds until the window opens; 0 when it is open."""
        with self._lock:
            return max(0.0, self._until.get(key, 0.0) - self._clock())
