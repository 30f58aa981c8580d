"""The filter line of the Jobs list: `flux state:failed cost>2`.

A word without an operator is searched for in name, config, family and ids. `key:value` and
`key>number` narrow further; all terms must match. `account:alice` is that account alone, and no
other whose name begins like it; likewise `tag:face`. `has:note`, `has:tag` and `has:pin` are jobs
about which something was written. A term that cannot be parsed is searched for as
text, so that an incomplete filter never shows an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

_TERM = re.compile(r"^(?P<key>[a-z]+)(?P<sign>[:<>=]{1,2})(?P<value>.*)$", re.IGNORECASE)
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
_WRITTEN: Final = "job_id IN (SELECT job_id FROM annotations WHERE {})"
_NOTED, _WITH_TAGS = _WRITTEN.format("note IS NOT NULL"), _WRITTEN.format("tags <> '[]'")
_PINNED: Final = _WRITTEN.format("pinned")
_HAS: Final = {
    "note": _NOTED, "notes": _NOTED, "tag": _WITH_TAGS, "tags": _WITH_TAGS, "pin": _PINNED,
    "pinned": _PINNED, "warning": """instr(warnings, '"dismissed":false') > 0""",
}  # fmt: skip
_RESULTS: Final = (
    "(file_count + (job_id IN (SELECT job_id FROM files)) "
    "+ (job_id IN (SELECT job_id FROM fetches)))"
)
_WORD_KEYS: Final = frozenset({"account", "tag", "tags", "has"})
_NUMBER_KEYS: Final = {
    "cost": ("COALESCE(cost_micros, 0)", 1_000_000.0),
    "loss": ("COALESCE(loss_smoothed, loss)", 1.0),
    "best": ("loss_best", 1.0),
    "step": ("step", 1.0),
    "steps": ("total_steps", 1.0),
    "files": ("file_count", 1.0),
    "percent": ("percent", 1.0),
    # above 0 when a job has any results: here, elsewhere, or not fetched yet
    "results": (_RESULTS, 1.0),
}
_STATE_WORDS: Final = {
    "done": "completed", "canceled": "cancelled", "ok": "completed", "succeeded": "completed",
}  # fmt: skip
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
    """

    text: str = ""
    where: str = "1"
    parameters: tuple[Any, ...] = ()


def parse_filter(text: str) -> JobFilter:
    """Parse a filter line; never raises."""
    conditions: list[str] = []
    parameters: list[Any] = []
    for word in text.encode("utf-8", "replace").decode().split()[:_MOST_WORDS]:
        condition, values = _term(word)
        conditions.append(condition)
        parameters.extend(values)
    return JobFilter(text, " AND ".join(conditions) or "1", tuple(parameters))


def _term(word: str) -> tuple[str, list[Any]]:
    match = _TERM.match(word)
    if match:
        key, sign, value = match["key"].lower(), match["sign"], match["value"]
        known = key in _TEXT_KEYS or key in _NUMBER_KEYS or key in _WORD_KEYS
        if known and not value:
            return "1", []  # incomplete: matches every job
        if key == "account" and sign in (":", "="):
            return f"{_ACCOUNT} = ? COLLATE NOCASE", [value.removeprefix("@")]
        if key in ("tag", "tags") and sign in (":", "="):
            return _TAGGED, [value]
        if key == "has" and sign in (":", "=") and value.lower() in _HAS:
            return _HAS[value.lower()], []
        if key in _TEXT_KEYS and sign in (":", "="):
            return _text_term(_TEXT_KEYS[key], value.lower())
        if key in _NUMBER_KEYS and sign in _SIGNS:
            number = _number(value)
            if number is not None:
                expression, scale = _NUMBER_KEYS[key]
                return f"{expression} {_SIGNS[sign]} ?", [number * scale]
    pattern = f"%{_escape(word)}%"
    return (
        "(" + " OR ".join(f"{column} LIKE ? ESCAPE '\\'" for column in _SEARCHED) + ")",
        [pattern] * len(_SEARCHED),
    )


def _text_term(column: str, value: str) -> tuple[str, list[Any]]:
    if column == "status":
        if value == "active":
            return f"status IN {_ACTIVE}", []
        states = {value, *(state for word, state in _STATE_WORDS.items() if word.startswith(value))}
        likes = " OR ".join(["status LIKE ? ESCAPE '\\'"] * len(states))
        return f"({likes})", [_escape(state) + "%" for state in sorted(states)]
    return f"{column} LIKE ? ESCAPE '\\'", [f"%{_escape(value)}%"]


def _number(text: str) -> float | None:
    try:
        return float(text.lstrip("$").rstrip("%"))
    except ValueError:
        return None


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
