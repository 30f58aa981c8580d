"""Where a credential may go: one rule of scheme, host, port and path for each.

A service may redirect, send links, or name addresses in its answers. Its credential goes along only
below the address that it was given for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from tui.base.addresses import Address, AddressError, Purpose, read_address
from tui.base.hosts import is_loopback

_CALLED: Final = Purpose("https://api.example.org/v1/files/a", query=True, longest=64_000)
_MOST_LAYERS: Final = 8
"""How many layers of percent-encoding are decoded; a path with more is refused."""
_USUAL_PATHS: Final = ("", "/v1")
"""Paths of bases whose name in the keyring is their host alone."""


@dataclass(frozen=True, slots=True)
class Door:
    """The address below which a credential may be sent.

    Attributes:
        origin: scheme, host and port.
        path: without a slash at its end.
    """

    origin: tuple[str, str, int]
    path: str

    @classmethod
    def below(cls, address: str) -> Door | None:
        """The door at an address; None when it is none that can be read without doubt."""
        parsed = _parsed(address)
        return None if parsed is None else cls(parsed.origin, parsed.path.rstrip("/"))

    def opens(self, url: str) -> bool:
        """Whether a URL is below this door, however its server may decode the path."""
        parsed = _parsed(url.partition("#")[0])
        if parsed is None or parsed.origin != self.origin:
            return False
        inside = parsed.path.rstrip("/") == self.path or parsed.path.startswith(f"{self.path}/")
        return inside and _stays_below(parsed.path)


def may_carry(address: str, url: str) -> bool:
    """Whether a credential that was given for an address may go to a URL."""
    door = Door.below(address)
    return door is not None and door.opens(url)


def keyring_host(address: str) -> str:
    """Name the door of an address in a keyring: its host, and what differs from the usual.

    The token of one path, or of https, is not found for another.
    """
    parsed = _parsed(address)
    if parsed is None:
        return ""
    path = parsed.path.rstrip("/")
    shown = parsed.netloc if path in _USUAL_PATHS else f"{parsed.netloc}{path}"
    return shown if parsed.scheme == "https" or is_loopback(address) else f"http://{shown}"


def _parsed(url: str) -> Address | None:
    try:
        return read_address(url, _CALLED)
    except AddressError:
        return None


def _stays_below(path: str) -> bool:
    """Whether no part of a path is a dot segment, in any layer of encoding."""
    for _ in range(_MOST_LAYERS):
        parts = path.replace("\\", "/").split("/")
        # Some servers drop what follows a semicolon before they resolve dots.
        if any(part.partition(";")[0] in (".", "..") for part in parts):
            return False
        decoded = unquote(path)
        if decoded == path:
            return True
        path = decoded
    return False
