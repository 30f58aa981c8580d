"""What changed between the inputs of two versions of a trainer, and what a version lacks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tui.simpletuner.request.schema import InputField, input_fields

ESSENTIAL_INPUTS = ("config_json", "dataloader_json")
"""Without these a version cannot be told what to train."""
INPUTS_BY_PURPOSE: Mapping[str, tuple[str, ...]] = {
    "an uploaded dataset": ("images",),
    "delivery to the Hub": ("hub_model_id", "hf_token"),
    "delivery by S3 and to this machine": (
        "s3_bucket", "s3_endpoint_url", "s3_base_path", "s3_access_key", "s3_secret_key",
    ),
    "LyCORIS": ("lycoris_config",),
    "the number of steps": ("max_train_steps",),
}  # fmt: skip
"""Inputs that only some jobs need, by what for."""


@dataclass(frozen=True, slots=True)
class InputChange:
    """One difference.

    Attributes:
        name: the input.
        kind: `added`, `removed` or `changed`.
        words: what changed, for people.
    """

    name: str
    kind: Literal["added", "removed", "changed"]
    words: str


@dataclass(frozen=True, slots=True)
class MissingInput:
    """An input that we would send and that a version does not take.

    Attributes:
        name: the input.
        purpose: what does not work without it.
        essential: whether no job at all works without it.
    """

    name: str
    purpose: str
    essential: bool


def schema_diff(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> list[InputChange]:
    """Differences between two versions' inputs, by name.

    Args:
        before: `openapi_schema` of the version that is known.
        after: of the other one. A version that does not tell takes the known inputs.
    """
    old, new = input_fields(before), input_fields(after)
    found = []
    for name in sorted({*old, *new}):
        if name not in old:
            found.append(InputChange(name, "added", f"new: {_kind(new[name])}"))
        elif name not in new:
            found.append(InputChange(name, "removed", f"gone (was {_kind(old[name])})"))
        elif words := _changes(old[name], new[name]):
            found.append(InputChange(name, "changed", "; ".join(words)))
    return found


def missing_inputs(
    schema: Mapping[str, Any] | None, wanted: Iterable[str] | None = None
) -> list[MissingInput]:
    """Inputs we use that a version does not take.

    Args:
        schema: the version's `openapi_schema`; one that does not tell lacks nothing.
        wanted: names a job would send; None for all that any job may send.
    """
    taken = input_fields(schema)
    names = None if wanted is None else set(wanted)
    purposes = dict.fromkeys(ESSENTIAL_INPUTS, "any job")
    for purpose, inputs in INPUTS_BY_PURPOSE.items():
        purposes.update(dict.fromkeys(inputs, purpose))
    return [
        MissingInput(name, purpose, name in ESSENTIAL_INPUTS)
        for name, purpose in purposes.items()
        if name not in taken and (names is None or name in names)
    ]


def _changes(old: InputField, new: InputField) -> list[str]:
    words = []
    if old.types and new.types and old.types != new.types:
        words.append(f"type {_types(old)} → {_types(new)}")
    if old.format != new.format:
        words.append(f"format {old.format or 'none'} → {new.format or 'none'}")
    if old.secret != new.secret:
        words.append("now secret" if new.secret else "no longer secret: its value can be read")
    if old.required != new.required:
        words.append("now required" if new.required else "no longer required")
    if old.choices != new.choices:
        words.append(_choices(old, new))
    for label, was, now in (
        ("least", old.minimum, new.minimum),
        ("most", old.maximum, new.maximum),
    ):
        if was != now:
            words.append(f"{label} {_limit(was)} → {_limit(now)}")
    return words


def _choices(old: InputField, new: InputField) -> str:
    gone = [str(choice) for choice in old.choices if choice not in new.choices]
    come = [str(choice) for choice in new.choices if choice not in old.choices]
    parts = []
    if come:
        parts.append(f"also {', '.join(come)}")
    if gone:
        parts.append(f"no longer {', '.join(gone)}")
    return f"choices: {'; '.join(parts) or 'in another order'}"


def _kind(field: InputField) -> str:
    needed = ", required" if field.required else ""
    return f"{'secret ' if field.secret else ''}{_types(field)}{needed}"


def _types(field: InputField) -> str:
    return " or ".join(sorted(field.types)) or "anything"


def _limit(value: float | None) -> str:
    return "none" if value is None else f"{value:g}"
