"""How strict the webhook route is, and whom it asks about jobs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tui.base.clock import utc_now
from tui.listener.client_address import Network

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class HookJob:
    """The job behind a webhook address's key.

    Attributes:
        job_id: ours.
        names: every id that a body may call it by; empty while Replicate's is not known yet.
    """

    job_id: str
    names: frozenset[str] = frozenset()


class JobKeys(Protocol):
    """Looks up the key that a job's webhook address carries as `?key=`."""

    async def job_of(self, key: str) -> HookJob | None:
        """The job, or None when no job has this key."""


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """How strict the route is.

    Attributes:
        verify: whether a signature is needed. False is for tests behind a closed door.
        allowed: networks that may send; empty lets everybody.
        trusted_proxies: networks of our own proxies, whose word about the client's address counts.
        max_body_bytes: largest body. Bodies carry the whole log.
        max_bodies: bodies that are read at the same time.
        max_body_memory: bytes of bodies being read or waiting to be worked with.
        body_seconds: longest time that a body may take.
        per_second: requests per address in the long run.
        burst: requests per address at once.
        now: tells the time.
    """

    verify: bool = True
    allowed: tuple[Network, ...] = ()
    trusted_proxies: tuple[Network, ...] = ()
    max_body_bytes: int = 32 * MIB
    max_bodies: int = 64
    max_body_memory: int = 128 * MIB
    body_seconds: float = 20.0
    per_second: float = 100.0
    burst: int = 500
    now: Callable[[], datetime] = utc_now
