"""Diagnosis of a failed job: the cause, the log lines that show it, and settings to try next."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from tui.simpletuner.config.values import OptionValue
from tui.simpletuner.failures.reading import Block, Chain, Level, LogLine, Reading, read_log
from tui.simpletuner.failures.rule import Advice, Again, DiagnosisKind, Failure, Rule, Tier
from tui.simpletuner.failures.rules import RULES, UNKNOWN
from tui.simpletuner.log.grammar import TrainingBar
from tui.simpletuner.log.text import safe_text

# Limits: characters of a line that are shown, of the error text; lines of evidence; different
# lines of a level that are compared with all rules.
_SHOWN: Final = 300
_ERROR_LIMIT: Final = 2000
_EVIDENCE: Final = 4
_COMPARED: Final = 200
TAIL_BYTES: Final = 1 << 18
_BY_TIER: Final = {tier: tuple(rule for rule in RULES if rule.tier is tier) for tier in Tier}
_LASTING: Final = tuple(rule for rule in RULES if rule.lasting)
_OF_ID: Final = {rule.id: rule for rule in RULES}
_NOTHING_NEW: Final = "What usually helps is set already; the lines below say more."


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
        kind: the kind of the cause.
        rule: the cause itself, a short name; `unknown` when none is known.
        title: a few words, for a table.
        what: one or two sentences.
        evidence: the lines that show the cause, in order; empty when only the error text does.
        error: the error text of the prediction, safe for the terminal; may be empty.
        advice: what the user can do, most useful first. The first item is the one of `changes`.
        changes: options (plain names) to try in the next run; may be empty.
        again: whether the same request, unchanged, can succeed.
    """

    kind: DiagnosisKind
    rule: str
    title: str
    what: str
    evidence: tuple[LineRef, ...]
    error: str
    advice: tuple[str, ...]
    changes: dict[str, OptionValue]
    again: Again


@dataclass(frozen=True, slots=True)
class _Hit:
    rule: Rule
    match: re.Match[str]
    line: LogLine | None
    reading: Reading | None


def diagnose(
    log_tail: bytes | str,
    error: str | None = None,
    *,
    offset: int = 0,
    config: Mapping[str, Any] | None = None,
    gpus: int | None = None,
) -> Diagnosis:
    """Find the cause of a failure. It never raises.

    Args:
        log_tail: the end of the log; only the last 256 KiB are read.
        error: the `error` of the prediction.
        offset: where `log_tail` begins in the log, in bytes.
        config: the training options that were sent (plain names).
        gpus: GPUs of the hardware; None when unknown.
    """
    data = log_tail.encode("utf-8", "replace") if isinstance(log_tail, str) else log_tail
    if len(data) > TAIL_BYTES:
        offset += len(data) - TAIL_BYTES
        data = data[-TAIL_BYTES:]
    reading = read_log(data, offset)
    error_text = safe_text((error or "").strip())[:_ERROR_LIMIT]
    hit = next(_hits(reading, error_text), None)
    rule = hit.rule if hit else UNKNOWN
    if (
        rule.kind is DiagnosisKind.OUT_OF_MEMORY
        and reading.stage == "init_vae_cache"
        and reading.bar is None
    ):
        rule = _OF_ID["cache-out-of-memory"]
    text = hit.reading.following(hit.line) if hit and hit.reading and hit.line else error_text
    failure = Failure(config or {}, hit.match if hit else None, text, reading.bar, gpus)
    evidence = _shown_by(hit, reading) if hit else _last_words(reading)
    advice, changes = _advice(rule, failure)
    return Diagnosis(
        kind=rule.kind,
        rule=rule.id,
        title=_title(rule, reading.bar),
        what=_what(rule, failure),
        evidence=tuple(LineRef(line.offset, line.text[:_SHOWN]) for line in evidence),
        error=error_text,
        advice=advice,
        changes=changes,
        again=rule.again,
    )


# -- the cause --------------------------------------------------------------------------------


def _hits(reading: Reading, error: str) -> Iterator[_Hit]:
    """The rules that match, the best first.

    Replicate's own words in the error come first, then causes in the last tracebacks (the
    innermost exception of the earliest), the error text and error lines, then causes that are often
    a symptom only, then other lines, and what follows from another error. What a run survives, and
    what only wraps an error, counts where no exception is left unexplained.
    """
    causes, generic = _BY_TIER[Tier.CAUSE], _BY_TIER[Tier.GENERIC]
    consequences, notices = _BY_TIER[Tier.CONSEQUENCE], _BY_TIER[Tier.NOTICE]
    wrappers = _BY_TIER[Tier.WRAPPER]
    yield from _in_error(tuple(rule for rule in RULES if rule.platform), error)
    parts = [reading] + ([reading.tail] if reading.tail else [])
    aside: list[tuple[Reading, Chain]] = []
    unknown = False
    for part in parts:
        last = [chain for chain in part.chains if chain[0][0].offset >= part.moved]
        noted = [chain for chain in last if _is_noted(part, chain)]
        aside += [(part, chain) for chain in noted]
        chains = [chain for chain in last if chain not in noted]
        unknown = unknown or any(part is reading and not chain[0][0].wraps for chain in chains)
        for rules in (causes, generic):
            yield from _in_chains(rules, part, chains)
            yield from _in_error(rules, error)
            yield from _in_lines(rules, part, Level.ERROR)
        yield from _in_lines(causes, part, Level.TEXT)
        yield from _in_lines(_LASTING, part, Level.ERROR, old=True)
    for part, chain in aside:
        yield from _in_chains((*causes, *generic), part, [chain])
    for part in parts:
        yield from _in_lines(causes, part, Level.WARNING)
    for part in parts:
        yield from _in_chains(consequences, part, part.chains)
    yield from _in_error(consequences, error)
    for part in parts:
        for level in (Level.ERROR, Level.TEXT, Level.WARNING):
            yield from _in_lines(consequences, part, level)
        yield from _in_lines(generic, part, Level.TEXT)
    for part in parts:
        yield from _in_lines(causes, part, Level.INFO)
    if unknown:
        return
    for rules in (notices, wrappers):
        for part in parts:
            yield from _in_chains(rules, part, part.chains)
        yield from _in_error(rules, error)
        for part in parts:
            for level in (Level.ERROR, Level.TEXT, Level.WARNING, Level.INFO):
                yield from _in_lines(rules, part, level, old=True)


def _in_error(rules: Sequence[Rule], error: str) -> Iterator[_Hit]:
    if not error:
        return
    for rule in rules:
        for pattern in (rule.pattern, rule.error_pattern):
            match = pattern.search(error) if pattern else None
            if match is not None:
                yield _Hit(rule, match, None, None)


def _in_chains(rules: Sequence[Rule], part: Reading, chains: Iterable[Chain]) -> Iterator[_Hit]:
    for chain in chains:
        for block in chain:
            yield from _in_block(rules, part, block)


def _in_block(rules: Sequence[Rule], part: Reading, block: Block) -> Iterator[_Hit]:
    for rule in rules:
        for line in block:
            match = rule.pattern.search(line.bare) if rule.pattern else None
            if match is not None:
                yield _Hit(rule, match, line, part)


def _in_lines(
    rules: Sequence[Rule], part: Reading, level: Level, *, old: bool = False
) -> Iterator[_Hit]:
    """Matches in lines of a level, the newest line first.

    Args:
        rules: the rules to try.
        part: the log.
        level: the level.
        old: also lines that training steps follow.
    """
    lines = (line for line in part.of_level(level) if (old or line.offset >= part.moved))
    distinct: dict[str, LogLine] = {}
    for line in islice(lines, _COMPARED * 10):
        distinct.setdefault(line.bare, line)
        if len(distinct) >= _COMPARED:
            break
    goes_on = rules is not _BY_TIER[Tier.NOTICE] and rules is not _LASTING
    for line in distinct.values():
        if goes_on and _noted(line):
            continue
        yield from _in_block(rules, part, [line])


def _noted(line: LogLine) -> bool:
    """Whether the line reports what a run survives."""
    return any(
        rule.pattern is not None and rule.pattern.search(line.bare) is not None
        for rule in _BY_TIER[Tier.NOTICE]
    )


def _is_noted(part: Reading, chain: Chain) -> bool:
    """Whether a traceback belongs to a line that reports what a run survives."""
    number = chain[0][0].number
    for line in reversed(part.lines[max(0, number - 60) : number]):
        if line.level in (Level.ERROR, Level.WARNING) and line.rank == chain[0][0].rank:
            return _noted(line)
    return False


def _shown_by(hit: _Hit, reading: Reading) -> list[LogLine]:
    """The lines that a rule matches, the last of them the line that decided."""
    pattern = hit.rule.pattern
    if pattern is None:
        return []
    part = hit.reading or reading
    end = hit.line.number + 1 if hit.line else len(part.lines)
    lines = [
        line
        for line in part.lines[max(0, end - _COMPARED * 10) : end]
        if line.level is not Level.SILENT and pattern.search(line.bare)
    ]
    if hit.line is not None and hit.line not in lines:
        lines.append(hit.line)
    return lines[-_EVIDENCE:]


def _last_words(reading: Reading) -> list[LogLine]:
    """The last lines that mean something, for a failure without a known cause."""
    chains = [chain for part in (reading, reading.tail) if part for chain in part.chains]
    for chain in reversed(chains):
        named = [block[0] for block in chain if not block[0].wraps]
        if named:
            return named[:_EVIDENCE]
    for level in (Level.ERROR, Level.TEXT, Level.INFO):
        lines = [line for line in reading.of_level(level) if not line.wraps]
        if lines:
            return lines[:_EVIDENCE][::-1]
    return reading.lines[-_EVIDENCE:]


# -- texts and advice -------------------------------------------------------------------------


def _advice(rule: Rule, failure: Failure) -> tuple[tuple[str, ...], dict[str, OptionValue]]:
    """The advice that applies, and the options that its first item sets.

    Advice whose options are all set already is left out.
    """
    texts: list[str] = []
    chosen: dict[str, OptionValue] = {}
    for item in rule.advice:
        if not isinstance(item, Advice):
            texts.append(item)
            continue
        changes = item.changes(failure)
        if not changes:
            continue
        if chosen:
            texts.append(item.text)
        else:
            chosen = changes
            texts.insert(0, item.text)
    return tuple(texts) or (_NOTHING_NEW,), chosen


def _what(rule: Rule, failure: Failure) -> str:
    bar = failure.bar
    if rule.id == "out-of-memory" and bar is not None:
        return f"The GPU ran out of memory after step {bar.step} of {bar.total}."
    if rule.id == "loss-not-finite":
        return _diverged(failure)
    text = rule.what
    groups = failure.match.groups() if failure.match else ()
    values = [value for value in groups if value]
    for number in (1, 2):
        value = values[number - 1].strip()[:120] if len(values) >= number else "it"
        text = text.replace(f"{{{number}}}", value)
    return text


_LOSS: Final = re.compile(r"\bloss(?:=|: ?)([-+]?(?:nan|inf(?:inity)?))", re.IGNORECASE)
_AT_STEP: Final = re.compile(r"\bat step (\d+)")
_SUFFIX: Final = r"\.(?:png|jpe?g|webp|bmp|gif|tiff?|avif|jxl|mp4|mov|webm|wav|flac|mp3)"
_SAMPLE: Final = re.compile(
    rf"'([^']+{_SUFFIX})'|\"([^\"]+{_SUFFIX})\"|([^\s'\"\[\](),=]+{_SUFFIX})\b", re.IGNORECASE
)
"""A path that the trainer prints for a sample of the batch."""


def _diverged(failure: Failure) -> str:
    """Where the loss was lost, and with which samples, as far as the trainer printed it."""
    loss, at, bar = _LOSS.search(failure.text), _AT_STEP.search(failure.text), failure.bar
    kind = loss[1].lower().lstrip("+-") if loss else ""
    became = {"nan": "is not a number", "": "is infinite or not a number"}.get(kind, "is infinite")
    if at:
        where = f"at step {int(at[1]):,}"
    elif bar is not None and bar.step is not None:
        where = f"in the step after {bar.step:,} of {bar.total:,}"
    else:
        where = "in the first step"
    samples = list(dict.fromkeys("".join(groups) for groups in _SAMPLE.findall(failure.text)))
    words = f"The loss {became} {where}, and the trainer ended the run."
    if samples:
        more = f" and {len(samples) - _EVIDENCE} more" if len(samples) > _EVIDENCE else ""
        words += f" The batch held {', '.join(samples[:_EVIDENCE])}{more}."
    return words


def _title(rule: Rule, bar: TrainingBar | None) -> str:
    timed = rule.id in {"out-of-memory", "gpu-allocation", "time-limit"}
    return f"{rule.title} at step {bar.step}" if timed and bar is not None else rule.title
