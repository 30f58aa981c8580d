"""The delivery schedule of a job: its config as it will run, its delivery, its trainer."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from tui.simpletuner.config.training_config import TrainingConfig
from tui.simpletuner.config.values import as_bool
from tui.simpletuner.datasets.scan import DataReport
from tui.simpletuner.delivery_schedule.mends import Mend, find_mends
from tui.simpletuner.delivery_schedule.schedule import (
    DeliverySchedule,
    count_batches,
    delivery_schedule,
)
from tui.simpletuner.release.profile import ReleaseProfile
from tui.simpletuner.request.delivery import Delivery


def job_schedule(
    config: TrainingConfig,
    delivery: Delivery,
    *,
    report: DataReport | None = None,
    release: ReleaseProfile | None = None,
    gpus: int = 1,
) -> DeliverySchedule | None:
    """What leaves the trainer in a job; None for a job without delivery.

    Args:
        config: the config with the job's overrides applied.
        delivery: where the results go.
        report: the scan of the datasets.
        release: the release profile of the trainer's version.
        gpus: GPUs of the hardware.
    """
    if delivery.kind == "none":
        return None
    used = max(1, min(gpus, config.num_processes))
    values = {name: value for name, value in config.values.items() if value is not None}
    return delivery_schedule(
        values,
        way=delivery.kind,
        batches=count_batches(config, report, used),
        publishes_final=release is not None and release.publishes_final,
        # The request turns the upload of checkpoints on unless the config says no.
        pushes=as_bool(values.get("push_checkpoints_to_hub"), default=True),
    )


class DeliveryOutlook(NamedTuple):
    """What leaves the trainer in a job, and what would help; empty for a job without delivery."""

    schedule: DeliverySchedule | None = None
    mends: tuple[Mend, ...] = ()


def delivery_outlook(
    config: TrainingConfig,
    delivery: Delivery,
    *,
    report: DataReport | None = None,
    release: ReleaseProfile | None = None,
    gpus: int = 1,
) -> DeliveryOutlook:
    """The schedule of a job with its mends; see `job_schedule` for the arguments."""
    recompute = partial(job_schedule, report=report, release=release, gpus=gpus)
    schedule = recompute(config, delivery)
    if schedule is None:
        return DeliveryOutlook()
    return DeliveryOutlook(schedule, find_mends(config, delivery, schedule, recompute))
