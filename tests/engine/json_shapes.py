"""Validates values against the JSON Schemas of our OpenAPI description."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


def misfits(value: Any, schema: dict[str, Any], place: str = "$") -> Iterator[str]:
    """Yield a message for each deviation from the schema."""
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is(value, kind) for kind in kinds):
        yield f"{place} is {type(value).__name__}, not {' or '.join(kinds)}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{place} is {value!r}, not one of {schema['enum']}"
    moment = schema.get("format") == "date-time" and isinstance(value, str)
    if moment and datetime.fromisoformat(value).tzinfo is None:
        yield f"{place} has no time zone: {value!r}"
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from misfits(item, schema.get("items", {}), f"{place}[{number}]")
    elif isinstance(value, dict):
        yield from (f"{place}.{n} is missing" for n in schema.get("required", []) if n not in value)
        for name, shape in schema.get("properties", {}).items():
            if name in value:
                yield from misfits(value[name], shape, f"{place}.{name}")


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES[kind])
