"""Every option of a config as the job will have it: found by name, checked, and what was changed.

Pure: the sheet shows it, and `form` puts what is typed into the draft.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from tui.app.keys.choices import in_app
from tui.app.keys.search import fit, words_of
from tui.app.new_job.form import option_changes
from tui.app.terminal.text_lines import plain
from tui.app.widgets.entry_list import Entry, entry
from tui.simpletuner.config.overrides import (
    OVERRIDES,
    effective_options,
    override_text,
    with_options,
)
from tui.simpletuner.config.training_config import TrainingConfig

if TYPE_CHECKING:
    from tui.simpletuner.facts.options import Option

KINDS: Final = {
    "string": "text",
    "int": "whole number",
    "float": "number",
    "bool": "true or false",
    "bool or path": "true, false or a path",
    "tracker list": "trackers, with commas between them",
}
_LONGEST: Final = 60


@dataclass(frozen=True, slots=True)
class OptionRow:
    """An option in one job.

    Attributes:
        name: without dashes.
        value: what the job has, as text; empty where it has none.
        file: what the file says; empty where it says nothing.
        default: the trainer's own value; empty where it has none.
        changed: whether the job has something else than the file.
        kind: what a value is, in words; empty for an option that the trainer does not have.
        choices: values that it can have; empty where any is taken.
        closed: whether the trainer refuses any other than these.
    """

    name: str
    value: str = ""
    file: str = ""
    default: str = ""
    changed: bool = False
    kind: str = ""
    choices: tuple[str, ...] = ()
    closed: bool = False


def option_rows(config: TrainingConfig, draft: Mapping[str, Any]) -> list[OptionRow]:
    """Returns every option: first those that the job changes, then the file's, then all others."""
    from tui.simpletuner.facts.options import SET_BY_JOB, option_facts

    known = option_facts().options
    file, job = config.values, changed_values(config.values, draft)
    names = {*known, *file, *job, *option_changes(draft)} - SET_BY_JOB
    rows = [_row(name, known.get(name), file.get(name), job.get(name)) for name in sorted(names)]
    return sorted(rows, key=lambda row: (not row.changed, not row.file))


def changed_values(values: Mapping[str, Any], draft: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a config's options with the changes of the draft."""
    return effective_options(values, option_changes(draft))


def _row(name: str, option: Option | None, file: Any, job: Any) -> OptionRow:
    row = OptionRow(name, text_of(job), text_of(file), changed=text_of(job) != text_of(file))
    if option is None:
        return replace(row, kind="whole number" if name in OVERRIDES else "")
    choices = tuple(map(str, option.choices or option.known))
    if option.type == "bool":
        choices = ("true", "false")
    closed = bool(option.choices) or option.type == "bool"
    return replace(row, default=text_of(option.default), kind=KINDS.get(option.type, option.type),
                   choices=choices, closed=closed and option.type != "tracker list")  # fmt: skip


def text_of(value: Any) -> str:
    """Returns a value as one types it; empty for none."""
    return "" if value is None else plain(override_text(value))


# -- finding ----------------------------------------------------------------------------------


def matching(rows: Sequence[OptionRow], query: str) -> list[OptionRow]:
    """Returns the options that fit what was typed, the best first; all for an empty text.

    What other trainers call an option finds it as well. A name with a wrong letter finds the
    nearest one.
    """
    wanted = words_of(query.replace("_", " ").replace("-", " "))
    if not wanted:
        return list(rows)
    whole = "_".join(wanted)
    found = []
    for at, row in enumerate(rows):
        label, names = _words(row.name)
        fits = [fit(word, label, names, []) for word in wanted]
        if all(fits):
            best = sum(fits) / len(fits) + row.name.startswith(whole) + 2 * (row.name == whole)
            # What is in use is meant more often than one of the five hundred others.
            found.append((-(best + (1.2 if row.file or row.changed else 0)), at, row))
    if not found:
        from tui.simpletuner.checks.options import nearest

        near = nearest(whole, [row.name for row in rows])
        return [row for row in rows if row.name == near]
    return [row for _, _, row in sorted(found, key=lambda one: one[:2])]


@cache
def _words(name: str) -> tuple[list[str], list[str]]:
    from tui.simpletuner.checks.options import OTHER_TOOLS

    others = [other for other, ours in OTHER_TOOLS.items() if ours == name]
    return name.split("_"), [name, *(word for other in others for word in other.split("_"))]


# -- one option -------------------------------------------------------------------------------


def row_entry(row: OptionRow, width: int) -> Entry:
    """Returns the line of an option: name, value, and what the file or the trainer says."""
    name = plain(row.name).ljust(min(34, max(20, width // 2 - 6)))
    if row.changed:
        value = row.value or "left out"
        note = f"the file: {row.file}" if row.file else "not in the file"
        return entry("* ", "accent", (f"{name} ", "strong"), (_short(value), "strong"),
                     (f"   {_short(note)}", "dim"), copy=row.name)  # fmt: skip
    if row.value:
        return entry("  ", "dim", (f"{name} ", "base"), (_short(row.value), "base"), copy=row.name)
    shown = _short(row.default) or "none"
    return entry("  ", "dim", (f"{name} {shown}", "dim"), ("   by default", "dim"), copy=row.name)


def about(row: OptionRow) -> tuple[str, str]:
    """Returns two lines about an option: what a value is, and the values that it can have."""
    parts = [row.kind or "no option of the trainer that is known here"]
    parts.append(f"in the file {_short(row.file)}" if row.file else "not in the file")
    parts.append(f"the trainer's default {_short(row.default)}" if row.default else "no default")
    return f"{row.name}: {' · '.join(parts)}", ", ".join(row.choices)


def judge(name: str, text: str, release: str | None = None) -> tuple[str, str]:
    """Returns level and words of what the trainer makes of a typed value; empty for no finding.

    The rules are those of the check of a whole config.
    """
    from tui.simpletuner.checks.options import value_checks
    from tui.simpletuner.config.overrides import parse_override

    if not text.strip():
        return "", ""
    try:
        value = parse_override(name, text)
    except ValueError as error:
        return "error", in_app(f"{name} {error}.")
    worst = ("", "")
    for _, level, message, advice, *_ in value_checks(name, value, release):
        if level == "error" or (level == "warn" and not worst[0]):
            worst = (level, in_app(f"{message}. {advice}"))
        if level == "error":
            break
    return worst


# -- the sum of changes -----------------------------------------------------------------------


def change_entries(config: TrainingConfig, draft: Mapping[str, Any]) -> list[Entry]:
    """Returns how the job's config differs from the file, as a diff; of the datasets as well."""
    changed = with_options(config, option_changes(draft))
    lines = [entry(f"  {plain(str(config.path))}", "dim"), Entry()]
    found = _differences(config.values, changed.values)
    for before, after in zip(config.datasets, changed.datasets, strict=True):
        found += _differences(before.raw, after.raw, f"dataset {before.id}: ")
    for label, old, new in found:
        lines += [entry(f"- {label} = {plain(old)}", "bad")] if old else []
        lines += [entry(f"+ {label} = {plain(new)}", "good")] if new else []
    return lines if found else [*lines, entry("  The job has what the file says.", "dim")]


def _differences(
    before: Mapping[str, Any], after: Mapping[str, Any], place: str = ""
) -> list[tuple[str, str, str]]:
    names = sorted({*before, *after})
    return [
        (f"{place}{plain(name)}", _json(before.get(name)), _json(after.get(name)))
        for name in names
        if _json(before.get(name)) != _json(after.get(name))
    ]


def _json(value: Any) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False, default=str)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
