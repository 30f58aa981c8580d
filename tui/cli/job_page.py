"""What `job` prints of one job."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from tui.base import formatting
from tui.cli.job_table import prints_utf8
from tui.store.shown_cost import shown_cost

TYPE_CHECKING = False  # `typing` takes longer to load than a short command to run
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tui.store.annotations import Annotation
    from tui.store.lost_contact import LostContact
    from tui.store.quick_job import QuickFile, QuickJob, QuickNote
    from tui.store.records import FileRecord, JobRecord

_AGAIN = {
    "no": "no: the same job would fail again",
    "maybe": "maybe: the same job can go better",
    "yes": "yes: the same job can succeed",
}


def job_lines(
    record: JobRecord | QuickJob,
    files: Sequence[FileRecord | QuickFile],
    unheard: LostContact | None = None,
    written: Annotation | QuickNote | None = None,
    *,
    stops_at: str = "",
    log: str,
    outputs: str,
) -> list[str]:
    """Everything about a job, a line for each thing.

    Args:
        record: the job.
        files: what it produced.
        unheard: since when it is not heard of.
        written: what the user wrote about it.
        stops_at: the cost limit that would end it.
        log: path of its log.
        outputs: folder of results.
    """
    model = f"{record.model_family} {record.model_flavour} {record.model_type}".strip()
    state = formatting.ended(record.status, record.stage, ascii_only=not prints_utf8())
    now = datetime.now(UTC)
    cost = shown_cost(record, now, unheard)
    pinned = "  (pinned)" if written and written.pinned else ""
    lines = [
        ("job", f"{record.job_id}  {record.name}{pinned}"),
        ("tags", ", ".join(written.tags) if written else ""),
        ("state", f"{state}  {record.stage}".rstrip()),
        ("contact", formatting.unheard(unheard.why, unheard.since, now) if unheard else ""),
        ("account", record.submit.get("account") or ""),
        ("model", model),
        ("trainer", f"{record.model}:{record.version[:12]}"),
        ("hardware", f"{record.hardware}  {formatting.rate(record.rate_micros)}"),
        ("step", f"{record.step or 0} of {record.total_steps or '?'}"),
        ("loss", _loss_words(record)),
        *(("warning", words) for words in _warnings(record, now)),
        ("cost", formatting.cost_words(*cost) if cost else formatting.money(None)),
        ("limit", f"cancelled at {stops_at}" if stops_at and record.status.is_active else ""),
        ("created", formatting.stamp(record.created_at)),
        ("ended", formatting.stamp(record.completed_at)),
        ("prediction", f"{record.prediction_id}  {record.web_url}".rstrip()),
        ("output", record.output_url),
        ("error", record.error),
        ("cause", _cause(record)),
        ("log", _log_words(log)),
    ]
    note = (written.note if written else "") or ""
    for number, line in enumerate(note.splitlines()):
        lines.append(("" if number else "note", line))
    advices = list(record.diagnosis.get("advice", ()))
    if delivered := record.submit.get("delivered"):
        lines.append(("delivered", formatting.delivery(delivered)))
        lines += [
            (label, ", ".join(map(str, names or ())))
            for label, names in (
                ("expected", delivered.get("expected")),
                ("arrived", delivered.get("arrived")),
                ("missing", delivered.get("missing")),
            )
        ]
        advices.append(delivered.get("advice", ""))
    lines += [("advice", advice) for advice in advices]
    lines.append(("again", _AGAIN.get(str(record.diagnosis.get("again")), "")))
    for file in files:
        size = formatting.size(file.size)
        lines.append(("file", f"{outputs}/{file.path}  {size}  {file.sha256}"))
    return [
        f"{name:<11} {value}".rstrip() for name, value in lines if value or name in ("", "note")
    ]


def _log_words(path: str) -> str:
    if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113  pathlib is slow
        return f"{path} is no file: move it away, nothing of this job can be recorded until then"
    return path


def _warnings(record: JobRecord | QuickJob, now: datetime) -> list[str]:
    if not record.warnings:
        return []
    from tui.store.run_warnings import warning_words

    return [
        warning_words(warning, record.rate_micros, now)
        for warning in record.warnings
        if not warning["dismissed"]
    ]


def shown_loss(record: JobRecord | QuickJob) -> float | str | None:
    """The smoothed loss; `nan` where the newest is not a number."""
    marked = any(mark["name"] == "loss" for mark in record.submit.get("not_finite") or ())
    if record.loss is None and marked:
        return "nan"
    return record.loss if record.loss_smoothed is None else record.loss_smoothed


def _cause(record: JobRecord | QuickJob) -> str:
    """What the diagnosis found, such as step and sample, where the error does not say it."""
    what = str(record.diagnosis.get("what") or "")
    return "" if what == record.error else what


def _loss_words(record: JobRecord | QuickJob) -> str:
    """The smoothed loss, its best, and which series have values that are not finite."""
    loss = shown_loss(record)
    words = [loss if isinstance(loss, str) else formatting.number(loss)]
    if record.loss_best is not None:
        words.append(f"best {formatting.number(record.loss_best)} at step {record.best_step}")
    words += [
        f"{mark['name']} is not finite at steps {mark['first_step']}-{mark['last_step']}"
        for mark in record.submit.get("not_finite") or ()
    ]
    return " · ".join(words)
