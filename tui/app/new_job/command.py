"""The command line that starts the job which the form describes."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from tui.app.new_job.sweep_axes import AT_ONCE, swept
from tui.simpletuner.config.overrides import override_text

_OPTIONS: Final = (
    ("name", "--name"),
    ("hardware", "--hardware"),
    ("model", "--model"),
    ("version", "--model-version"),
    ("data", "--data"),
    ("images_url", "--images-url"),
    ("trainer_release", "--trainer-release"),
)
_DELIVERY: Final = (
    ("kind", "--delivery"),
    ("hub_model_id", "--hub-model-id"),
    ("destination", "--s3-destination"),
    ("bucket", "--s3-bucket"),
    ("region", "--s3-region"),
    ("prefix", "--s3-prefix"),
    ("public_base_url", "--s3-public-url"),
)
_SETTINGS: Final = {
    "max_train_steps": "--steps",
    "train_batch_size": "--batch",
    "lora_rank": "--rank",
    "learning_rate": "--lr",
}
"""Options of a name of their own; any other is `--set NAME=VALUE`."""


def command_line(draft: Mapping[str, Any]) -> str:
    """Returns the command that starts the job or the sweep of a draft."""
    if draft.get("rerun_of"):
        return _rerun_line(draft)
    parts = ["simpletuner-tui", "submit", str(draft.get("config") or "CONFIG")]
    delivery = draft.get("delivery") or {}
    for values, options in ((draft, _OPTIONS), (delivery, _DELIVERY)):
        for key, option in options:
            if values.get(key):
                parts += _option(option, _value(draft, key, str(values[key])))
    for key in ("keep_staged", "leave_out_uncaptioned"):
        if draft.get(key):
            parts.append(f"--{key.replace('_', '-')}")
    axes = swept(draft)
    for key, value in (draft.get("overrides") or {}).items():
        if value is None or key in axes:
            continue
        text = override_text(value)
        parts += [_SETTINGS[key], text] if key in _SETTINGS else ["--set", f"{key}={text}"]
    parts += [*_unset(draft), *_axes(draft)]
    parts += [part for tag in draft.get("tags") or () for part in _option("--tag", str(tag))]
    if draft.get("cancel_after"):
        parts += ["--stop-after", str(draft["cancel_after"])]
    if draft.get("cost_ceiling_micros"):
        parts += ["--cost-ceiling", f"{Decimal(draft['cost_ceiling_micros']) / 1_000_000:f}"]
    return shlex.join(parts)


def _rerun_line(draft: Mapping[str, Any]) -> str:
    """Returns the command that runs a job again; what is as it ran needs no option."""
    parts = ["simpletuner-tui", "rerun", str(draft["rerun_of"])]
    if draft.get("name"):
        parts += _option("--name", str(draft["name"]))
    axes = swept(draft)
    for key, value in (draft.get("overrides") or {}).items():
        if value is not None and key not in axes:
            parts += ["--set", f"{key}={override_text(value)}"]
    return shlex.join([*parts, *_unset(draft), *_axes(draft)])


def _axes(draft: Mapping[str, Any]) -> list[str]:
    axes = swept(draft)
    parts = [part for name, values in axes.items() for part in ("--sweep", f"{name}={values}")]
    return [*parts, "--at-once", str(draft[AT_ONCE])] if axes and draft.get(AT_ONCE) else parts


def _unset(draft: Mapping[str, Any]) -> list[str]:
    return [part for name in draft.get("unset") or () for part in _option("--unset", str(name))]


def _value(draft: Mapping[str, Any], key: str, value: str) -> str:
    """Returns the text of an option; the place of staged data belongs to the way of the data.

    A signed address is a key: the command asks for it, so that no shell keeps it.
    """
    if key == "images_url" and "?" in value:
        return "-"
    place = str(draft.get("staging") or "").removeprefix("bucket:")
    return f"{value}:{place}" if key == "data" and value == "staged" and place else value


def _option(name: str, value: str) -> list[str]:
    """Returns an option with its value; a value that looks like an option is joined by `=`."""
    return [f"{name}={value}"] if value.startswith("-") and value != "-" else [name, value]
