"""The warnings of a job as its record keeps them.

`RunHealth` says what is wrong at a moment. A record also says since when, and what was put away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from tui.settings import WatchSettings
from tui.simpletuner.log.run_health import RunWarning, Thresholds

if TYPE_CHECKING:
    from tui.api.jobs import JobWarning

_WHILE_IT_RUNS: Final = ("stalled", "slower")
"""Kinds that say nothing about a run that has ended."""


def merged_warnings(
    before: Sequence[JobWarning], found: Sequence[RunWarning], now: datetime
) -> list[JobWarning]:
    """Return the warnings of a record after a look at the run.

    Args:
        before: the record's warnings so far. One that was put away stays away, and so it is kept
            when its cause has gone.
        found: what is wrong now, the most urgent first.
        now: the time of the look.
    """
    known = {warning["kind"]: warning for warning in before}
    rows = [_row(warning, known.get(warning.kind), now) for warning in found]
    kinds = {warning.kind for warning in found}
    gone = [row for row in before if row["dismissed"] and row["kind"] not in kinds]
    return [*rows, *gone]


def _row(warning: RunWarning, known: JobWarning | None, now: datetime) -> JobWarning:
    since = (warning.since or now).isoformat().replace("+00:00", "Z")
    return {
        "kind": warning.kind,
        "step": warning.step,
        "since": known["since"] if known and warning.since is None else since,
        "ratio": None if warning.ratio is None else round(warning.ratio, 1),
        "dismissed": bool(known and known["dismissed"]),
    }


def at_the_end(warnings: Sequence[JobWarning]) -> list[JobWarning]:
    """Return those of a run's warnings that are still true when it has ended."""
    return [row for row in warnings if row["kind"] not in _WHILE_IT_RUNS]


def dismissed(warnings: Sequence[JobWarning], kind: str) -> list[JobWarning]:
    """Return the warnings with those of a kind put away for the rest of the run."""
    rows = [row.copy() for row in warnings]
    for row in rows:
        row["dismissed"] |= row["kind"] == kind
    return rows


def warmup_of(config: Mapping[str, Any]) -> int:
    """Return the steps in which a config's learning rate rises; 0 where it says nothing usable."""
    value = str(config.get("lr_warmup_steps", 0)).strip()
    return int(value) if value.isascii() and value.isdecimal() else 0


def thresholds_of(settings: WatchSettings) -> Thresholds:
    """Return when a run is reported, as the settings say."""
    return Thresholds(
        diverging_ratio=settings.diverging_ratio,
        diverging_steps=settings.diverging_steps,
        stalled_seconds=settings.stalled_seconds,
        stalled_steps=settings.stalled_steps,
        slower_ratio=settings.slower_ratio,
        slower_steps=settings.slower_steps,
    )
