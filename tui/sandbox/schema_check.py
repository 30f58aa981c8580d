"""Checks an input against a version's schema, and reports the service's problem types.

A general JSON Schema validator has other problem types and texts. This one covers the part of JSON
Schema that Cog writes: types, enums behind a reference, number and length limits, patterns, the uri
format, nullable and arrays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from tui.base.json_types import JsonObject

_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}
_URI_SCHEMES = {"http", "https", "data"}


def check_input(schema: Mapping[str, Any], values: Mapping[str, Any]) -> list[dict[str, str]]:
    """The problems of `values`; empty when the version accepts them.

    Args:
        schema: the version's whole OpenAPI description.
        values: the prediction's `input`.
    """
    shapes: Mapping[str, Any] = schema["components"]["schemas"]
    shape: Mapping[str, Any] = shapes["Input"]
    properties: Mapping[str, Any] = shape.get("properties", {})
    problems = [
        _problem("required", name, f"{name} is required")
        for name in shape.get("required", [])
        if name not in values
    ]
    for name, value in values.items():
        if name in properties:
            problems.extend(_check_value(_resolve(properties[name], shapes), name, value))
        elif shape.get("additionalProperties") is False:
            problems.append(
                _problem(
                    "additional_property_not_allowed",
                    name,
                    f"Additional property {name} is not allowed",
                )
            )
    return problems


def secret_inputs(schema: Mapping[str, Any]) -> frozenset[str]:
    """Names of the inputs that the version declares secret."""
    properties = schema["components"]["schemas"]["Input"].get("properties", {})
    return frozenset(name for name, shape in properties.items() if shape.get("x-cog-secret"))


def _problem(kind: str, name: str, description: str) -> dict[str, str]:
    return {"type": kind, "field": f"input.{name}", "description": description}


def _resolve(shape: Mapping[str, Any], shapes: Mapping[str, Any]) -> JsonObject:
    merged = dict(shape)
    for part in [shape, *shape.get("allOf", [])]:
        reference = part.get("$ref")
        if reference:
            merged.update(shapes[reference.rsplit("/", 1)[-1]])
    return merged


def _check_value(shape: Mapping[str, Any], name: str, value: Any) -> Iterator[dict[str, str]]:
    if value is None:
        if not shape.get("nullable"):
            yield _problem("invalid_type", name, _type_text(shape.get("type", "value"), value))
        return
    wanted = shape.get("type")
    if wanted in _PYTHON_TYPES:
        fits = isinstance(value, _PYTHON_TYPES[wanted])
        if isinstance(value, bool) and wanted != "boolean":
            fits = False
        if wanted == "integer" and isinstance(value, float) and value.is_integer():
            fits = True
        if not fits:
            yield _problem("invalid_type", name, _type_text(wanted, value))
            return
    yield from _check_limits(shape, name, value)


def _check_limits(shape: Mapping[str, Any], name: str, value: Any) -> Iterator[dict[str, str]]:
    if "enum" in shape and value not in shape["enum"]:
        allowed = ", ".join(f'"{item}"' for item in shape["enum"])
        yield _problem("enum", name, f"{name} must be one of the following: {allowed}")
    if isinstance(value, int | float) and not isinstance(value, bool):
        if "minimum" in shape and value < shape["minimum"]:
            text = f"Must be greater than or equal to {shape['minimum']}"
            yield _problem("number_gte", name, text)
        if "maximum" in shape and value > shape["maximum"]:
            text = f"Must be less than or equal to {shape['maximum']}"
            yield _problem("number_lte", name, text)
    if isinstance(value, str):
        if shape.get("format") == "uri" and urlsplit(value).scheme.lower() not in _URI_SCHEMES:
            yield _problem("format", name, "Does not match format 'uri'")
        if "maxLength" in shape and len(value) > shape["maxLength"]:
            text = f"String length must be less than or equal to {shape['maxLength']}"
            yield _problem("string_lte", name, text)
        if "pattern" in shape and not re.search(shape["pattern"], value):
            yield _problem("pattern", name, f"Does not match pattern '{shape['pattern']}'")


def _type_text(wanted: str, value: Any) -> str:
    names = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array"}
    given = "null" if value is None else names.get(type(value), "object")
    return f"Invalid type. Expected: {wanted}, given: {given}"
