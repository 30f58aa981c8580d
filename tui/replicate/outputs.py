"""Decides which URLs of outputs are fetched, and which of them get the token.

An output is text that a model wrote, so it may contain any URL. Files are at the API's routes below
`/files/` and at Replicate's delivery hosts, which need no token (source: the page on output files
of its documentation).
"""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote

import httpx

from tui.replicate.addresses import Base

_DELIVERY: Final = "replicate.delivery"
NOT_FETCHED_ADVICE: Final = "Where you trust the address, fetch it yourself, without a token."
_MOST_LAYERS: Final = 8
"""How many layers of percent-encoding are decoded; a name with more is refused."""


def is_file_route(base: Base, address: str) -> bool:
    """Whether a URL is a file route of the API; only these get the token.

    The path is checked as it is sent, and as a server or a proxy may decode it: no part may be
    empty, a dot segment, or contain a slash.
    """
    try:
        url = httpx.URL(address)
    except (httpx.InvalidURL, ValueError):
        return False
    if not base.opens(address):
        return False
    path = url.raw_path.partition(b"?")[0].decode("ascii")
    root = base.url.raw_path.decode("ascii").rstrip("/") + "/files/"
    return path.startswith(root) and all(map(_is_plain, path.removeprefix(root).split("/")))


def is_delivery(address: str) -> bool:
    """Whether a URL is https at `replicate.delivery` or a subdomain, at the default port."""
    try:
        url = httpx.URL(address)
    except (httpx.InvalidURL, ValueError):
        return False
    known = url.host == _DELIVERY or url.host.endswith(f".{_DELIVERY}")
    return known and url.scheme == "https" and url.port in {None, 443} and not url.userinfo


def is_replicates(base: Base, address: str) -> bool:
    """Whether a URL is at the API's host and port, or at any host of Replicate's."""
    try:
        host = httpx.URL(address).host
    except (httpx.InvalidURL, ValueError):
        return False
    return base.owns(address) or any(
        host == name or host.endswith(f".{name}") for name in (_DELIVERY, "replicate.com")
    )


def why_refused(base: Base, address: str) -> str:
    """Return why an output's URL is not fetched, as the end of a sentence; "" if it is."""
    if is_file_route(base, address) or is_delivery(address):
        return ""
    try:
        url = httpx.URL(address)
    except (httpx.InvalidURL, ValueError):
        return "it cannot be read as an address"
    if url.userinfo:
        return "it holds a user name or a password"
    if base.owns(address):
        return f"it is no file's address at {base.url.host}"
    if url.host == base.url.host or is_replicates(base, address):
        return f"it names {url.host}, but is no file's address there"
    return f"{url.host or 'its host'} is no host that Replicate keeps results at"


def _is_plain(part: str) -> bool:
    for _ in range(_MOST_LAYERS):
        decoded = unquote(part)
        name = decoded.partition(";")[0]  # some servers drop what follows before they resolve dots
        if not name.strip(".") or "/" in decoded or "\\" in decoded:
            return False
        if decoded == part:
            return True
        part = decoded
    return False
