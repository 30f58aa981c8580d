"""Diagnosis of a failed job: the cause, the log lines that show it, and settings to try next."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tui.simpletuner.checks.diagnosis_rules import RULES, UNKNOWN, DiagnosisKind, Rule
from tui.simpletuner.log.classify import LineKind, classify_line
from tui.simpletuner.log.grammar import STAGE_KEYS, TrainingBar, stage_parts, training_bar
from tui.simpletuner.log.text import safe_text

# Limits: characters of a line that are matched and shown, lines of evidence, bytes of the log.
_LINE_LIMIT: Final = 2000
_SHOWN: Final = 300
_EVIDENCE: Final = 4
TAIL_BYTES: Final = 1 << 18
_BREAK: Final = re.compile(rb"[\r\n]")
# A run shortened to the steps that fitted needs a margin for its final validation and upload.
_SAFE_SHARE: Final = 0.9


@dataclass(frozen=True, slots=True)
class LineRef:
    """A line of the log.

    Attributes:
        offset: bytes from the start of the log.
        text: the line, safe for the terminal, at most 300 characters.
    """

    offset: int
    text: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The cause of a failure and what the user can do.

    Attributes:
        kind: the cause.
        title: a few words, for a table.
        what: one or two sentences.
        evidence: the lines that show the cause, in order; empty when only the error text does.
        error: the error text of the prediction, safe for the terminal; may be empty.
        advice: what the user can do, most useful first.
        changes: options (plain names) to try in the next run; may be empty.
    """

    kind: DiagnosisKind
    title: str
    what: str
    evidence: tuple[LineRef, ...]
    error: str
    advice: tuple[str, ...]
    changes: dict[str, Any]


def diagnose(
    log_tail: bytes | str,
    error: str | None = None,
    *,
    offset: int = 0,
    config: Mapping[str, Any] | None = None,
) -> Diagnosis:
    """Find the cause of a failure. It never raises.

    Args:
        log_tail: the end of the log; only the last 256 KiB are read.
        error: the `error` of the prediction.
        offset: where `log_tail` begins in the log, in bytes.
        config: the training options that were sent (plain names).
    """
    data = log_tail.encode("utf-8", "replace") if isinstance(log_tail, str) else log_tail
    if len(data) > TAIL_BYTES:
        offset += len(data) - TAIL_BYTES
        data = data[-TAIL_BYTES:]
    lines = _lines(data, offset)
    error_text = safe_text((error or "").strip())[:_LINE_LIMIT]
    rule, hits = _cause(lines, error_text)
    settings = config or {}
    bar = _last_bar(lines)
    evidence = tuple(hits[-_EVIDENCE:]) or _errors(lines)
    what = rule.what
    if rule.kind is DiagnosisKind.OUT_OF_MEMORY and bar is not None:
        what = f"The GPU ran out of memory after step {bar.step} of {bar.total}."
    return Diagnosis(
        kind=rule.kind,
        title=_title(rule, bar),
        what=what,
        evidence=tuple(LineRef(line.offset, line.text[:_SHOWN]) for line in evidence),
        error=error_text,
        advice=rule.advice,
        changes=_changes(rule.kind, settings, bar, _last_stage(lines)),
    )


def _lines(data: bytes, offset: int) -> list[LineRef]:
    lines: list[LineRef] = []
    start = 0
    for line_break in [*_BREAK.finditer(data), None]:
        end = line_break.start() if line_break else len(data)
        if end > start:
            text = safe_text(data[start : min(end, start + _LINE_LIMIT)].decode("utf-8", "replace"))
            if text.strip():
                lines.append(LineRef(offset + start, text))
        start = end + 1
    return lines


def _cause(lines: list[LineRef], error: str) -> tuple[Rule, list[LineRef]]:
    """The rule that matches, and its lines.

    A match in the error text wins; then the last line with a strong sign, then with a weak one.
    """
    for strong in (True, False):
        by_log: tuple[int, Rule, list[LineRef]] | None = None
        for rule in RULES:
            if rule.strong is not strong or rule.pattern is None:
                continue
            hits = [line for line in lines if rule.pattern.search(line.text)]
            if rule.pattern.search(error) or (
                rule.error_pattern is not None and rule.error_pattern.search(error)
            ):
                return rule, hits
            if hits and (by_log is None or hits[-1].offset > by_log[0]):
                by_log = (hits[-1].offset, rule, hits)
        if by_log is not None:
            return by_log[1], by_log[2]
    return UNKNOWN, []


def _errors(lines: list[LineRef]) -> tuple[LineRef, ...]:
    """The last lines that look like errors; without any, the last lines."""
    bad = [line for line in lines if classify_line(line.text) is LineKind.ERROR]
    plain = [line for line in lines if classify_line(line.text) is not LineKind.BAR]
    return tuple((bad or plain)[-_EVIDENCE:])


def _last_bar(lines: list[LineRef]) -> TrainingBar | None:
    for line in reversed(lines):
        if "Epoch " in line.text:
            bar = training_bar(line.text.encode())
            if bar is not None:
                return bar
    return None


def _last_stage(lines: list[LineRef]) -> str:
    for line in reversed(lines):
        _, tag, text = line.text.partition("[STAGE] ")
        if tag:
            return STAGE_KEYS.get(stage_parts(text.partition(" ")[2])[0], "")
    return ""


def _title(rule: Rule, bar: TrainingBar | None) -> str:
    if rule.kind in {DiagnosisKind.OUT_OF_MEMORY, DiagnosisKind.TIME_LIMIT} and bar is not None:
        return f"{rule.title} at step {bar.step}"
    return rule.title


def _changes(
    kind: DiagnosisKind, config: Mapping[str, Any], bar: TrainingBar | None, stage: str
) -> dict[str, Any]:
    """Options that make the next run more likely to succeed."""
    if kind is DiagnosisKind.OUT_OF_MEMORY:
        return _smaller(config, stage)
    if kind is DiagnosisKind.TIME_LIMIT and bar is not None:
        return _shorter(config, bar)
    if kind is DiagnosisKind.DISK_FULL:
        limit = _whole(config.get("checkpoints_total_limit"))
        return {"checkpoints_total_limit": 1 if limit is None or limit < 4 else limit // 2}
    return {}


def _smaller(config: Mapping[str, Any], stage: str) -> dict[str, Any]:
    if stage == "init_vae_cache" and _whole(config.get("vae_batch_size")) != 1:
        return {"vae_batch_size": 1}
    changes: dict[str, Any] = {}
    batch = _whole(config.get("train_batch_size"))
    if batch is None:
        changes["train_batch_size"] = 1
    elif batch > 1:
        accumulation = _whole(config.get("gradient_accumulation_steps")) or 1
        changes["train_batch_size"] = batch // 2
        changes["gradient_accumulation_steps"] = accumulation * 2
    if not _true(config.get("gradient_checkpointing")):
        changes["gradient_checkpointing"] = True
    if not changes and str(config.get("base_model_precision", "no_change")) == "no_change":
        changes["base_model_precision"] = "int8-quanto"
    if not changes and (_whole(config.get("vae_batch_size")) or 1) > 1:
        changes["vae_batch_size"] = 1
    return changes


def _shorter(config: Mapping[str, Any], bar: TrainingBar) -> dict[str, Any]:
    """Options for a run of as many steps as fitted this time, less a margin."""
    steps = int(bar.step * _SAFE_SHARE)
    if steps >= 100:
        steps -= steps % 10
    if steps < 1:
        return {}
    changes: dict[str, Any] = {"max_train_steps": steps}
    if _whole(config.get("num_train_epochs")):
        changes["num_train_epochs"] = 0
    interval = _whole(config.get("checkpoint_step_interval"))
    if interval is None or interval > steps:
        changes["checkpoint_step_interval"] = max(1, steps // 4)
    return changes


def _whole(value: Any) -> int | None:
    """A positive whole number, also as text; None for anything else."""
    try:
        number = int(str(value)[:20])
    except ValueError:
        return None
    return number if number > 0 else None


def _true(value: Any) -> bool:
    return str(value).strip().lower() in {"true", "1", "yes"}
