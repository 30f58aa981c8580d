"""The unique run name in a prediction's inputs, by which its job is recognised.

Replicate returns a prediction's `input` with every answer until it removes the data. A run name
that only one job has therefore identifies the job, even when two jobs have the same settings.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, Final

from tui.base.json_types import JsonObject

_CONFIG: Final = "config_json"
_OPTION: Final = "tracker_run_name"
_DATA: Final = "data:application/json;base64,"


def unique_run_name(name: str, job_id: str) -> str:
    """A readable run name that no other job has: the job's name and its id."""
    return f"{name}-{job_id}"


def job_id_in(run_name: str) -> str:
    """The id at the end of a unique run name; of other text what follows the last hyphen."""
    return run_name.rpartition("-")[2]


def with_run_name(values: Mapping[str, Any], run_name: str) -> JsonObject:
    """The inputs with the run name set in their config; unchanged without a readable config."""
    text = values.get(_CONFIG)
    settings = _settings(text)
    if not isinstance(text, str) or settings is None:
        return dict(values)
    others = {name: value for name, value in settings.items() if name.lstrip("-") != _OPTION}
    named = json.dumps(
        others | {f"--{_OPTION}": run_name}, ensure_ascii=False, separators=(",", ":")
    )
    if text.startswith(_DATA):
        named = _DATA + base64.b64encode(named.encode()).decode()
    return {**values, _CONFIG: named}


def sent_settings(values: Mapping[str, Any]) -> JsonObject:
    """The config in a prediction's inputs, option names without `--`; empty if there is none."""
    settings = _settings(values.get(_CONFIG)) or {}
    return {str(name).lstrip("-"): value for name, value in settings.items()}


def run_name_of(values: Mapping[str, Any]) -> str:
    """The run name in a prediction's inputs; "" if there is none."""
    name = sent_settings(values).get(_OPTION)
    return name if isinstance(name, str) else ""


def _settings(text: Any) -> JsonObject | None:
    if not isinstance(text, str):
        return None
    try:
        if text.startswith(_DATA):  # older versions of the trainer take a data URL instead of JSON
            text = base64.b64decode(text.removeprefix(_DATA), validate=True).decode()
        data = json.loads(text)
    except (ValueError, binascii.Error, RecursionError):
        return None
    return data if isinstance(data, dict) else None
