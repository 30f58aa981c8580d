"""The texts of the job page, made from the job's record; no widgets."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from rich.cells import cell_len

from tui.app.keys.choices import in_app
from tui.app.shell.messages import UploadProgress
from tui.app.terminal.text_lines import fit, plain
from tui.app.widgets.entry_list import Entry, entry
from tui.base import formatting
from tui.base.job_status import JobStatus
from tui.base.json_types import JsonObject, as_object
from tui.base.money import running_cost
from tui.settings import SpendingSettings
from tui.simpletuner.config.overrides import can_override
from tui.store.lost_contact import LostContact
from tui.store.reader import StoreReader
from tui.store.records import EventRecord, JobRecord, StageRecord
from tui.store.resume_point import ResumePoint, resume_point, stopped_by_a_limit
from tui.store.run_warnings import is_stalled, warning_words
from tui.store.shown_cost import shown_cost

_WAITING: Final = "Waiting for a GPU"
_STAGE_GLYPHS: Final = {"done": "✓", "failed": "✗", "running": "●", "skipped": "–"}
_STAGE_TONES: Final = {"done": "good", "failed": "bad", "running": "accent", "skipped": "dim"}
_TONES: Final = {
    JobStatus.COMPLETED: "good", JobStatus.FAILED: "bad", JobStatus.CANCELLED: "dim",
    JobStatus.QUEUED: "warn", JobStatus.PENDING: "dim",
}  # fmt: skip


_DELIVERED: Final = {
    "yes": ("delivered", "good"), "partly": ("delivered: partly", "bad"),
    "no": ("delivered: no", "bad"), "unverified": ("sent, cannot be verified", "warn"),
    "unknown": ("delivered: not known", "warn"),
}  # fmt: skip
"""What a look at the place of its results found when the job had ended."""


def head(
    job: JobRecord,
    now: datetime,
    upload: UploadProgress | None = None,
    contact: LostContact | None = None,
) -> list[tuple[str, str]]:
    """Returns state and figures of a job with their tones, the most important first."""
    tone = _TONES.get(job.status, "accent")
    if formatting.in_doubt(job.status, job.stage):
        tone = "warn"
    pieces = [(formatting.ended(job.status, job.stage), tone)]
    if contact is not None:
        pieces.append((formatting.unheard(contact.why, contact.since, now), "warn"))
    if upload is not None and job.status in (JobStatus.PENDING, JobStatus.UPLOADING):
        pieces.append((upload_words(upload), "base"))
    elif job.status is JobStatus.QUEUED and job.queued_at is not None:
        waited = formatting.duration((now - job.queued_at).total_seconds())
        pieces.append((f"{job.stage or 'waiting for a GPU'} · {waited}", "base"))
    elif job.stage and job.status is not JobStatus.COMPLETED:
        pieces.append((plain(job.stage), "base"))
    if job.submit.get("not_finite"):
        pieces.append((not_finite_words(job), "bad"))
    pieces += [
        (f"! {warning_words(warning, job.rate_micros, now)}", "warn")
        for warning in job.warnings
        if not warning["dismissed"] and warning["kind"] != "not_finite"
    ]
    delivered = job.submit.get("delivered")
    if delivered and delivered.get("state") in _DELIVERED:
        words, tone = _DELIVERED[delivered["state"]]
        pieces.append((words, tone))  # apart from the names, so that it is shown at any width
        if missing := [plain(str(name)) for name in delivered.get("missing") or ()]:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            pieces.append((f"{missing[0]}{more} missing", tone))
    if job.step is not None and job.total_steps:
        words = f"Step {job.step:,} of {job.total_steps:,}"
        pieces.append((f"{words} · {formatting.percent(job.percent)}".rstrip(" ·"), "strong"))
    stands = is_stalled(job.warnings)
    if job.status is JobStatus.RUNNING and job.eta_at is not None and not contact and not stands:
        left = max(0.0, (job.eta_at - now).total_seconds())
        pieces.append((f"ETA {formatting.duration(left)}", "base"))
    cost = shown_cost(job, now, contact)
    if cost is not None:
        pieces.append((formatting.cost_words(*cost), "base"))
    elif job.estimate_micros is not None:
        pieces.append((f"about {formatting.money(job.estimate_micros)}", "dim"))
    if job.hardware:
        pieces.append((f"{job.hardware.upper()} {formatting.rate(job.rate_micros)}", "dim"))
    if job.epoch is not None and job.epochs:
        pieces.append((f"epoch {job.epoch}/{job.epochs}", "dim"))
    if job.seconds_per_step and job.status is JobStatus.RUNNING:
        pieces.append((formatting.speed(job.seconds_per_step), "dim"))
    return pieces


_LAG: Final = 3
"""Steps by which the newest value of a series may be behind the step of the job."""


def stopping_limit(spending: SpendingSettings) -> str:
    """Returns the cost limit that ends running jobs, `$50 / 7 d`; empty where none does."""
    if not (spending.enabled and spending.stop_running):
        return ""
    window = {"daily": "24 h", "weekly": "7 d"}.get(spending.period, "30 d")
    return f"{formatting.dollars(spending.amount_micros)} / {window}"


def not_finite_words(job: JobRecord) -> str:
    """Returns which series are not finite: `✗ loss not finite since step 12`."""
    marks = job.submit.get("not_finite") or ()
    parts = []
    for mark in marks:
        # The newest steps of a log have no values yet, so the mark may lag a little.
        over = job.step is not None and mark["last_step"] < job.step - _LAG
        over = over and (mark["name"] != "loss" or job.loss is not None)
        steps = f"{mark['first_step']:,}"
        when = f"at steps {steps}–{mark['last_step']:,}" if over else f"since step {steps}"
        if over and mark["first_step"] == mark["last_step"]:
            when = f"at step {steps}"
        parts.append(f"{plain(str(mark['name']))} not finite {when}")
    return f"✗ {', '.join(parts)}"


def upload_words(upload: UploadProgress) -> str:
    """Returns a progress: `uploading 12.3 MiB of 41.2 MiB · 30 %`."""
    if not upload.total:
        return upload.phase
    share = formatting.percent(100 * upload.done / upload.total)
    done, total = formatting.size(upload.done), formatting.size(upload.total)
    if upload.phase == "packing":
        done, total = f"{upload.done:,}", f"{upload.total:,}"
    return f"{upload.phase} {done} of {total} · {share}"


# -- stages -----------------------------------------------------------------------------------


def stage_entries(job: JobRecord, stages: Sequence[StageRecord], now: datetime) -> list[Entry]:
    """Returns the stages with their durations and costs."""
    width = min(32, max([len(_WAITING), *(cell_len(stage.label) for stage in stages)]))
    lines = [entry(f"  {'STAGE':{width}} {'BEGAN':8}  {'TOOK':>9}  {'COST':>7}", "dim")]
    if job.queued_at is not None:
        end = job.started_at or (job.completed_at if job.status.is_terminal else None)
        state = "done" if end is not None else "running"
        lines.append(
            _stage(fit(_WAITING, width), state, (job.queued_at, end or now), 0, "not charged")
        )
    for stage in stages:
        end = stage.ended_at or (job.completed_at if job.status.is_terminal else now)
        percent = formatting.percent(stage.percent) if stage.state == "running" else ""
        detail = " ".join(part for part in (percent, plain(stage.detail)) if part)
        lines.append(
            _stage(fit(stage.label, width), stage.state, (stage.started_at, end), job.rate_micros,
                   detail)
        )  # fmt: skip
    return lines if len(lines) > 1 else []


def _stage(
    label: str,
    state: str,
    times: tuple[datetime | None, datetime | None],
    rate_micros: int,
    detail: str,
) -> Entry:
    start, end = times
    glyph, tone = _STAGE_GLYPHS.get(state, "·"), _STAGE_TONES.get(state, "base")
    began = start.astimezone().strftime("%H:%M:%S") if start else "—"
    seconds = (end - start).total_seconds() if start and end else None
    took = formatting.duration(seconds)
    micros = running_cost(rate_micros, start, end) if start and end else 0
    cost = formatting.money(micros) if micros else "—"
    return entry(
        f"{glyph} ", tone, (label, "strong" if state == "running" else "base"),
        (f" {began:8}  {took:>9}  {cost:>7}", "base"), (f"  {detail}" if detail else "", "dim"),
    )  # fmt: skip


# -- what was sent ----------------------------------------------------------------------------


def config_entries(job: JobRecord) -> list[Entry]:
    """Returns the exact input that was sent, secrets as `***`, then the config it came from."""
    lines = [
        entry("Sent to Replicate", "strong"),
        entry(f"{'version':24} ", "dim", (f"{job.model}:{job.version}", "base"),
              copy=f"{job.model}:{job.version}"),
    ]  # fmt: skip
    lines += _settings(job.inputs)
    if job.config:
        lines += [Entry(), entry(f"Config {job.config_path}", "strong", copy=job.config_path)]
        lines += _settings(job.config)
    for number, dataset in enumerate(job.dataloader):
        lines += [Entry(), entry(f"Dataset {dataset.get('id', number)}", "strong")]
        lines += _settings(dataset)
    return lines


def _settings(values: Mapping[str, Any]) -> list[Entry]:
    lines: list[Entry] = []
    for name, value in values.items():
        text = _value_text(value)
        first, *more = text.split("\n")
        copied = f"{name}={text}"
        lines.append(entry(f"{name:24} ", "dim", (plain(first), "base"), copy=copied))
        lines += [entry(" " * 25 + plain(part), "base", copy=copied) for part in more]
    return lines


def _value_text(value: Any) -> str:
    """Returns a value as text; JSON inside a string is indented."""
    if isinstance(value, str):
        if value[:1] in ("{", "["):
            try:
                return json.dumps(json.loads(value), indent=2, ensure_ascii=False)
            except ValueError:
                return value
        return value
    if isinstance(value, dict | list):
        return json.dumps(value, indent=2, ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False)


def flatten(value: Any, name: str = "") -> dict[str, str]:
    """Returns nested settings by dotted names; JSON inside a string is parsed."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            value = json.loads(value)
        except ValueError:
            return {name: value}
    if isinstance(value, dict):
        pairs: Iterable[tuple[Any, Any]] = value.items()
    elif isinstance(value, list):
        pairs = enumerate(value)
    else:
        return {name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}
    flat: dict[str, str] = {}
    for key, part in pairs:
        flat |= flatten(part, f"{name}.{key}" if name else str(key))
    return flat


# -- events and diagnosis ---------------------------------------------------------------------


def event_entries(events: Sequence[EventRecord]) -> list[Entry]:
    """Returns events with time and source, each day under its date."""
    lines: list[Entry] = []
    day = ""
    for event in events:
        date, _, time = formatting.stamp(event.at).partition(" ")
        if date != day:
            day = date
            lines.append(entry(date, "strong"))
        lines.append(
            entry(
                f"{time}  ", "dim", (f"{event.source:8} ", "accent"),
                (f"{event.kind:10} ", "dim"), (plain(event.message), "base"),
                copy=f"{event.at.isoformat()} {event.source} {event.kind} {event.message}",
            )
        )  # fmt: skip
    return lines


AGAIN_WORDS = {
    "no": "The same run would fail again.",
    "maybe": "The same run may go better.",
    "yes": "The same run can go well: r runs it again as it ran, after a question.",
}
"""What the screen says of running a failed job again, by `again` of its diagnosis."""


def diagnosis_entries(job: JobRecord, width: int = 76) -> list[Entry]:
    """Returns the diagnosis: what went wrong, the lines that show it, and what to change."""
    import textwrap

    diagnosis = job.diagnosis
    title = str(diagnosis.get("title") or "The job failed")
    lines = [entry(f"✗ {title}", "bad"), Entry()]
    what = in_app(str(diagnosis.get("what") or job.error or "Replicate gave no reason."))
    lines += [entry(part, "base", copy=what) for part in textwrap.wrap(plain(what), width)]
    evidence = [item for item in diagnosis.get("evidence") or () if isinstance(item, dict)]
    if evidence:
        lines += [Entry(), entry("The log says", "strong", ("   enter goes there", "dim"))]
        lines += [
            Entry((("│ ", "line"), (plain(str(item.get("text", ""))), "warn")),
                  str(item.get("text", "")), item.get("offset"))
            for item in evidence
        ]  # fmt: skip
    advice = [str(item) for item in diagnosis.get("advice") or ()]
    if advice:
        lines += [Entry(), entry("What to do", "strong")]
        for item in advice:
            first, *more = textwrap.wrap(plain(item), width - 2) or [""]
            lines.append(entry(f"• {first}", "base", copy=item))
            lines += [entry(f"  {part}", "base", copy=item) for part in more]
    if again := AGAIN_WORDS.get(str(diagnosis.get("again")), ""):
        lines += [Entry(), entry(again, "dim")]
    changes = changes_of(job)
    if changes:
        lines += [Entry(), entry("Change and run again", "strong", ("   e opens the form", "dim"))]
        for name, value in changes.items():
            draft = job.submit.get("draft") or {}
            before = draft.get(name) if name == "data" else job.config.get(name)
            was = "" if before is None else f"{before} → "
            lines.append(entry(f"  {name} = ", "dim", (f"{was}{value}", "good")))
    return lines


def changes_of(job: JobRecord) -> JsonObject:
    """Returns what the diagnosis changes: options, and `data`, a field of the draft.

    Names that the form lacks are dropped.
    """
    changes = job.diagnosis.get("changes") or {}
    return {n: value for n, value in changes.items() if n == "data" or can_override(n, value)}


def point_to_go_on(job: JobRecord, reader: StoreReader, outputs: Path) -> ResumePoint | None:
    """Returns the checkpoint that a later job can go on from; None where there is none."""
    if not stopped_by_a_limit(job):
        return None
    return resume_point(job, reader.files(job.job_id), outputs)


def draft_again(job: JobRecord, *, changed: bool) -> JsonObject:
    """Returns a draft that runs a job again.

    Args:
        job: the job to run again.
        changed: with what its diagnosis says filled in.
    """
    draft = dict(job.submit.get("draft") or {})
    for name in ("consent", "rerun_of"):  # the form reads the config as it is today
        draft.pop(name, None)
    draft.setdefault("config", job.config_path or job.config_name)
    draft.setdefault("hardware", job.hardware)
    draft.setdefault("delivery", {"kind": job.delivery} if job.delivery else {})
    draft["name"] = draft.get("name") or job.name
    if changed:
        changes = changes_of(job)
        if data := changes.pop("data", None):
            draft["data"] = data
            for name in ("images_url", "accept_data"):  # they belong to the earlier way
                draft.pop(name, None)
        draft["overrides"] = {**as_object(draft.get("overrides")), **changes}
    return draft


def draft_from(job: JobRecord, point: ResumePoint) -> JsonObject:
    """Returns a draft that goes on from a checkpoint of a job, up to the same last step."""
    draft: JsonObject = draft_again(job, changed=False)
    resumed: JsonObject = {"resume_from_checkpoint": point.address}
    if point.total:
        resumed["max_train_steps"] = point.total
    draft["overrides"] = {**as_object(draft.get("overrides")), **resumed}
    return draft


_FIELDS_OF_INPUTS = {
    "max_train_steps": "max_train_steps",
    "hub_model_id": "hub_model_id",
    "images": "data",
    "dataloader_json": "data",
    "hf_token": "delivery",
}
"""The line of the form that an input of the trainer comes from; the rest comes from the config."""


def refused_fields(job: JobRecord) -> dict[str, str]:
    """Returns messages by field of the form, where Replicate refused inputs of the job."""
    messages: dict[str, str] = {}
    for name, words in (job.diagnosis.get("inputs") or {}).items():
        line = "delivery" if name.startswith("s3_") else _FIELDS_OF_INPUTS.get(name, "config")
        messages.setdefault(line, f"{name}: {words}")
    return messages
