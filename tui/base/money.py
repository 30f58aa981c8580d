"""What time on a machine costs, in whole micro-dollars (millionths of a US dollar)."""

from __future__ import annotations

from datetime import datetime, timedelta

TYPE_CHECKING = False  # `typing` takes longer to load than a short command to run
if TYPE_CHECKING:
    from typing import Final

_MICROSECOND: Final = timedelta(microseconds=1)
_PER_SECOND: Final = 1_000_000


def running_cost(rate_micros: int, begin: datetime, end: datetime) -> int:
    """What a machine costs from one moment to another, without the part of a micro-dollar begun.

    It is exact for any length of time, and never decreases as time goes on.

    Args:
        rate_micros: micro-dollars for each second.
        begin: aware time from which it is charged.
        end: aware time until which it is; 0 comes out when that is before the beginning.
    """
    return max(0, (end - begin) // _MICROSECOND) * rate_micros // _PER_SECOND


def billed_cost(rate_micros: int, seconds: float) -> int:
    """What a number of seconds costs, as reported for a job that has ended; to the nearest.

    Args:
        rate_micros: micro-dollars for each second.
        seconds: finite; less than nothing costs nothing.
    """
    return round(max(0.0, seconds) * rate_micros)
