"""Test events: how one that was sent out is known again when it comes in."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from tui.listener.webhooks import HookJob

_PREFIX: Final = "test-"


@dataclass(frozen=True, slots=True)
class WebhookProbe:
    """One test event on its way.

    Attributes:
        name: what it calls itself in its body.
        key: what its address carries as `?key=`.
        api_base: whose secret signs it.
        seen: set when a request with its key has reached us, whatever it held.
        believed: set when the event itself was taken.
    """

    name: str
    key: str
    api_base: str
    seen: asyncio.Event = field(default_factory=asyncio.Event)
    believed: asyncio.Event = field(default_factory=asyncio.Event)


class WebhookProbes:
    """The test events that are awaited now."""

    def __init__(self) -> None:
        self._by_key: dict[str, WebhookProbe] = {}
        self._by_name: dict[str, WebhookProbe] = {}

    @contextmanager
    def expect(self, api_base: str) -> Iterator[WebhookProbe]:
        """A new test event; it is known while the context is open."""
        probe = WebhookProbe(
            _PREFIX + secrets.token_hex(8), _PREFIX + secrets.token_hex(16), api_base
        )
        self._by_key[probe.key] = self._by_name[probe.name] = probe
        try:
            yield probe
        finally:
            del self._by_key[probe.key], self._by_name[probe.name]

    def of_key(self, key: str) -> HookJob | None:
        """The test behind an address, as the receiver knows jobs."""
        probe = self._by_key.get(key)
        if probe is None:
            return None
        probe.seen.set()
        return HookJob(probe.name, frozenset({probe.name}))

    def base_of(self, name: str) -> str | None:
        """The API base of a test."""
        probe = self._by_name.get(name)
        return probe.api_base if probe else None

    def arrived(self, name: str) -> bool:
        """An event of that name was taken; False when it is no test."""
        probe = self._by_name.get(name)
        if probe is not None:
            probe.believed.set()
        return name.startswith(_PREFIX)
