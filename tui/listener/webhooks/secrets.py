"""The signing secret: fetched once, kept, and fetched again when a signature does not match."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from tui.replicate.secret import Secret


class WebhookSecrets:
    """Keeps the account's webhook secret.

    Args:
        fetch: asks Replicate for it; None means that there is none to be had now.
        limit_seconds: longest wait for `fetch`.
        again_seconds: shortest time between two fetches, so that forged webhooks cannot make us ask
            Replicate all day.
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
        """The secret as far as we know it; fetched when we know none."""
        return self._secret or await self._refreshed(None)

    async def after_mismatch(self, tried: Secret) -> Secret | None:
        """Another secret than `tried`, when there is one: it may have been changed at Replicate."""
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
