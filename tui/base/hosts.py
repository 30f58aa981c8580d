"""Tells whether an address belongs to this machine.

A server on this machine is a sandbox: it costs nothing, gets plain http and needs no consent to
uploads. An address counts only if no resolver, proxy or HTTP library can take it to another
machine; an ambiguous one does not count.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from urllib.parse import urlsplit

TYPE_CHECKING = False  # `typing` takes longer to load than a short command to run
if TYPE_CHECKING:
    from typing import Final

LOCALHOST: Final = "localhost"


def is_loopback_host(host: str) -> bool:
    """Whether a host can only be this machine.

    It is one of:

    - `localhost` in any case. Names below it do not count: RFC 6761 section 6.3 asks resolvers to
      keep them on this machine, and not all do (glibc sends `a.localhost` and `localhost.` to the
      configured name server unless an NSS module answers first).
    - An IPv4 address in 127.0.0.0/8 in four decimal parts. Shorter, octal and hexadecimal forms
      (`127.1`, `0177.0.0.1`) are read differently by different libraries.
    - `::1`, or an IPv4-mapped address (`::ffff:127.0.0.1`) of such an IPv4 address, with or
      without brackets. An address with a zone (`::1%eth0`) does not count.
    """
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        if ":" not in host:
            return False
    if not host.isascii() or "%" in host:
        return False
    if host.lower() == LOCALHOST:
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


@lru_cache(maxsize=64)  # the row of each job asks it of the same address
def is_loopback(url: str) -> bool:
    """Whether a URL can only lead to this machine.

    User names and ports do not matter. A URL that libraries read differently (white space, control
    characters, backslashes, a port that is none) does not count.
    """
    if "\\" in url or not url.isprintable() or any(letter.isspace() for letter in url):
        return False
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        return False
    return is_loopback_host(f"[{host}]" if ":" in host else host)


def is_open(url: str) -> bool:
    """Whether data sent to a URL can be read on the way: no TLS, and not this machine."""
    return not url.strip().lower().startswith("https://") and not is_loopback(url)
