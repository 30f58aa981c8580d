"""The filter line of the Jobs list: `flux state:failed cost>2`.

A word without an operator is searched for in name, config, family and ids. `key:value` and
`key>number` narrow further; all terms must match, of terms with `OR` between them one. `-` before
a term is what does not match it: `flux state:failed OR state:cancelled -tag:face` are those jobs
of flux that failed or were cancelled, and have no such tag. `account:alice` is that account alone,
and no other whose name begins like it; likewise `tag:face`. `has:note`, `has:tag` and `has:pin` are
jobs about which something was written, `sweep:cats` those of that sweep. `age<2h` and `since:7d`
look at when a job was made, `has:warning` at runs that need somebody, `config.lora_rank>16` at any
option of the config.

A term whose value is still missing matches every job, so that typing shows no error. A field or
value that does not exist is a `problem`; a word in quotes is searched for as text, colons and all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from tui.base.similar import did_you_mean
from tui.store.config_filter import PREFIX, ConfigTermError, config_term

_TERM = re.compile(
    r"^(?P<key>[a-z]+|config\.[\w-]*)(?P<sign>[:<>=]{1,2})(?P<value>.*)$", re.IGNORECASE
)
_OR: Final = "OR"
_TEXT_KEYS: Final = {
    "state": "status", "status": "status", "model": "model_family", "family": "model_family",
    "flavour": "model_flavour", "hw": "hardware", "hardware": "hardware", "name": "name",
    "config": "config_name", "id": "job_id", "delivery": "delivery", "error": "error",
}  # fmt: skip
_ACCOUNT: Final = "COALESCE(json_extract(submit, '$.account'), '')"
"""The account that a job began with; empty where it is not known."""
_TAGGED: Final = (
    "job_id IN (SELECT annotations.job_id FROM annotations, json_each(annotations.tags) "
    "WHERE json_each.value = ? COLLATE NOCASE)"
)
_SWEPT: Final = (
    "job_id IN (SELECT sweep_members.job_id FROM sweep_members WHERE sweep = ? COLLATE NOCASE)"
)
_WRITTEN: Final = "job_id IN (SELECT job_id FROM annotations WHERE {})"
_NOTED, _WITH_TAGS = _WRITTEN.format("note IS NOT NULL"), _WRITTEN.format("tags <> '[]'")
_PINNED: Final = _WRITTEN.format("pinned")
_RESULTS: Final = (
    "(file_count + (job_id IN (SELECT job_id FROM files)) "
    "+ (job_id IN (SELECT job_id FROM fetches)))"
)
_NUMBER_KEYS: Final = {
    "cost": ("COALESCE(cost_micros, 0)", 1_000_000.0),
    "loss": ("COALESCE(loss_smoothed, loss)", 1.0),
    "best": ("loss_best", 1.0),
    "age": ("(CAST(strftime('%s', 'now') AS INTEGER) - created_at / 1000000)", 1.0),
    "step": ("step", 1.0),
    "steps": ("total_steps", 1.0),
    "files": ("file_count", 1.0),
    "percent": ("percent", 1.0),
    # above 0 when a job has any results: here, elsewhere, or not fetched yet
    "results": (_RESULTS, 1.0),
}
_HAS: Final = {
    "note": _NOTED,
    "tag": _WITH_TAGS,
    "pin": _PINNED,
    "warning": "(warnings <> '[]' AND EXISTS (SELECT 1 FROM json_each(jobs.warnings) WHERE "
    "json_extract(value, '$.kind') <> 'slower' AND NOT json_extract(value, '$.dismissed')))",
}
"""What a job can have, as SQL. A slower run is said on its page only."""
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_STATES: Final = ("pending", "uploading", "queued", "running", "completed", "failed", "cancelled")
_STATE_WORDS: Final = {
    "done": "completed", "canceled": "cancelled", "ok": "completed", "succeeded": "completed",
}  # fmt: skip
FIELDS: Final = frozenset({*_TEXT_KEYS, *_NUMBER_KEYS, "account", "has", "since", "sweep",
                           "tag", "tags"})  # fmt: skip
"""All names that a term can begin with."""
FILTER_ADVICE: Final = (
    f"Fields: {', '.join(sorted(FIELDS))}; config.OPTION is any option of the config. "
    "OR stands between two terms, - before one that must not match. "
    "A word in double quotes is searched for as text."
)
_MOST_WORDS: Final = 50  # SQLite limits the depth of an expression
_ACTIVE: Final = "('pending','uploading','queued','running')"
_SIGNS: Final = {">": ">", "<": "<", ">=": ">=", "<=": "<=", ":": "=", "=": "="}
_SEARCHED: Final = (
    "name",
    "config_name",
    "model_family",
    "model_flavour",
    "job_id",
    "prediction_id",
)


@dataclass(frozen=True, slots=True)
class JobFilter:
    """A parsed filter line.

    Attributes:
        text: the filter as typed.
        where: an SQL condition over `jobs`.
        parameters: the values of its placeholders.
        problem: what in the line means nothing, in a few words; such terms narrow nothing. Empty
            where all of it can be understood.
        advice: what may have been meant instead; empty where nothing is near.
    """

    text: str = ""
    where: str = "1"
    parameters: tuple[Any, ...] = ()
    problem: str = ""
    advice: str = ""


def parse_filter(text: str) -> JobFilter:
    """Parse a filter line; never raises."""
    groups: list[list[str]] = []
    """Of each the conditions of which one must hold; none where all of it is still being typed."""
    parameters: list[Any] = []
    problem = advice = ""
    joined = False
    for word in _words(text):
        if word == _OR:
            joined = bool(groups)
            continue
        if not joined:
            groups.append([])
        joined = False
        try:
            term = _signed_term(word)
        except _MeaninglessError as error:
            problem, advice = (problem, advice) if problem else (error.words, error.advice)
            continue
        if term is not None:
            groups[-1].append(term[0])
            parameters.extend(term[1])
    alternatives = (f"({' OR '.join(group)})" for group in groups if group)
    return JobFilter(text, " AND ".join(alternatives) or "1", tuple(parameters), problem, advice)


def _words(text: str) -> list[str]:
    return text.encode("utf-8", "replace").decode().split()[:_MOST_WORDS]


class _MeaninglessError(Exception):
    """A term has no meaning.

    Attributes:
        words: why, in a few words.
        advice: what may have been meant; empty where nothing is near.
    """

    def __init__(self, words: str, advice: str = "") -> None:
        super().__init__(words)
        self.words = words
        self.advice = advice


def filter_problem(text: str) -> tuple[str, str] | None:
    """What of a complete filter line means nothing, and what to write instead; None if all is fine.

    Other than a line that is being typed, a complete one has a value behind each field.
    """
    where = parse_filter(text)
    if where.problem:
        return f"The filter cannot be used: {where.problem}.", where.advice or FILTER_ADVICE
    words = _words(text)
    for match in filter(None, (_TERM.match(word.removeprefix("-")) for word in words)):
        if not match["value"].strip("$%"):
            return f"{match['key']}{match['sign']} needs a value.", FILTER_ADVICE
    if "-" in words:
        return "- needs a word behind it, which no job shall have.", FILTER_ADVICE
    if _OR in (words[:1] + words[-1:]):
        return f"{_OR} stands between two terms.", FILTER_ADVICE
    return None


def _signed_term(word: str) -> tuple[str, list[Any]] | None:
    """A term, or what does not match it; None where it is still being typed."""
    if not word.startswith("-"):
        return _term(word)
    if word == "-" or (term := _term(word[1:])) is None:
        return None
    return f"({term[0]}) IS NOT TRUE", term[1]  # a job without such a figure is among them


def _term(word: str) -> tuple[str, list[Any]] | None:
    match = _TERM.match(word)
    if match is None or match["value"].startswith("//"):  # an address
        return _searched(word.strip("\"'") if word[0] in "\"'" else word)
    key, sign, value = match["key"].lower(), match["sign"], match["value"]
    of_config = key.startswith(PREFIX)
    if not of_config and key not in FIELDS:
        raise _MeaninglessError(f"no field “{key}”", did_you_mean(key, FIELDS))
    compares = of_config or key in _NUMBER_KEYS
    if sign not in _SIGNS or (not compares and sign not in (":", "=")):
        raise _MeaninglessError(f"{key} takes : and a word")
    if key in ("tag", "tags") and value:
        return _TAGGED, [value]
    if not value.strip("$%"):
        return None  # incomplete: matches every job
    if of_config:
        try:
            return config_term(key, _SIGNS[sign], value)
        except ConfigTermError as error:
            raise _MeaninglessError(error.words, error.advice) from None
    if key == "sweep":
        return _SWEPT, [value]
    if key == "account":
        return f"{_ACCOUNT} = ? COLLATE NOCASE", [value.removeprefix("@")]
    if key == "has":
        return _has(value.lower())
    if key in _TEXT_KEYS:
        return _text_term(_TEXT_KEYS[key], value.lower())
    if key == "since":
        key, sign = "age", "<="
    number = _seconds(value) if key == "age" else _number(value)
    if number is None:
        kind = "a time: 30m, 2h, 7d" if key == "age" else "a number"
        raise _MeaninglessError(f"{match['key'].lower()} takes {kind}")
    expression, scale = _NUMBER_KEYS[key]
    return f"{expression} {_SIGNS[sign]} ?", [number * scale]


def _has(value: str) -> tuple[str, list[Any]] | None:
    value = {"notes": "note", "tags": "tag", "pinned": "pin"}.get(value, value)
    for name, condition in _HAS.items():
        if value == name:
            return condition, []
        if name.startswith(value):
            return None  # still being typed
    near = did_you_mean(value, _HAS).replace("mean ", "mean has:")
    raise _MeaninglessError(f"no “has:{value}”; there is has:{', has:'.join(_HAS)}", near)


def _searched(word: str) -> tuple[str, list[Any]]:
    pattern = f"%{_escape(word)}%"
    return (
        "(" + " OR ".join(f"{column} LIKE ? ESCAPE '\\'" for column in _SEARCHED) + ")",
        [pattern] * len(_SEARCHED),
    )


def _text_term(column: str, value: str) -> tuple[str, list[Any]] | None:
    if column == "status":
        if value == "active":
            return f"status IN {_ACTIVE}", []
        states = {value, *(state for word, state in _STATE_WORDS.items() if word.startswith(value))}
        if "active".startswith(value):
            return None  # still being typed
        if not any(state.startswith(one) for state in _STATES for one in states):
            near = did_you_mean(value, (*_STATES, *_STATE_WORDS))
            raise _MeaninglessError(f"no state “{value}”", near)
        likes = " OR ".join(["status LIKE ? ESCAPE '\\'"] * len(states))
        return f"({likes})", [_escape(state) + "%" for state in sorted(states)]
    return f"{column} LIKE ? ESCAPE '\\'", [f"%{_escape(value)}%"]


def _number(text: str) -> float | None:
    try:
        return float(text.lstrip("$").rstrip("%"))
    except ValueError:
        return None


def _seconds(text: str) -> float | None:
    """The length of `30m`, `2h`, `7d`, in seconds; None for another text."""
    number = _number(text[:-1]) if text[-1:].lower() in _UNITS else None
    return None if number is None else number * _UNITS[text[-1].lower()]


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
