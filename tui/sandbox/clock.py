"""The sandbox's sense of time: true times of day, scaled durations."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta


class Clock:
    """Scales every duration by one factor.

    Attributes:
        speed: how many of the service's seconds pass in one real second.
        skew: what the service's time of day is wrong by (a fault that can be asked for).
    """

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self.skew = timedelta()

    def now(self) -> datetime:
        """The time of day that the service believes in (aware, UTC)."""
        return datetime.now(UTC) + self.skew

    def real(self, seconds: float) -> float:
        """Real seconds that the service's `seconds` take."""
        return seconds / self.speed

    def after(self, seconds: float, start: datetime | None = None) -> datetime:
        """The time of day when `seconds` of the service have passed since `start` (or now)."""
        return (start or self.now()) + timedelta(seconds=self.real(seconds))

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` of the service pass."""
        await asyncio.sleep(self.real(seconds))


def stamp(moment: datetime, digits: int = 3) -> str:
    """A time as Replicate writes it: `Z` at the end, 3, 6 or 9 digits of a second."""
    fraction = f"{moment.microsecond:06d}"
    fraction = fraction[:digits] if digits <= 6 else fraction.ljust(digits, "0")
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{fraction}Z"


def parse_stamp(text: str) -> datetime:
    """Read an ISO 8601 time; a time without zone is taken as UTC. ValueError if it is none."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
