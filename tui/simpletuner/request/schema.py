"""The inputs of a version of the trainer, read from its `openapi_schema`, and their differences.

A version's schema is an OpenAPI document; the inputs are `components.schemas.Input.properties`.
Cog writes enumerations and optional types as `$ref`, `allOf` and `anyOf`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tui.base.json_types import JsonObject

_MAX_DEPTH = 12
ESSENTIAL_INPUTS = ("config_json", "dataloader_json")
"""Inputs without which no job can run."""
INPUTS_BY_PURPOSE: Mapping[str, tuple[str, ...]] = {
    "an uploaded dataset": ("images",),
    "delivery to the Hub": ("hub_model_id", "hf_token"),
    "delivery by S3 and to this machine": (
        "s3_bucket", "s3_endpoint_url", "s3_base_path", "s3_access_key", "s3_secret_key",
    ),
    "LyCORIS": ("lycoris_config",),
    "the number of steps": ("max_train_steps",),
}  # fmt: skip
"""Inputs that only some jobs need, by their purpose."""


@dataclass(frozen=True, slots=True)
class InputField:
    """One input of the trainer.

    Attributes:
        name: name in the request.
        types: allowed JSON types; empty when the schema has none.
        format: `uri` for files, `password` for secrets, or None.
        secret: whether Replicate hides its value in answers.
        required: whether Replicate refuses a request without it.
        choices: the allowed values; empty when there is no enumeration.
        minimum: least number, if limited.
        maximum: greatest number, if limited.
        description: the description in the schema.
    """

    name: str
    types: frozenset[str] = frozenset()
    format: str | None = None
    secret: bool = False
    required: bool = False
    choices: tuple[Any, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    description: str = ""


def input_fields(schema: Mapping[str, Any] | None) -> dict[str, InputField]:
    """The inputs of a version, by name.

    Args:
        schema: the version's whole `openapi_schema`, or only its Input object. None or an empty
            schema gives `KNOWN_FIELDS`.
    """
    if not schema:
        return dict(KNOWN_FIELDS)
    document: Mapping[str, Any] = schema
    wrapped = _dig(schema, "components", "schemas", "Input")
    entry = wrapped if isinstance(wrapped, Mapping) else schema
    entry = _resolve(entry, document, 0)
    properties = entry.get("properties")
    if not isinstance(properties, Mapping):
        return {}
    required = entry.get("required")
    names = set(required) if isinstance(required, list) else set()
    return {
        name: _read_field(name, _resolve(raw, document, 0), name in names)
        for name, raw in properties.items()
        if isinstance(raw, Mapping)
    }


def misfit(field: InputField, value: Any) -> str | None:
    """Why Replicate refuses `value` for this input; None when it accepts it."""
    kinds = field.types - {"null"}
    if kinds and not any(_is_a(value, kind) for kind in kinds):
        return f"{field.name} must be {' or '.join(sorted(kinds))}"
    if field.choices and value not in field.choices:
        return f"{field.name} must be one of {', '.join(map(str, field.choices))}"
    if isinstance(value, int | float) and not isinstance(value, bool):
        if field.minimum is not None and value < field.minimum:
            return f"{field.name} must be at least {field.minimum:g}"
        if field.maximum is not None and value > field.maximum:
            return f"{field.name} must be at most {field.maximum:g}"
    return None


def _read_field(name: str, raw: Mapping[str, Any], required: bool) -> InputField:
    kind = raw.get("type")
    types = [kind] if isinstance(kind, str) else kind if isinstance(kind, list) else []
    form = raw.get("format")
    choices = raw.get("enum")
    return InputField(
        name=name,
        types=frozenset(text for text in types if isinstance(text, str)),
        format=form if isinstance(form, str) else None,
        secret=form == "password" or raw.get("x-cog-secret") is True,
        required=required,
        choices=tuple(choices) if isinstance(choices, list) else (),
        minimum=_number(raw.get("minimum")),
        maximum=_number(raw.get("maximum")),
        description=str(raw.get("description") or ""),
    )


def _resolve(raw: Mapping[str, Any], document: Mapping[str, Any], depth: int) -> JsonObject:
    """`raw` with its references and combinations merged into one flat object."""
    if depth > _MAX_DEPTH:
        return {}
    merged: JsonObject = {}
    reference = raw.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/"):
        parts = [part.replace("~1", "/").replace("~0", "~") for part in reference[2:].split("/")]
        target = _dig(document, *parts)
        if isinstance(target, Mapping):
            merged.update(_resolve(target, document, depth + 1))
    for combination in ("allOf", "anyOf", "oneOf"):
        branches = raw.get(combination)
        if not isinstance(branches, list):
            continue
        types: list[str] = []
        for branch in branches:
            if isinstance(branch, Mapping):
                part = _resolve(branch, document, depth + 1)
                kind = part.pop("type", None)
                types += [kind] if isinstance(kind, str) else kind if isinstance(kind, list) else []
                merged.update(part)
        if types:
            merged["type"] = types
    merged.update(
        (key, value) for key, value in raw.items() if key not in ("$ref", "allOf", "anyOf", "oneOf")
    )
    return merged


def _dig(raw: Any, *path: str) -> Any:
    for part in path:
        if not isinstance(raw, Mapping):
            return None
        raw = raw.get(part)
    return raw


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _is_a(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    python = {"string": str, "integer": int, "array": list, "object": dict}.get(kind)
    if kind == "number":
        return isinstance(value, int | float)
    return python is None or isinstance(value, python)


def _known() -> dict[str, InputField]:
    text = frozenset({"string"})
    fields = {
        name: InputField(name, text)
        for name in (
            *("config_json", "dataloader_json", "lycoris_config", "hub_model_id"),
            *("s3_bucket", "s3_region", "s3_endpoint_url", "s3_base_path", "s3_public_base_url"),
        )
    }
    for name in ("hf_token", "s3_access_key", "s3_secret_key"):
        fields[name] = InputField(name, text, "password", secret=True)
    fields["images"] = InputField("images", text, "uri")
    fields["max_train_steps"] = InputField("max_train_steps", frozenset({"integer"}))
    fields["return_logs"] = InputField("return_logs", frozenset({"boolean"}))
    return fields


KNOWN_FIELDS: Mapping[str, InputField] = _known()
"""The inputs of the trainer's public source of August 2026, for versions without a schema."""


@dataclass(frozen=True, slots=True)
class InputChange:
    """One difference between the inputs of two versions.

    Attributes:
        name: the input.
        kind: `added`, `removed` or `changed`.
        words: description of the change, for the screen (a key of the HTTP API).
    """

    name: str
    kind: Literal["added", "removed", "changed"]
    words: str


@dataclass(frozen=True, slots=True)
class MissingInput:
    """An input that jobs send and a version lacks.

    Attributes:
        name: the input.
        purpose: what does not work without it.
        essential: whether no job works without it.
    """

    name: str
    purpose: str
    essential: bool


def schema_diff(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> list[InputChange]:
    """Differences between the inputs of two versions, sorted by name.

    Args:
        before: `openapi_schema` of the first version.
        after: `openapi_schema` of the second. A version without one has `KNOWN_FIELDS`.
    """
    old, new = input_fields(before), input_fields(after)
    changes = []
    for name in sorted({*old, *new}):
        if name not in old:
            changes.append(InputChange(name, "added", f"new: {_kind(new[name])}"))
        elif name not in new:
            changes.append(InputChange(name, "removed", f"gone (was {_kind(old[name])})"))
        elif differences := _changes(old[name], new[name]):
            changes.append(InputChange(name, "changed", "; ".join(differences)))
    return changes


def missing_inputs(
    schema: Mapping[str, Any] | None, wanted: Iterable[str] | None = None
) -> list[MissingInput]:
    """Inputs that a version lacks.

    Args:
        schema: the version's `openapi_schema`; without one nothing is missing.
        wanted: names of the inputs that a job sends; None for all that any job can send.
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
    differences = []
    if old.types and new.types and old.types != new.types:
        differences.append(f"type {_types(old)} → {_types(new)}")
    if old.format != new.format:
        differences.append(f"format {old.format or 'none'} → {new.format or 'none'}")
    if old.secret != new.secret:
        differences.append(
            "now secret" if new.secret else "no longer secret: its value can be read"
        )
    if old.required != new.required:
        differences.append("now required" if new.required else "no longer required")
    if old.choices != new.choices:
        differences.append(_choices(old, new))
    for label, was, now in (
        ("least", old.minimum, new.minimum),
        ("most", old.maximum, new.maximum),
    ):
        if was != now:
            differences.append(f"{label} {_limit(was)} → {_limit(now)}")
    return differences


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
