"""A job as JSON: the fields of SimpleTuner's job model and some of our own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tui.store.annotations import Annotation
from tui.store.lost_contact import Contacts, LostContact
from tui.store.records import FileRecord, JobRecord
from tui.store.shown_cost import ShownCost, shown_cost

if TYPE_CHECKING:
    from tui.api.base import Delivery
    from tui.api.jobs import Diagnosis, Job


def job_json(
    job: JobRecord,
    files: Sequence[FileRecord] | None = None,
    outputs: Path | None = None,
    contacts: Contacts | None = None,
    *,
    annotation: Annotation,
    stops: bool = False,
) -> Job:
    """Return a job as JSON data; times are ISO 8601 in UTC, money is in US dollars.

    Args:
        job: the record.
        files: its files; None leaves them out.
        outputs: the folder that their paths are relative to; None keeps relative paths.
        contacts: which jobs are not heard of; None for a job that has just been asked about.
        annotation: what the user wrote about it; a note that was read is in the answer.
        stops: whether the cost limit ends running jobs.
    """
    ended = job.completed_at or datetime.now(UTC)
    data: Job = {
        "job_id": job.job_id,
        "job_type": "cloud",
        "provider": "replicate",
        "status": job.status.value,
        "name": job.name,
        "config_name": job.config_name,
        "pinned": annotation.pinned,
        "tags": list(annotation.tags),
        "has_note": annotation.has_note,
        "created_at": _utc(job.created_at),
        "queued_at": _iso(job.queued_at),
        "started_at": _iso(job.started_at),
        "completed_at": _iso(job.completed_at),
        "duration_seconds": (ended - job.started_at).total_seconds() if job.started_at else None,
        "cost_usd": None if job.cost_micros is None else job.cost_micros / 1e6,
        "cost_is_upper_bound": job.is_lost,
        "cost_at_least_usd": None,
        "estimated_cost": None if job.estimate_micros is None else job.estimate_micros / 1e6,
        "hardware_type": job.hardware,
        "error_message": job.error or None,
        "output_url": job.output_url or None,
        "is_terminal": job.status.is_terminal,
        "is_active": job.status.is_active,
        "unheard_since": None,
        "unheard_reason": None,
        "stop_running": stops and job.status.is_active,
        "progress": {
            "stage": job.stage or None,
            "step": job.step,
            "total_steps": job.total_steps,
            "epoch": job.epoch,
            "epochs": job.epochs,
            "percent": job.percent,
            "seconds_per_step": _finite(job.seconds_per_step),
            "loss": _finite(job.loss),
            "loss_smoothed": _finite(job.loss_smoothed),
            "loss_best": _finite(job.loss_best),
            "best_step": job.best_step,
            "learning_rate": _finite(job.learning_rate),
            "eta_at": _iso(job.eta_at),
            "not_finite": job.submit.get("not_finite") or [],
        },
        "warnings": job.warnings,
        "metadata": {
            "prediction_id": job.prediction_id or None,
            "model": job.model,
            "version": job.version,
            "hardware_profile": job.hardware,
            "tracker_run_name": job.name,
            "model_family": job.model_family,
            "model_flavour": job.model_flavour,
            "model_type": job.model_type,
            "lora_type": job.lora_type,
            "delivery": cast("Delivery", job.delivery),  # one of them, or empty
            "api_base": job.api_base,
            "account": job.submit.get("account") or None,
            "web_url": job.web_url or None,
        },
        "delivered": job.submit.get("delivered"),
        # Only the engine writes the column, and in this shape.
        "diagnosis": cast("Diagnosis", job.diagnosis) if job.diagnosis else None,
    }
    now = datetime.now(UTC)
    if contacts is not None and (contact := contacts.of(job, now)) is not None:
        data = unheard_json(data, contact, shown_cost(job, now, contact))
    if annotation.note is not None:
        data["note"] = annotation.note
    if files is not None:
        data["files"] = [
            {
                "path": str(outputs / file.path) if outputs else file.path,
                "size": file.size,
                "sha256": file.sha256,
            }
            for file in files
            if not file.missing
        ]
    return data


def unheard_json(data: Job, contact: LostContact, cost: ShownCost | None) -> Job:
    """Return a job as JSON data with what is known of one that is not heard of.

    Args:
        data: the job as it was last seen.
        contact: since when and why.
        cost: what it cost until then.
    """
    return {
        **data,
        "cost_at_least_usd": cost.micros / 1e6 if cost and cost.bound == "at least" else None,
        "unheard_since": _utc(contact.since),
        "unheard_reason": contact.why,
        "progress": {**data["progress"], "eta_at": None},
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else _utc(moment)


def _utc(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _finite(value: float | None) -> float | None:
    """Replace NaN and infinities, which JSON cannot represent, by None."""
    return value if value is not None and isfinite(value) else None
