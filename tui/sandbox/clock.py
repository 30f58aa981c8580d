"""The sandbox's clock: real times of day, scaled durations."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta


class Clock:
    """Scales every duration by one factor.

    Attributes:
        speed: simulated seconds per real second.
        skew: error of the simulated time of day (the clock-skew fault).
    """

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self.skew = timedelta()

    def now(self) -> datetime:
        """The simulated time of day (aware, UTC)."""
        return datetime.now(UTC) + self.skew

    def real(self, seconds: float) -> float:
        """Real seconds of `seconds` simulated seconds."""
        return seconds / self.speed

    def after(self, seconds: float, start: datetime | None = None) -> datetime:
        """The time of day `seconds` simulated seconds after `start` (default: now)."""
        return (start or self.now()) + timedelta(seconds=self.real(seconds))

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds` simulated seconds."""
        await asyncio.sleep(self.real(seconds))


def stamp(moment: datetime, digits: int = 3) -> str:
    """A time in Replicate's format: ISO 8601 with `Z` and 3, 6 or 9 digits of a second."""
    fraction = f"{moment.microsecond:06d}"
    fraction = fraction[:digits] if digits <= 6 else fraction.ljust(digits, "0")
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{fraction}Z"


def parse_stamp(text: str) -> datetime:
    """Parse an ISO 8601 time; without a zone it is UTC.

    Raises:
        ValueError: the text is no such time.
    """
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
