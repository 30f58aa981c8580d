"""The answer of `check`: a `Prepared` as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tui.base.hosts import is_loopback
from tui.engine.delivery.resolve import delivery_data
from tui.engine.submission.agreement import with_agreement
from tui.engine.submission.overriding import accepted_by
from tui.engine.submission.prepared import Prepared, cancel_after_seconds
from tui.simpletuner.checks.describe import describe_checks, describe_config, describe_datasets
from tui.simpletuner.checks.leaving_words import leaving_words, sentence
from tui.simpletuner.delivery_schedule.mends import Mend
from tui.simpletuner.delivery_schedule.sizes import delivery_size

if TYPE_CHECKING:
    from tui.api import check_report
    from tui.engine.submission.history import PastError, QueueWait

_MOST_SKIPPED: Final = 200
_WRITER_TRAVELS: Final = (
    "your Hugging Face token travels with the job as a Secret input; it may write, since the "
    "results go to the Hub"
)


def report_of(
    prepared: Prepared,
    api_base: str,
    *,
    check_id: str = "",
    rev: int = 1,
    cost_limit: check_report.CostLimitDetails | None = None,
) -> check_report.CheckReport:
    """Return what a check answers; secrets are masked.

    Args:
        prepared: the draft with its findings.
        api_base: the API that would run the job.
        check_id: the check; "" for one that nobody can ask for again.
        rev: of the report.
        cost_limit: the figures of a limit that refuses the job.
    """
    estimate = prepared.estimate
    history = prepared.history
    choice = prepared.choice
    return {
        "check_id": check_id,
        "rev": rev,
        "asking": prepared.asking,
        "config": describe_config(prepared.config),
        "datasets": describe_datasets(prepared.config, prepared.trained),
        "checks": describe_checks(prepared.checks),
        "ok": prepared.ok,
        "acceptable": bool(accepts := accepted_by(prepared)),
        "accepts": accepts,
        "estimate": {
            "steps": estimate.steps,
            "seconds": estimate.seconds,
            "low_seconds": estimate.seconds_low,
            "high_seconds": estimate.seconds_high,
            "micros": estimate.micros,
            "low_micros": estimate.micros_low,
            "high_micros": estimate.micros_high,
            "rate_micros": prepared.rate_micros,
            "free": is_loopback(api_base),
            "basis": estimate.basis,
            "measured_runs": history.step.runs if history.step else 0,
            "error": None if history.error is None else _past_error(history.error),
            "queue": None if history.wait is None else _queue_wait(history.wait),
        },
        "leaves": leaving(prepared, api_base),
        "request": {
            "version": f"{choice.model}:{choice.version}" if choice else None,
            "input": prepared.inputs.shown(),
            "dropped": [
                *prepared.inputs.dropped,
                *(prepared.staging.dropped if prepared.staging else ()),
            ],
        },
        "cost_limit": cost_limit,
        "delivery": delivery_data(prepared.delivery, prepared.config),
        "weights": _weights(prepared),
        "cancel_after": cancel_after_seconds(prepared),
        "cost_ceiling_micros": prepared.draft.cost_ceiling_micros,
        "run_name": prepared.run_name,
        "hardware": {
            "id": prepared.profile.id,
            "label": prepared.profile.label,
            "vram_gb": prepared.profile.vram_gb,
            "rate_micros": prepared.rate_micros,
        },
        "version": {
            "id": choice.version if choice else None,
            "model": choice.model if choice else prepared.profile.model,
            "created_at": choice.created_at.isoformat() if choice and choice.created_at else None,
        },
    }


def _past_error(error: PastError) -> check_report.PastError:
    return {"runs": error.runs, "percent": error.percent, "bias_percent": error.bias_percent}


def _queue_wait(wait: QueueWait) -> check_report.QueueWait:
    return {"runs": wait.runs, "seconds": wait.seconds, "long_seconds": wait.long_seconds}


def leaving(prepared: Prepared, api_base: str) -> check_report.LeavingData:
    """What leaves this machine: the archive's content, or the staged data."""
    found = with_agreement(_leaving(prepared, api_base), prepared.staging, prepared.report)
    return {**found, "words": sentence(*leaving_words(found))}


def _skipped(prepared: Prepared) -> list[check_report.SkippedFile]:
    """The files that are not sent; staging sends some that no archive holds."""
    report = prepared.report
    staged_anyway = (
        {file.name for dataset in report.local for file in dataset.odd_files}
        if prepared.staging is not None
        else set()
    )
    rows: list[check_report.SkippedFile] = [
        {"path": str(item.path), "reason": item.reason}
        for item in report.skipped
        if str(item.path) not in staged_anyway
    ]
    return rows[:_MOST_SKIPPED]


def _leaving(prepared: Prepared, api_base: str) -> check_report.LeavingData:
    """What leaves, without its words, and the place and the digest of an agreement."""
    report, plan = prepared.report, prepared.staging
    skipped = _skipped(prepared)
    if plan is not None:
        manifest = plan.manifest
        return {
            "images": manifest.images,
            "captions": manifest.captions,
            "bytes": manifest.bytes,
            "destination": plan.leaves.to,
            "stays_here": plan.leaves.stays_here,
            "until": "until you remove it (simpletuner-tui staged remove)"
            if prepared.draft.keep_staged
            else plan.leaves.until,
            "token": _WRITER_TRAVELS
            if plan.place.kind == "hub" and prepared.delivery.kind == "hub"
            else plan.leaves.token,
            "missing_bytes": plan.missing.bytes if plan.missing else manifest.bytes,
            "skipped": skipped,
            "words": "",
            "place": "",
            "digest": "",
        }
    if prepared.place_asked:
        return {
            "images": report.images,
            "captions": report.captions,
            "bytes": report.bytes,
            "destination": "the place that can be used, which is being asked",
            "stays_here": False,
            "until": "",
            "token": "",
            "missing_bytes": report.bytes,
            "skipped": skipped,
            "words": "",
            "place": "",
            "digest": "",
        }
    size = report.bytes if prepared.uploads else 0
    return {
        "images": report.images if prepared.uploads else 0,
        "captions": report.captions if prepared.uploads else 0,
        "bytes": size,
        "destination": "this machine (sandbox)" if is_loopback(api_base) else "Replicate",
        "stays_here": is_loopback(api_base),
        "until": "",
        "token": "",
        "missing_bytes": size,
        "skipped": skipped,
        "words": "",
        "place": "",
        "digest": "",
    }


def _weights(prepared: Prepared) -> check_report.PlannedWeights:
    schedule, mends = prepared.outlook
    mended = _mend(prepared.mended) if prepared.mended is not None else None
    if schedule is None:
        return {
            "way": None, "line": "no weights leave the trainer", "reason": "there is no delivery",
            "steps": prepared.estimate.steps, "weights": [], "last": None, "final": False,
            "promise": "no", "uploads": None, "sent_bytes": None, "stored_bytes": None,
            "mends": [], "mended": mended,
        }  # fmt: skip
    estimate = delivery_size(prepared.config, schedule)
    line, reason, promise = schedule.line, schedule.reason, schedule.promise
    if prepared.release_asked and promise != "yes":
        line, promise = "which weights leave the trainer depends on its version", "unknown"
        reason = "the version is being asked"
    return {
        "way": schedule.way,
        "line": line,
        "reason": reason,
        "steps": schedule.steps,
        "weights": list(schedule.weights),
        "last": schedule.last,
        "final": schedule.final,
        "promise": promise,
        "uploads": schedule.uploads,
        "sent_bytes": estimate.sent if estimate else None,
        "stored_bytes": estimate.stored if estimate else None,
        "mends": [_mend(mend) for mend in mends],
        "mended": mended,
    }


def _mend(mend: Mend) -> check_report.DeliveryMend:
    return {
        "id": mend.id,
        "title": mend.title,
        "overrides": dict(mend.overrides),
        "delivery": dict(mend.delivery),
        "changes": [
            {"name": change.name, "before": change.before, "after": change.after}
            for change in mend.changes
        ],
        "words": mend.words,
        "line": mend.schedule.line,
    }
