"""Checks answers against the service's published OpenAPI description.

Knows the part of JSON Schema that the description uses, and reads it as its authors mean it:
`nullable` counts although the document says 3.1, and `oneOf` is "one of them at least".
The description is the one served at https://api.replicate.com/openapi.json.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

DOCUMENT: dict[str, Any] = json.loads(
    (Path(__file__).with_name("replicate-openapi.json")).read_text()
)
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


@dataclass(frozen=True)
class Operation:
    """One operation of the description."""

    method: str
    path: str
    responses: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def operations() -> list[Operation]:
    return [
        Operation(method.upper(), path, operation["responses"])
        for path, verbs in DOCUMENT["paths"].items()
        for method, operation in verbs.items()
    ]


def misfits(value: Any, schema: dict[str, Any], place: str = "$") -> Iterator[str]:
    """What does not fit, in words."""
    while "$ref" in schema:
        target: Any = DOCUMENT
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        schema = target
    if value is None:
        if "type" in schema and not schema.get("nullable"):
            yield f"{place} is null"
        return
    if choices := schema.get("oneOf") or schema.get("anyOf"):
        if all(list(misfits(value, choice, place)) for choice in choices):
            yield f"{place} fits none of its forms"
        return
    wanted = schema.get("type")
    if wanted and (
        not isinstance(value, _TYPES[wanted]) or (isinstance(value, bool) and wanted != "boolean")
    ):
        yield f"{place} is {type(value).__name__}, not {wanted}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{place} is {value!r}, not one of {schema['enum']}"
    if isinstance(value, str):
        yield from _format(value, schema.get("format"), place)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from misfits(item, schema.get("items", {}), f"{place}[{number}]")
    elif isinstance(value, dict):
        yield from (f"{place}.{n} is missing" for n in schema.get("required", []) if n not in value)
        for name, shape in schema.get("properties", {}).items():
            if name in value:
                yield from misfits(value[name], shape, f"{place}.{name}")


def _format(value: str, form: str | None, place: str) -> Iterator[str]:
    if form == "date-time":
        try:
            aware = datetime.fromisoformat(value).tzinfo is not None
        except ValueError:
            aware = False
        if not aware:
            yield f"{place} is no time: {value!r}"
    elif form == "uri" and not (urlsplit(value).scheme and urlsplit(value).netloc):
        yield f"{place} is no address: {value!r}"
