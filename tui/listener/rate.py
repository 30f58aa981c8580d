"""How often one address may call."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable

from tui.listener.client_address import Address

_MOST_ADDRESSES = 10_000


class RateLimit:
    """A token bucket per address; an IPv6 network of 64 bits counts as one address.

    Args:
        per_second: calls that an address may make in the long run.
        burst: calls that it may make at once.
        clock: monotonic seconds.
    """

    def __init__(
        self, per_second: float, burst: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._buckets: OrderedDict[Address, tuple[float, float]] = OrderedDict()

    def allows(self, address: Address | None) -> bool:
        """Count one call. Loopback is not limited: it may be a tunnel that stands for everybody."""
        if address is None or address.is_loopback:
            return True
        if isinstance(address, ipaddress.IPv6Address):
            address = ipaddress.IPv6Address(int(address) >> 64 << 64)
        now = self._clock()
        tokens, then = self._buckets.pop(address, (float(self._burst), now))
        tokens = min(self._burst, tokens + (now - then) * self._per_second)
        allowed = tokens >= 1
        self._buckets[address] = (tokens - 1 if allowed else tokens, now)
        if len(self._buckets) > _MOST_ADDRESSES:
            self._buckets.popitem(last=False)
        return allowed
