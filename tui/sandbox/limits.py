"""Rate limits with the service's headers.

The limits are those of Replicate's documentation: 600 creates, 3000 other requests a minute.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

from tui.sandbox.problems import throttled


@dataclass(slots=True)
class Bucket:
    """A token bucket: `capacity` requests at once, refilled evenly over a minute."""

    capacity: int
    speed: float = 1.0
    per_minute: float | None = None
    left: float = field(init=False)
    seen: float = field(init=False)

    def __post_init__(self) -> None:
        self.left = float(self.capacity)
        self.seen = time.monotonic()

    @property
    def rate(self) -> float:
        """Requests that are refilled per second."""
        return (self.per_minute or self.capacity) / 60 * self.speed

    def take(self) -> float:
        """Take one request; 0 when one was left, else the seconds until the next."""
        now = time.monotonic()
        self.left = min(float(self.capacity), self.left + (now - self.seen) * self.rate)
        self.seen = now
        if self.left < 1:
            return (1 - self.left) / self.rate
        self.left -= 1
        return 0.0

    def headers(self) -> dict[str, str]:
        """Headers with the requests left and the seconds until the bucket is full."""
        reset = math.ceil((self.capacity - self.left) / self.rate)
        return {"ratelimit-remaining": str(int(self.left)), "ratelimit-reset": str(max(1, reset))}


class RateLimits:
    """The buckets of one account: creating, reading one prediction, everything else."""

    def __init__(self, speed: float) -> None:
        self._create = Bucket(600, speed)
        self._read = Bucket(60_000, speed)
        self._other = Bucket(3_000, speed)
        self._poor = Bucket(1, speed, per_minute=6)

    def take(self, method: str, path: str, *, poor: bool) -> dict[str, str]:
        """Count one request and return its headers.

        Args:
            method: HTTP method.
            path: path below `/v1`.
            poor: whether the account has little credit, which limits creating further.

        Raises:
            ProblemError: 429, no request is left.
        """
        creates = method == "POST" and path.endswith(("/predictions", "/trainings"))
        if creates and poor and (wait := self._poor.take()):
            seconds = math.ceil(wait)
            raise throttled(
                seconds,
                text="Request was throttled. Your rate limit for creating predictions is reduced "
                "to 6 requests per minute with a burst of 1 requests while you have less than "
                f"$5.0 in credit. Your rate limit resets in ~{seconds}s.",
            )
        bucket = self._other
        if creates:
            bucket = self._create
        elif method == "GET" and path.startswith("/predictions/"):
            bucket = self._read
        if wait := bucket.take():
            raise throttled(math.ceil(wait))
        return bucket.headers()
