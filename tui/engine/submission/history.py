"""Estimates that learn: what earlier runs of the same kind took, waited and cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from tui.simpletuner.config.training_config import TrainingConfig, read_entries
from tui.simpletuner.config.values import as_bool
from tui.store.past_runs import PastRun

_LEAST_STEPS: Final = 10
"""A bar's rate means little before so many steps."""
_MOST_RUNS: Final = 8
"""So many like runs are enough; older ones may be of an older trainer."""
_LONG_SHARE: Final = 0.95
_FOLDERS: Final = ("instance_data_dir", "instance_data_root")
"""Keys of datasets that are left out: no folder is looked for."""


@dataclass(frozen=True, slots=True)
class MeasuredStep:
    """Seconds per step of runs like the planned one, and how many runs that was."""

    seconds: float
    runs: int

    @property
    def basis(self) -> str:
        """What an estimate from it rests on, for the screen."""
        return (
            "an earlier run like this one"
            if self.runs == 1
            else (f"{self.runs} earlier runs like this one")
        )


@dataclass(frozen=True, slots=True)
class PastError:
    """By how much past estimates of prices were wrong.

    Attributes:
        runs: completed runs that were compared.
        percent: half of the estimates were wrong by at most so much.
        bias_percent: above zero when runs cost more than was estimated.
    """

    runs: int
    percent: int
    bias_percent: int


@dataclass(frozen=True, slots=True)
class QueueWait:
    """How long jobs of a hardware profile waited for their start.

    Attributes:
        runs: runs that were counted.
        seconds: half of them waited at most so long.
        long_seconds: 95 of 100 waited at most so long.
    """

    runs: int
    seconds: int
    long_seconds: int


@dataclass(frozen=True, slots=True)
class History:
    """What earlier runs say of a planned one; None where none says anything."""

    step: MeasuredStep | None = None
    error: PastError | None = None
    wait: QueueWait | None = None


def history_of(runs: Sequence[PastRun], config: TrainingConfig, hardware: str) -> History:
    """Collect what earlier runs say of a config on a hardware profile."""
    return History(
        measured_step(runs, config, hardware), past_error(runs), queue_wait(runs, hardware)
    )


def measured_step(
    runs: Sequence[PastRun], config: TrainingConfig, hardware: str
) -> MeasuredStep | None:
    """Seconds per step of like runs: same model, hardware, resolution, batch and checkpointing."""
    model = (config.family or "", config.flavour or "", config.model_type)
    wanted = _likeness(config)
    rates = []
    for run in runs:
        rate = run.seconds_per_step
        if run.hardware != hardware or run.model != model or run.step < _LEAST_STEPS or not rate:
            continue
        if math.isfinite(rate) and rate > 0 and _likeness(config_of(*run.settings())) == wanted:
            rates.append(rate)
            if len(rates) == _MOST_RUNS:
                break
    return MeasuredStep(median(rates), len(rates)) if rates else None


def config_of(values: Mapping[str, Any], entries: Sequence[Any]) -> TrainingConfig:
    """The config of a job that was sent, without its folders."""
    datasets = read_entries(
        [
            {name: value for name, value in entry.items() if name not in _FOLDERS}
            for entry in entries
            if isinstance(entry, dict)
        ],
        (),
    )
    return TrainingConfig("", Path(), values, datasets)


def _likeness(config: TrainingConfig) -> tuple[int, int, int, int, bool]:
    """What a run's time per step depends on, beside model and hardware."""
    return (
        config.resolution_pixels,
        config.train_batch_size,
        config.gradient_accumulation_steps,
        config.num_processes,
        as_bool(config.values.get("gradient_checkpointing"), default=True),
    )


def past_error(runs: Sequence[PastRun]) -> PastError | None:
    """By how much the estimates of completed runs were wrong; None without one to compare."""
    shares = [
        run.cost_micros / run.estimate_micros - 1
        for run in runs
        if run.status == "completed" and run.cost_micros and run.estimate_micros
    ]
    if not shares:
        return None
    return PastError(
        len(shares),
        round(100 * median(abs(share) for share in shares)),
        round(100 * median(shares)),
    )


def queue_wait(runs: Sequence[PastRun], hardware: str) -> QueueWait | None:
    """How long jobs of a hardware profile waited; None when none is known."""
    waits = sorted(
        run.waited for run in runs if run.hardware == hardware and run.waited is not None
    )
    if not waits:
        return None
    last = min(len(waits) - 1, math.ceil(_LONG_SHARE * len(waits)) - 1)
    return QueueWait(len(waits), round(median(waits)), math.ceil(waits[last]))
