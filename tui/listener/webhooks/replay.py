"""Remembers messages long enough to know them when they come again."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta

_MOST = 50_000


class ReplayCache:
    """Message ids of the tolerance window.

    Args:
        seconds: how long an id is remembered. A message is refused for its age after the tolerance
            on either side, so twice the tolerance covers every message that could be accepted.
    """

    def __init__(self, seconds: float) -> None:
        self._keep = timedelta(seconds=seconds)
        self._seen: OrderedDict[str, datetime] = OrderedDict()

    def has(self, message_id: str, now: datetime) -> bool:
        """Whether this message has been remembered."""
        while self._seen:
            oldest = next(iter(self._seen))
            if self._seen[oldest] + self._keep > now and len(self._seen) <= _MOST:
                break
            del self._seen[oldest]
        return message_id in self._seen

    def remember(self, message_id: str, now: datetime) -> None:
        """Know this message from now on."""
        self._seen[message_id] = now
