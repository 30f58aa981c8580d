"""How long the keys of a staged dataset must work: until the trainer has read all of it.

Temporary keys run out by the clock, also while a job waits in the queue. The trainer reads every
picture twice, for its size and for its latents, and none afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from tui.simpletuner.config.values import as_bool
from tui.simpletuner.errors import SimpleTunerError
from tui.simpletuner.staging.manifest import Manifest

_FEW: Final = 20
"""Fewer measured waits than this say little about long ones."""
_UNKNOWN_WAIT: Final = timedelta(minutes=30)
_START: Final = timedelta(minutes=15)
"""From the start of the container to the first picture: the base model is fetched before."""
_BYTES_PER_SECOND: Final = 4 * 1024 * 1024
_SECONDS_PER_PICTURE: Final = 2.0
"""Two requests with their round trips, and the encoding between them."""
_READ_LATER: Final = ("vae_cache_disable", "vae_cache_ondemand")


def longest_wait(waits: Sequence[float]) -> timedelta:
    """Return the 95th percentile of waits in the queue; with few of them, half an hour more.

    Args:
        waits: seconds between submission and start of earlier jobs.
    """
    ordered = sorted(waits)
    if not ordered:
        return _UNKNOWN_WAIT
    percentile = timedelta(seconds=ordered[math.ceil(0.95 * len(ordered)) - 1])
    return percentile if len(ordered) >= _FEW else percentile + _UNKNOWN_WAIT


def reading_time(manifest: Manifest) -> timedelta:
    """Return the time from a job's start until the trainer has read its datasets."""
    size = sum(dataset.bytes for dataset in manifest.datasets)
    transfer = 2 * size / _BYTES_PER_SECOND + manifest.images * _SECONDS_PER_PICTURE
    return _START + timedelta(seconds=transfer)


def needed_life(waits: Sequence[float], manifest: Manifest) -> timedelta:
    """Return how long temporary keys must work from now on, in whole minutes.

    Raises:
        SimpleTunerError: the trainer would read the pictures during the whole run.
    """
    refuse_later_reading(dataset.entry for dataset in manifest.datasets)
    needed = longest_wait(waits) + reading_time(manifest)
    return timedelta(minutes=math.ceil(needed.total_seconds() / 60))


def refuse_later_reading(entries: Iterable[Mapping[str, Any]]) -> None:
    """Refuse datasets whose pictures are read again at every step.

    Raises:
        SimpleTunerError: there is one.
    """
    for entry in entries:
        name = next((name for name in _READ_LATER if as_bool(entry.get(name))), "")
        if name:
            raise SimpleTunerError(
                f"with {name} the trainer reads the pictures during the whole run, and temporary "
                "keys would end before it",
                f"Leave {name} out, or stage to the Hub or to this machine.",
            )
