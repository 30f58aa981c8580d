"""Keeps the signing secret of an account, and fetches it again after a signature mismatch."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from tui.replicate.secret import Secret


class WebhookSecrets:
    """The webhook signing secret of one account.

    Args:
        fetch: fetches it from Replicate; returns None when that fails.
        limit_seconds: time limit of `fetch`.
        again_seconds: shortest time between two fetches, so that forged webhooks cannot cause a
            flood of calls to Replicate.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[Secret | None]],
        *,
        limit_seconds: float = 5.0,
        again_seconds: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._limit = limit_seconds
        self._again = again_seconds
        self._clock = clock
        self._lock = asyncio.Lock()
        self._secret: Secret | None = None
        self._fetched_at: float | None = None

    async def current(self) -> Secret | None:
        """Return the known secret; fetches it when none is known."""
        return self._secret or await self._refreshed(None)

    async def after_mismatch(self, tried: Secret) -> Secret | None:
        """Return a secret other than `tried`, or None: it may have been rotated at Replicate."""
        fresh = await self._refreshed(tried)
        return None if fresh is None or fresh == tried else fresh

    async def _refreshed(self, tried: Secret | None) -> Secret | None:
        async with self._lock:
            now = self._clock()
            due = self._fetched_at is None or now - self._fetched_at >= self._again
            if self._secret == tried and due:
                self._fetched_at = now
                try:
                    async with asyncio.timeout(self._limit):
                        self._secret = await self._fetch() or self._secret
                except TimeoutError:
                    pass
            return self._secret
