"""The client's address behind trusted proxies, allowed networks, and the rate limit by address."""

from __future__ import annotations

import ipaddress
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_FORWARDED_FOR = re.compile(r'(?:^|;)\s*for\s*=\s*(?:"([^"]*)"|([^;\s]*))', re.IGNORECASE)
_MOST_HOPS = 64


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Addresses and CIDR ranges as networks.

    Raises:
        ValueError: naming the text that is neither.
    """
    networks = []
    for text in texts:
        try:
            networks.append(ipaddress.ip_network(text.strip(), strict=False))
        except ValueError:
            raise ValueError(f"'{text}' is neither an IP address nor a range") from None
    return tuple(networks)


def is_in(address: Address, networks: Iterable[Network]) -> bool:
    """Whether `address` lies in one of `networks`."""
    return any(address.version == net.version and address in net for net in networks)


def parse_address(text: str) -> Address | None:
    """An address as proxies write it: with a port, in brackets, quoted; None when it is none."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def client_address(
    peer: str | None, headers: Mapping[str, Sequence[str]], trusted: Sequence[Network]
) -> Address | None:
    """Return the nearest hop that is not one of our own proxies.

    A proxy appends the address that it saw; entries further left come from the client and may be
    forged. The chain is therefore read from its right end, and only as long as each hop is trusted.
    When both headers are present, `X-Forwarded-For` counts: a proxy that writes it usually passes a
    client's `Forwarded` on unchanged.

    Args:
        peer: the other end of the socket; None for a Unix socket.
        headers: values of `x-forwarded-for` and `forwarded`, by lower-case name.
        trusted: the networks of our own proxies.

    Returns:
        The address, or None when it is unknown.
    """
    current = parse_address(peer) if peer else None
    if current is None or not is_in(current, trusted):
        return current
    for hop in reversed(_hops(headers)[-_MOST_HOPS:]):
        address = parse_address(hop)
        if address is None:
            return None  # a trusted proxy passed on a value that is not an address
        current = address
        if not is_in(address, trusted):
            break
    return current


def _hops(headers: Mapping[str, Sequence[str]]) -> list[str]:
    listed = ",".join(headers.get("x-forwarded-for", ()))
    if listed.strip():
        return listed.split(",")
    hops = []
    for element in ",".join(headers.get("forwarded", ())).split(","):
        if element.strip():
            match = _FORWARDED_FOR.search(element)
            hops.append((match[1] or match[2] or "") if match else "")
    return hops


_MOST_ADDRESSES = 10_000  # bounds the memory; the address that called longest ago is dropped


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
        """Count a call; False when it exceeds the limit.

        Loopback is not limited: a tunnel on this machine connects from there for all its clients.
        """
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
