"""What a snapshot of a prediction, and what its log says, change in the record of a job.

These functions look at values alone; `JobRecorder` keeps what they return.
"""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from math import isnan
from typing import TYPE_CHECKING, Any, Final, cast

from tui.base.job_status import CONFIRMED_DELIVERIES, DELIVERY_NOT_KNOWN_YET, JobStatus
from tui.base.money import billed_cost
from tui.engine.tracking.job_log import LogFacts
from tui.engine.tracking.not_finite import new_names, with_points
from tui.engine.tracking.reconcile import Known
from tui.replicate.models import LONGEST_RUN
from tui.simpletuner.failures.diagnosis import diagnose
from tui.simpletuner.request.hardware import PROFILES
from tui.store.records import JobRecord, StageRecord

if TYPE_CHECKING:
    from tui.store.job_values import JobValues
    from tui.store.submit_state import SubmitState

_DATA_RETENTION: Final = timedelta(hours=1)
"""How long Replicate keeps inputs, logs and outputs of predictions created through its API
(replicate.com/docs/topics/predictions/data-retention)."""
_KNOWN_TO_RECORD: Final = {
    "status": "provider_status",
    **{item.name: item.name for item in fields(Known) if item.name not in ("status", "created_at")},
}
_STAGE_STATES: Final = {"completed": "done"}


def known_of(record: JobRecord) -> Known:
    """What a record says of the prediction."""
    return Known(
        created_at=record.created_at,
        **{name: getattr(record, field) for name, field in _KNOWN_TO_RECORD.items()},
    )


def changed_values(before: Known, known: Known) -> JobValues:
    """The fields of the record that follow from what is known now and was not before."""
    changed = {
        field: getattr(known, name)
        for name, field in _KNOWN_TO_RECORD.items()
        if getattr(known, name) != getattr(before, name)
    }
    return cast("JobValues", changed)  # by name, so that no field is forgotten


def end_values(record: JobRecord, known: Known) -> JobValues:
    """The fields that follow from the end: cost, output address and expiry of the data."""
    seconds = known.predict_seconds
    if seconds is None and known.started_at and known.completed_at:
        seconds = (known.completed_at - known.started_at).total_seconds()
        seconds = seconds if seconds <= LONGEST_RUN else None
    if known.status == "aborted":
        seconds = 0.0  # ended before it started: not billed (Replicate, changelog of 2025-10-16)
    values: JobValues = {"eta_at": None}
    if seconds is not None:
        values["cost_micros"] = billed_cost(record.rate_micros, seconds)
    url = _downloadable(known.output)
    values["output_url"] = url or (known.output if isinstance(known.output, str) else "")
    if url and known.completed_at and not known.data_removed and not record.file_count:
        values["data_expires_at"] = known.completed_at + _DATA_RETENTION
    elif known.data_removed:
        values["data_expires_at"] = None
    return values


def _downloadable(output: Any) -> str:
    items = output if isinstance(output, list) else [output]
    for item in items:
        if isinstance(item, str) and item.startswith("https://") and "replicate.delivery" in item:
            return item
    return ""


def log_values(facts: LogFacts, record: JobRecord, status: JobStatus, now: datetime) -> JobValues:
    """The fields that follow from the log."""
    progress = facts.progress
    values: JobValues = {
        "log_bytes": facts.size,
        "log_replaced": record.log_replaced or facts.replaced,
        "parser": facts.notes,
        "step": progress.step,
        "total_steps": progress.total_steps or record.total_steps,
        "epoch": progress.epoch,
        "epochs": progress.epochs,
        "percent": progress.percent,
        "seconds_per_step": progress.seconds_per_step,
        "loss": _number(progress.loss),
        "loss_smoothed": facts.loss_smoothed,
        "loss_best": facts.loss_best,
        "best_step": facts.best_step,
        "learning_rate": _number(progress.lr),
    }
    if status is JobStatus.RUNNING:
        values["stage"] = progress.stage
        eta = progress.eta_seconds
        values["eta_at"] = None if eta is None else now + timedelta(seconds=eta)
    return values


def _number(value: float | None) -> float | None:
    """A value as the store returns it: SQLite has no NaN, and one would differ from itself."""
    return None if value is None or isnan(value) else value


def stage_of_ended(record: JobRecord, status: JobStatus) -> str:
    """The stage of a job that has just ended well or was cancelled.

    It has to be written with the end itself: a bare end is shown with a tick, which results that
    are not confirmed must not get.
    """
    confirmed = status is JobStatus.COMPLETED and record.delivery in CONFIRMED_DELIVERIES
    return DELIVERY_NOT_KNOWN_YET if confirmed else ""


def stage_rows(facts: LogFacts | None) -> list[StageRecord]:
    """The stages that the log began or ended."""
    if facts is None:
        return []
    return [
        StageRecord(
            stage.number, stage.key, stage.label, _STAGE_STATES.get(stage.status, stage.status),
            stage.started_at, stage.finished_at, stage.message, stage.percent,
        )
        for stage in facts.update.stages
    ]  # fmt: skip


def mark_not_finite(record: JobRecord, facts: LogFacts | None, values: JobValues) -> list[str]:
    """Add the marks of values that are not finite; returns the series to tell of.

    A loss that is no number is a warning, which is told of as such.
    """
    if facts is None:
        return []
    before = () if facts.replaced else record.submit.get("not_finite") or ()
    after = with_points(before, facts.update.metrics)
    if after == list(record.submit.get("not_finite") or ()):
        return []
    submit: SubmitState = {**values.get("submit", record.submit), "not_finite": after}
    if not after:
        submit.pop("not_finite")
    values["submit"] = submit
    new = new_names(record.submit.get("not_finite") or (), after)
    return [name for name in new if name != "loss"]


def diagnosis_values(record: JobRecord, error: str, tail: str, offset: int) -> JobValues:
    """Why a run failed, by the end of its log, whose first byte is at the offset."""
    hardware = PROFILES.get(record.hardware)
    # Advice that stages the data does not apply where they were staged.
    staged = {"data": "staged"} if record.submit.get("staging") else {}
    diagnosis = diagnose(
        tail, error or None, offset=offset, config={**record.config, **staged},
        gpus=hardware.gpus if hardware else None,
    )  # fmt: skip
    as_stored = json.loads(json.dumps(asdict(diagnosis)))  # a tuple would differ from its list
    return {"diagnosis": as_stored, "stage": diagnosis.title}
