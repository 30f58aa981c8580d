"""The OpenAPI document, made of the table of routes and the shapes it names."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from typing import Any, Final, Literal, NotRequired, TypedDict

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaValue

from tui import __version__
from tui.api.errors import Failure
from tui.api.paths import ENDPOINTS, S3_ENDPOINTS
from tui.api.routes import Door, Endpoint, plain, statuses, variables
from tui.api.schemas import shapes_of
from tui.base.json_types import JsonObject

_REF: Final = "#/components/schemas/{model}"
_ATTRIBUTE: Final = re.compile(r"(\w+): (.+)")
_MODE: Final[Literal["validation"]] = "validation"
_SECURITY: Final[JsonObject] = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "webhook": {"type": "apiKey", "in": "header", "name": "webhook-signature"},
    "s3": {"type": "http", "scheme": "AWS4-HMAC-SHA256"},
}
_Table = Iterable[Endpoint[Any, Any, Any]]
_Parameter = TypedDict(
    "_Parameter", {"name": str, "in": str, "required": bool, "schema": JsonSchemaValue}
)


class _Response(TypedDict):
    """What an operation answers with a status; the content by media type."""

    description: str
    content: dict[str, JsonObject]


class _Operation(TypedDict):
    """An OpenAPI operation object."""

    summary: str
    parameters: list[_Parameter]
    responses: dict[str, _Response]
    requestBody: NotRequired[JsonObject]
    security: NotRequired[list[dict[str, list[str]]]]


def describe(*doors: Door) -> JsonObject:
    """The OpenAPI 3.1 document of the operations behind some doors, in the table's order.

    S3 shares paths with the user's own list of files; of such a path both answers are described.
    """
    table = [one for one in (*ENDPOINTS, *S3_ENDPOINTS) if one.door in doors]
    schemas, components = _schemas(table)
    operations: dict[str, dict[str, _Operation]] = {}
    for endpoint in table:
        path = operations.setdefault(plain(endpoint.path), {})
        made = _operation(endpoint, schemas, components)
        known = path.setdefault(endpoint.method.lower(), made)
        if known is not made:
            _merge(known, made)
    for endpoint in table:  # each parameter stands beside its operation
        components.pop(_component(schemas.get((endpoint, "query"), {})), None)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "simpletuner-tui",
            "version": __version__,
            "description": "SimpleTuner training jobs on Replicate. Paths and shapes below "
            "/api/cloud and /api/publishing are those of SimpleTuner's cloud API.",
        },
        "paths": operations,
        "components": {"securitySchemes": _SECURITY, "schemas": components},
    }


_Key = tuple[Endpoint[Any, Any, Any] | None, str]


def _schemas(table: _Table) -> tuple[dict[_Key, JsonSchemaValue], dict[str, JsonSchemaValue]]:
    """The JSON Schema of each part of each operation, and what these refer to by name."""
    wanted: dict[_Key, Any] = {(None, "failure"): Failure}
    for endpoint in table:
        shapes = shapes_of(endpoint)
        for part in ("body", "query", "answer"):
            if (shape := getattr(shapes, part)) not in (None, bytes, str):
                wanted[endpoint, part] = shape
    adapters = [(key, _MODE, TypeAdapter(shape)) for key, shape in wanted.items()]
    found, document = TypeAdapter.json_schemas(adapters, ref_template=_REF)
    components = document.get("$defs", {})
    for schema in components.values():
        _spread(schema)
    return {key: dict(schema) for (key, _), schema in found.items()}, components


def _spread(schema: JsonSchemaValue) -> None:
    """Put what a docstring says of each attribute beside that attribute."""
    words, _, attributes = inspect.cleandoc(schema.get("description", "")).partition(
        "\n\nAttributes:\n"
    )
    schema["description"] = words
    name = ""
    for line in attributes.splitlines():
        text = line.removeprefix("    ")
        begins = _ATTRIBUTE.fullmatch(text) if not text.startswith(" ") else None
        if begins is not None:
            name = begins[1]
            if name in schema["properties"]:
                schema["properties"][name] |= {"description": begins[2]}
        elif name in schema["properties"]:
            schema["properties"][name]["description"] += f" {text.strip()}"


def _operation(
    endpoint: Endpoint[Any, Any, Any],
    schemas: dict[_Key, JsonSchemaValue],
    components: dict[str, JsonSchemaValue],
) -> _Operation:
    query = components.get(_component(schemas.get((endpoint, "query"), {})), {})
    operation: _Operation = {
        "summary": endpoint.summary,
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in variables(endpoint)
        ]
        + [
            {
                "name": name,
                "in": "query",
                "required": name in query.get("required", []),
                "schema": schema,
            }
            for name, schema in query.get("properties", {}).items()
        ],
        "responses": _responses(endpoint, schemas),
    }
    if (body := schemas.get((endpoint, "body"))) is not None:
        operation["requestBody"] = {
            "required": not endpoint.optional,
            "content": {"application/json": {"schema": body}},
        }
    if (security := _security(endpoint)) is not None:
        operation["security"] = security
    return operation


def _component(schema: JsonSchemaValue) -> str:
    """The name that a schema refers to, or ""."""
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _responses(
    endpoint: Endpoint[Any, Any, Any], schemas: dict[_Key, JsonSchemaValue]
) -> dict[str, _Response]:
    failure: dict[str, JsonObject] = {"application/json": {"schema": schemas[None, "failure"]}}
    if endpoint.door == "listener":
        failure = {endpoint.content: {}}  # in S3's words, or a webhook's
    schema = schemas.get((endpoint, "answer"))
    good: dict[str, JsonObject] = {
        endpoint.content: {"schema": schema} if schema is not None else {}
    }
    return {
        str(status): {"description": "Done", "content": good}
        if status in (endpoint.status, *endpoint.more)
        else {"description": "Refused or failed", "content": failure}
        for status in statuses(endpoint)
    }


def _security(endpoint: Endpoint[Any, Any, Any]) -> list[dict[str, list[str]]] | None:
    """What opens the door; the user's own socket needs nothing."""
    if endpoint.door == "both":
        scopes: list[str] = [endpoint.scope] if endpoint.scope else []
        return [{"bearer": scopes}, {"key": scopes}]
    if endpoint.door == "listener":
        return [{"s3": []}] if endpoint in S3_ENDPOINTS else [{"webhook": []}]
    return None


def _merge(known: _Operation, more: _Operation) -> None:
    """Describe a second operation of the same method and path beside the first."""
    known["summary"] = f"{known['summary']}; {more['summary']}"
    known["security"] = [*known.get("security", []), *more.get("security", [])]
    names = {(one["name"], one["in"]) for one in known["parameters"]}
    known["parameters"] += [
        one for one in more["parameters"] if (one["name"], one["in"]) not in names
    ]
    for status, response in more["responses"].items():
        mine = known["responses"].setdefault(status, response)
        mine["content"] = {**response["content"], **mine["content"]}
