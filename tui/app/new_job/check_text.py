"""The answer of a check as text: for the checks pane, the consent and the dry run."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from tui.app.keys.choices import in_app
from tui.app.terminal.text_lines import plain
from tui.app.widgets.entry_list import Entry, entry
from tui.base import formatting
from tui.base.errors import ApiError
from tui.simpletuner.checks.leaving_words import leaving_words
from tui.simpletuner.checks.past_error import past_error_words
from tui.simpletuner.config.overrides import override_text

if TYPE_CHECKING:
    from tui.api.check_report import CostEstimate

Answer = Mapping[str, Any]
GLYPHS: Final = {
    "ok": ("✓ ", "good"),
    "warn": ("! ", "warn"),
    "error": ("✗ ", "bad"),
    "asking": ("… ", "dim"),
}


def check_entries(answer: Answer, width: int, *, estimate: bool = True) -> list[Entry]:
    """Returns every finding with its advice, errors first, then the estimate where it is wanted."""
    lines: list[Entry] = []
    for check in answer.get("checks") or ():
        glyph, tone = GLYPHS.get(str(check.get("level")), GLYPHS["warn"])
        message, advice = str(check.get("message")), str(check.get("advice") or "")
        words = formatting.finding(message, str(check.get("release") or ""))
        if check.get("level") == "ok":
            advice = ""
        lines += _told((glyph, tone), words, advice, width, copy=message)
        if changes := change_words(check, answer):
            lines += [
                entry(f"  {part}", "accent", copy=message)
                for part in textwrap.wrap(f"f changes {plain(changes)}", width - 2)
            ]
    if estimate and answer.get("estimate"):
        for number, part in enumerate(textwrap.wrap(estimate_words(answer), width - 2)):
            lines.append(entry("  " if number else "≈ ", "accent", (part, "base")))
        for part in textwrap.wrap(basis_words(answer), width - 2):
            lines.append(entry("  ", "dim", (part, "dim")))
    return lines


def problem_entries(problem: ApiError, width: int) -> list[Entry]:
    """Returns why a check gave no findings, with the advice."""
    return _told(GLYPHS["error"], problem.message, problem.advice, width, copy=problem.message)


def _told(sign: tuple[str, str], words: str, advice: str, width: int, *, copy: str) -> list[Entry]:
    """Returns words behind a sign and their advice below, both wrapped."""
    glyph, tone = sign
    words, told = plain(in_app(words)), plain(in_app(advice))
    lines = [
        entry("  " if number else glyph, tone, (part, "base"), copy=copy)
        for number, part in enumerate(textwrap.wrap(words, width - 2) or [""])
    ]
    return lines + [
        entry(f"  {part}", "dim", copy=advice) for part in textwrap.wrap(told, width - 2)
    ]


def finding_of(line: Entry | None, answer: Answer | None) -> Answer | None:
    """Returns the finding that a line of `check_entries` belongs to."""
    if line is None or not line.copy:
        return None
    checks = (answer or {}).get("checks") or ()
    return next((c for c in checks if line.copy in (c.get("message"), c.get("advice"))), None)


def change_words(check: Answer, answer: Answer | None) -> str:
    """Returns what a finding's changes do to the options, `name: before → after`."""
    if check.get("level") == "ok":
        return ""
    config = (answer or {}).get("config") or {}
    parts = []
    for name, value in (check.get("changes") or {}).items():
        before = f"{override_text(config[name])} → " if config.get(name) is not None else ""
        after = "removed" if value is None else override_text(value)
        parts.append(f"{name}: {before}{after}")
    return ", ".join(parts)


def basis_words(answer: Answer) -> str:
    """Returns what the estimate rests on, how good past ones were, and the usual wait."""
    guess = answer.get("estimate") or {}
    wait = guess.get("queue")
    words = f"from {guess['basis']}" if guess.get("measured_runs") else ""
    parts = [words] if words else []
    if guess.get("error"):
        parts += filter(None, [past_error_words(cast("CostEstimate", guess))])
    if wait:
        parts.append(f"queue usually {formatting.duration(wait['seconds'])}")
    return "; ".join(parts)


def estimate_words(answer: Answer) -> str:
    """Returns the estimate: `about 1 h 04 m (40 m to 1 h 30 m), $3.70 ($2.30 to $5.20)`."""
    guess = answer.get("estimate") or {}
    if guess.get("steps") == 0:
        least = "" if is_free(answer) else f", {formatting.money(guess.get('micros'))}"
        counted = f"{formatting.duration(guess.get('seconds'))}{least}"
        return f"no estimate: the steps depend on data that is not known here; counted as {counted}"
    time = formatting.duration(guess.get("seconds"))
    low, high = (formatting.duration(guess.get(f"{end}_seconds")) for end in ("low", "high"))
    if is_free(answer):
        if guess.get("measured_runs"):  # at the sandbox's own speed
            return f"about {time} ({low} to {high}) in the sandbox, and free"
        return f"on Replicate about {time} ({low} to {high}); the sandbox is faster, and free"
    money = formatting.money(guess.get("micros"))
    least, most = (formatting.money(guess.get(f"{end}_micros")) for end in ("low", "high"))
    return f"about {time} ({low} to {high}), {money} ({least} to {most})"


def limit_words(answer: Answer) -> list[str]:
    """Returns when Replicate ends the job at the latest, and the cost by then."""
    seconds, ceiling = answer.get("cancel_after"), answer.get("cost_ceiling_micros")
    if not seconds:
        return []
    most = f", never more than {formatting.money(ceiling)}" if ceiling else ""
    return [f"Replicate ends it after {formatting.duration(seconds)}{most}."]


def stays_here(answer: Answer) -> bool:
    """Returns whether nothing leaves this machine: the other side is a sandbox."""
    return bool((answer.get("leaves") or {}).get("stays_here"))


def is_free(answer: Answer) -> bool:
    """Returns whether nothing is charged: the API is a sandbox, wherever the data go."""
    return bool((answer.get("estimate") or {}).get("free"))


def price(answer: Answer | None) -> str:
    """Returns the price on the submit key; empty in the sandbox and before it is known."""
    if answer is None or is_free(answer):
        return ""
    guess = answer.get("estimate") or {}
    if guess.get("steps") == 0:
        return "price not known"
    return formatting.money(guess["micros"]) if guess.get("micros") else ""


def leaves_words(answer: Answer) -> tuple[str, str]:
    """Returns a heading, and what leaves the machine."""
    return leaving_words(answer["leaves"])


def staged_words(answer: Answer) -> list[str]:
    """Returns what a consent adds for staged data: what is still to be sent, and the token."""
    leaves = answer.get("leaves") or {}
    if not leaves.get("until"):
        return []
    missing = int(leaves.get("missing_bytes") or 0)
    size, total = formatting.size(missing), int(leaves.get("bytes") or 0)
    left = "It is there already" if not missing else f"{size} of it are sent now"
    if missing >= total > 0:
        left = "All of it is sent now"
    token = str(leaves.get("token") or "")
    # Nothing is sent to a sandbox that reads the copy on this machine.
    lines = [] if stays_here(answer) else [f"{left}."]
    return [*lines, *([f"{token[:1].upper()}{token[1:]}."] if token else [])]


def skipped_words(answer: Answer) -> str:
    """Returns in one line which files are not sent and why; empty for none."""
    skipped = (answer.get("leaves") or {}).get("skipped") or []
    if not skipped:
        return ""
    reasons: dict[str, int] = {}
    for item in skipped:
        reason = str(item.get("reason"))
        reasons[reason] = reasons.get(reason, 0) + 1
    words = ", ".join(
        f"{formatting.plural(count, 'file')}: {why}" for why, count in reasons.items()
    )
    return f"Skipped: {words}"


def weights_words(answer: Answer) -> str:
    """Returns which weights leave the trainer; empty when the check does not tell."""
    line = str((answer.get("weights") or {}).get("line") or "")
    return f"{line[:1].upper()}{line[1:]}." if line else ""


def request_entries(answer: Answer, width: int) -> list[Entry]:
    """Returns the exact request in full, indented and wrapped, secrets as `***`."""
    request = answer.get("request") or {}
    given = request.get("input") or {}
    model, _, version = str(request.get("version") or "").rpartition(":")
    lines = [
        entry("POST /v1/predictions", "strong", (f"   {model}", "dim")),
        entry("Authorization: Bearer ***", "base"),
        entry("Content-Type: application/json", "base"),
    ]
    if seconds := answer.get("cancel_after"):
        lines.append(entry(f"Cancel-After: {seconds}s", "base"))
    body = {"version": version or None, "input": given}
    lines += [Entry(), *_json_entries(body, width)]
    about = "With a public URL, the body holds the address of this job's webhook too: it is a key."
    lines += [entry(part, "dim") for part in textwrap.wrap(about, width)]
    for name, what in (("config_json", "config"), ("dataloader_json", "dataloader")):
        if (inner := _as_json(given.get(name))) is not None:
            heading = f"The {what}, as the trainer reads it"
            lines += [Entry(), entry(heading, "strong"), *_json_entries(inner, width)]
    dropped = request.get("dropped") or ()
    if dropped:
        lines += [Entry(), entry("Not sent", "strong")]
        lines += [entry(f"  {plain(str(name))}", "dim") for name in dropped]
    return lines


def _as_json(text: Any) -> Any:
    """Returns the JSON inside a text; None where it is not plain JSON."""
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return None


def _json_entries(value: Any, width: int) -> list[Entry]:
    """Returns JSON as lines; a long one goes on below, indented as it is."""
    lines = []
    for line in json.dumps(value, indent=2, ensure_ascii=False).split("\n"):
        text = plain(line)
        indent = " " * (len(text) - len(text.lstrip()) + 2)
        lines.append(entry(text[:width], "base"))
        rest, room = text[width:], max(10, width - len(indent))
        lines += [entry(f"{indent}{rest[at : at + room]}", "base")
                  for at in range(0, len(rest), room)]  # fmt: skip
    return lines


def dry_run_entries(answer: Answer, width: int) -> list[Entry]:
    """Returns all of a check: findings, datasets, what leaves, what is skipped."""
    lines = [entry("Findings", "strong"), *check_entries(answer, width)]
    lines += [Entry(), entry("Datasets", "strong")]
    for dataset in answer.get("datasets") or ():
        images = formatting.plural(int(dataset.get("images") or 0), "image")
        captions = formatting.plural(int(dataset.get("captions") or 0), "caption")
        words = "" if dataset.get("kind") == "cache" else f"{images}, {captions}"
        path = dataset.get("path") or ""
        lines.append(
            entry(f"  {plain(str(dataset.get('id')))}", "base",
                  (f"  {dataset.get('kind')}  {words}  {plain(str(path))}", "dim"))
        )  # fmt: skip
        lines += _bucket_entries(dataset)
        lines += [
            entry(f"    ! {plain(_problem(problem))}", "warn")
            for problem in dataset.get("problems") or ()
        ]
    heading, what = leaves_words(answer)
    lines += [Entry(), entry(heading, "strong"), entry(f"  {what}", "base")]
    lines += [entry(f"  {words}", "base") for words in staged_words(answer)]
    skipped = (answer.get("leaves") or {}).get("skipped") or []
    if skipped:
        lines += [Entry(), entry("Stays behind", "strong")]
        lines += [
            entry(f"  {plain(str(item.get('path')))}", "base", (f"  {item.get('reason')}", "dim"))
            for item in skipped
        ]
    return lines


def _bucket_entries(dataset: Mapping[str, Any]) -> list[Entry]:
    """Returns every aspect bucket of a dataset, marked where it does not fill a step."""
    need, repeats = int(dataset.get("samples_per_step") or 1), int(dataset.get("repeats") or 0)
    lines = []
    for bucket in dataset.get("buckets") or ():
        count = int(bucket["images"])
        fills = count * (repeats + 1) >= need
        size = f"{bucket['width']}×{bucket['height']}"
        words = f"aspect {bucket['aspect']}  {size}  {formatting.plural(count, 'image')}"
        short = "" if fills else f", and a step takes {need}"
        lines.append(entry("    " if fills else "    ! ", "base" if fills else "warn",
                           (f"{words}{short}", "dim" if fills else "base")))  # fmt: skip
    return lines


def _problem(problem: Any) -> str:
    if isinstance(problem, Mapping):
        return in_app(str(problem.get("message") or problem))
    return in_app(str(problem))
