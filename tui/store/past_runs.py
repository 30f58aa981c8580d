"""What earlier runs took: queries for estimates that learn."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tui.base.hosts import is_loopback

_LIMIT: Final = 400
_RUNS: Final = (
    "SELECT api_base, hardware, status, model_family, model_flavour, model_type, step, "
    "seconds_per_step, cost_micros, estimate_micros, queued_at, started_at, job_id FROM jobs "
    "WHERE started_at IS NOT NULL ORDER BY created_at DESC LIMIT ?"
)
_SETTINGS: Final = "SELECT config, dataloader FROM jobs WHERE job_id = ?"

Query = Callable[[str, Sequence[Any]], list[Any]]


@dataclass(frozen=True, slots=True)
class PastRun:
    """A job that started, as far as estimates need it.

    Attributes:
        job_id: its id.
        hardware: its hardware profile.
        status: where it stands or ended.
        model: family, flavour and type of the model.
        step: steps that it made.
        seconds_per_step: as its bar said last; None before the first step.
        cost_micros: what it cost; None while it runs.
        estimate_micros: what it was expected to cost.
        waited: seconds from Replicate's acceptance to the start; None when unknown.
        settings: reads its config and its datasets.
    """

    job_id: str
    hardware: str
    status: str
    model: tuple[str, str, str]
    step: int
    seconds_per_step: float | None
    cost_micros: int | None
    estimate_micros: int | None
    waited: float | None
    settings: Callable[[], tuple[dict[str, Any], list[Any]]] = field(repr=False, compare=False)


def read_past_runs(query: Query, *, sandbox: bool) -> list[PastRun]:
    """Return the newest runs, the newest first.

    Args:
        query: runs a statement on the store.
        sandbox: runs of sandboxes instead of those of Replicate; they are never mixed.
    """
    runs = []
    for row in query(_RUNS, (_LIMIT,)):
        if is_loopback(row[0]) is not sandbox:
            continue
        queued, started, job_id = row[10], row[11], row[12]
        runs.append(
            PastRun(
                job_id=job_id,
                hardware=row[1],
                status=row[2],
                model=(row[3], row[4], row[5]),
                step=row[6] or 0,
                seconds_per_step=row[7],
                cost_micros=row[8],
                estimate_micros=row[9],
                waited=(started - queued) / 1e6 if queued and started >= queued else None,
                settings=_settings_of(query, job_id),
            )
        )
    return runs


def _settings_of(query: Query, job_id: str) -> Callable[[], tuple[dict[str, Any], list[Any]]]:
    def read() -> tuple[dict[str, Any], list[Any]]:
        rows = query(_SETTINGS, (job_id,))
        if not rows:
            return {}, []
        config, datasets = (json.loads(text) for text in rows[0])
        return (
            config if isinstance(config, dict) else {},
            datasets if isinstance(datasets, list) else [],
        )

    return read
