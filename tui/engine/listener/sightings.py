"""Remembers which callers from outside have reached the listener, as proof of its public URL.

Only the address that the listener saw proves a way from outside: what this machine sends to itself
may take a path that is closed to others, such as a proxy's list of private addresses.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from tui.base.clock import Clock
from tui.store.writer import StoreWriter

Way = Literal["storage", "webhook"]
_FACT: Final = "seen_from_outside"
_LIFE: Final = timedelta(days=30)
"""For how long an earlier call proves a way; configurations change."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A call from outside.

    Attributes:
        address: of the caller.
        at: when it came.
        url: the public URL at that time.
    """

    address: str
    at: datetime
    url: str


@dataclass(slots=True)
class ExpectedFile:
    """A file that a test of the delivery sends.

    Attributes:
        key: its object key.
        address: of its sender, as the listener saw it; "" until it has come or where it is unknown.
        arrived: whether it has come.
    """

    key: str
    address: str = ""
    arrived: bool = False


class Sightings:
    """Notes calls from outside, for each way, while the public URL stays the same."""

    def __init__(self, writer: StoreWriter, now: Clock, public_url: Callable[[], str]) -> None:
        self._writer = writer
        self._now = now
        self._public_url = public_url
        self._expected: dict[str, ExpectedFile] = {}

    @contextmanager
    def expect(self, key: str) -> Iterator[ExpectedFile]:
        """Watch for a file of a test while the context is open."""
        expected = self._expected[key] = ExpectedFile(key)
        try:
            yield expected
        finally:
            del self._expected[key]

    def arrived(self, key: str, address: str) -> None:
        """Note the sender of a test's file; other keys are ignored."""
        if (expected := self._expected.get(key)) is not None:
            expected.address, expected.arrived = address, True

    def note(self, way: Way, address: str) -> None:
        """Note a caller, when it is one from outside and a public URL is set."""
        if is_outside(address):
            self.confirm(way, address)

    def confirm(self, way: Way, address: str) -> None:
        """Note a caller that is known to be outside, when a public URL is set."""
        url = self._public_url()
        if not url:
            return
        now = self._now()
        known = self.last(way)
        if known is not None and now - known.at < timedelta(minutes=1):
            return
        facts = self._facts()
        row = asdict(Sighting(address, now, url)) | {"at": now.isoformat()}
        self._writer.set_fact(_FACT, {**facts, way: row})

    def last(self, way: Way) -> Sighting | None:
        """The last call from outside through the present public URL, if it is recent enough."""
        row = self._facts().get(way, {})
        try:
            seen = Sighting(
                str(row["address"]), datetime.fromisoformat(row["at"]).astimezone(UTC),
                str(row["url"]),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError):
            return None
        fresh = self._now() - seen.at < _LIFE and seen.url == self._public_url()
        return seen if fresh else None

    def _facts(self) -> dict[str, dict[str, str]]:
        facts = self._writer.fact(_FACT)
        return facts if isinstance(facts, dict) else {}


def is_outside(address: str) -> bool:
    """Whether an address belongs to another machine on the internet.

    A machine that calls its own public address does not leave itself.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return parsed.is_global and not parsed.is_multicast and not is_own(address)


def is_own(address: str) -> bool:
    """Whether this machine has an address."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True


def described(address: str) -> str:
    """A caller's address that is not from outside, in words."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "an unknown address"
    if parsed.is_loopback:
        return f"{address}, this machine"
    return f"{address}, this machine" if is_own(address) else f"{address}, a private address"
