"""The speed of transfers, and when it is steady enough to tell the time left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from tui.base import formatting

_DAY: Final = 86_400.0
_STEADY: Final = 20
"""Reports of about the same speed, some ten seconds, after which a very long time is shown."""


@dataclass(frozen=True, slots=True)
class TransferProgress:
    """The progress of a transfer, as the engine last reported it.

    Attributes:
        steady: how many earlier reports in a row had about the same speed.
    """

    done: int
    total: int
    speed: int
    eta: float | None
    steady: int = 0

    def after(self, before: TransferProgress | None) -> TransferProgress:
        """Returns this report with the number of earlier ones of about the same speed."""
        near = before is not None and 4 * abs(self.speed - before.speed) <= before.speed
        steady = before.steady + 1 if before is not None and before.speed and near else 0
        return replace(self, steady=steady)


def time_left(progress: TransferProgress, limit: int = 0) -> float | None:
    """Returns the seconds that the rest will take; None where that is not known well enough.

    Args:
        progress: how it moves.
        limit: bytes per second that it cannot go beyond; 0 for none.
    """
    rest = progress.total - progress.done
    if progress.total <= 0 or rest <= 0:
        return None
    left = progress.eta
    if limit:
        left = max(left or 0.0, rest / limit)
    if left is None or (left > _DAY and progress.steady < _STEADY):
        return None
    return left


def sums(rows: Sequence[TransferProgress], limit: int = 0) -> str:
    """Returns bytes, speed and time left of all transfers together."""
    done, total, speed = (sum(column) for column in zip(
        *((row.done, row.total, row.speed) for row in rows), strict=True))  # fmt: skip
    words = [f"{formatting.size(done)} of {formatting.size(total)}"]
    if speed:
        words.append(f"{formatting.size(speed)}/s")
        steady = min(row.steady for row in rows if row.speed)
        together = TransferProgress(done, total, speed, (total - done) / speed, steady)
        left = time_left(together, limit)
        if left is not None:
            words.append(f"{formatting.duration(left)} left")
    return " · ".join(words)
