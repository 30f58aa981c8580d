"""Settings of the webhook route, and the protocol by which it looks up job keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tui.base.clock import utc_now
from tui.listener.client_address import Network

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class WebhookJob:
    """The job that the key of a webhook URL belongs to.

    Attributes:
        job_id: our id of the job.
        names: every id by which a body may refer to it; empty while Replicate's is unknown.
    """

    job_id: str
    names: frozenset[str] = frozenset()


class JobKeys(Protocol):
    """Looks up the key that a job's webhook URL carries as `?key=`."""

    async def job_of(self, key: str) -> WebhookJob | None:
        """Return the job, or None when no job has this key."""


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """Verification and limits of the route.

    Attributes:
        verify: whether a signature is required. False is for tests on a closed network only.
        allowed: networks that may send; empty allows all.
        trusted_proxies: networks of our own proxies, whose forwarding headers count.
        max_body_bytes: largest signed body. Bodies contain the whole log.
        max_unsigned_bytes: largest body without a signature, as SimpleTuner itself may send to an
            address with a job's key; it contains no log.
        max_bodies: signed bodies with a job's key that are read at the same time.
        max_body_memory: bytes of such bodies being read or waiting to be handled.
        max_unproven_bodies: the number for all others: a signature is not proven before the end.
        max_unproven_memory: the bytes for all others.
        body_seconds: time limit for reading a body.
        idle_seconds: longest silence inside a body.
        per_second: requests per address in the long run.
        burst: requests per address at once.
        now: the clock.
    """

    verify: bool = True
    allowed: tuple[Network, ...] = ()
    trusted_proxies: tuple[Network, ...] = ()
    max_body_bytes: int = 32 * MIB
    max_unsigned_bytes: int = MIB // 4
    max_bodies: int = 64
    max_body_memory: int = 128 * MIB
    max_unproven_bodies: int = 16
    max_unproven_memory: int = 48 * MIB
    body_seconds: float = 20.0
    idle_seconds: float = 5.0
    per_second: float = 100.0
    burst: int = 500
    now: Callable[[], datetime] = utc_now
