"""The check of what leaves the trainer: whether the final weights arrive, and what uploads send."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tui.base.formatting import plural, size
from tui.simpletuner.checks.data import CheckRow
from tui.simpletuner.config.training_config import TrainingConfig
from tui.simpletuner.delivery_schedule.job import DeliveryOutlook
from tui.simpletuner.delivery_schedule.mends import Mend
from tui.simpletuner.delivery_schedule.schedule import DeliverySchedule
from tui.simpletuner.delivery_schedule.sizes import delivery_size

_MANY_BYTES = 5 * 10**9
_MANY_TIMES = 4
"""Uploads that send so many bytes, and so many times what arrives, are a warning."""


def schedule_checks(
    config: TrainingConfig,
    outlook: DeliveryOutlook,
) -> Iterator[CheckRow]:
    """The findings about a job's delivery schedule; none without a delivery.

    Args:
        config: the config with the job's overrides applied.
        outlook: what leaves the trainer, and what would help.
    """
    schedule, mends = outlook
    if schedule is None:
        return
    if schedule.promise == "yes":
        yield "delivery-schedule", "ok", schedule.line
    else:
        # What was counted to arrive, and only cannot be promised, is no error.
        hopeful = schedule.promise == "unknown" and schedule.final and schedule.certain
        message = f"{schedule.line}: {schedule.reason}"
        changes = dict(mends[0].overrides) if mends else {}
        level = "warn" if hopeful else "error"
        yield "delivery-schedule", level, message, _advice(mends), changes
    yield from _check_uploads(config, schedule)


def _advice(mends: Sequence[Mend]) -> str:
    hub = "deliver to the Hub, which gets the final weights in any case"
    if not mends:
        return f"Validate and save at the last step, or {hub}."
    ways = "; or ".join(f"{mend.title} ({mend.words})" for mend in mends)
    if mends[-1].id != "hub":
        ways = f"{ways}; or {hub}"
    if mends[0].delivery:
        repository = mends[0].delivery["hub_model_id"]
        how = f"Say --delivery hub --hub-model-id {repository} for that."
    else:
        how = "--fix-delivery applies the first of these."
    return f"{ways[:1].upper()}{ways[1:]}. {how}"


def _check_uploads(config: TrainingConfig, schedule: DeliverySchedule) -> Iterator[CheckRow]:
    estimate = delivery_size(config, schedule)
    if estimate is None or not schedule.uploads or schedule.uploads < 2:
        return
    message = (
        f"{plural(schedule.uploads, 'upload')} of the run folder, about {size(estimate.sent)} in "
        "all: each sends its checkpoints and pictures again"
    )
    if estimate.sent > max(_MANY_BYTES, _MANY_TIMES * estimate.stored):
        advice = "Validate less often, or keep fewer checkpoints (checkpoints_total_limit)."
        yield "delivery-uploads", "warn", message, advice
    else:
        yield "delivery-uploads", "ok", message
