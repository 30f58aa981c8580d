"""Test events of the webhook route, recognised by their key and name when they arrive."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from tui.listener.webhooks import WebhookJob

_PREFIX: Final = "test-"


@dataclass(frozen=True, slots=True)
class WebhookProbe:
    """A test event that has been sent.

    Attributes:
        name: the id in its body.
        key: the value of `?key=` in its URL.
        api_base: the API base whose webhook secret signs it.
        seen: set when a request with its key arrives, whatever its body.
        accepted: set when the event itself is accepted.
        addresses: of its sender, as the listener saw it; empty until it is accepted.
    """

    name: str
    key: str
    api_base: str
    seen: asyncio.Event = field(default_factory=asyncio.Event)
    accepted: asyncio.Event = field(default_factory=asyncio.Event)
    addresses: list[str] = field(default_factory=list)


class WebhookProbes:
    """The test events that are expected now."""

    def __init__(self) -> None:
        self._by_key: dict[str, WebhookProbe] = {}
        self._by_name: dict[str, WebhookProbe] = {}

    @contextmanager
    def expect(self, api_base: str) -> Iterator[WebhookProbe]:
        """Create a test event that is recognised while the context is open."""
        probe = WebhookProbe(
            _PREFIX + secrets.token_hex(8), _PREFIX + secrets.token_hex(16), api_base
        )
        self._by_key[probe.key] = self._by_name[probe.name] = probe
        try:
            yield probe
        finally:
            del self._by_key[probe.key], self._by_name[probe.name]

    def of_key(self, key: str) -> WebhookJob | None:
        """The test event that a key belongs to, in the form of a job, or None."""
        probe = self._by_key.get(key)
        if probe is None:
            return None
        probe.seen.set()
        return WebhookJob(probe.name, frozenset({probe.name}))

    def base_of(self, name: str) -> str | None:
        """The API base of a test event, or None for another name."""
        probe = self._by_name.get(name)
        return probe.api_base if probe else None

    def arrived(self, name: str, address: str) -> bool:
        """Mark the test event of that name as accepted; False when the name is no test's."""
        probe = self._by_name.get(name)
        if probe is not None:
            probe.addresses.append(address)
            probe.accepted.set()
        return name.startswith(_PREFIX)
