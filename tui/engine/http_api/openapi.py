"""The API's description, made from the routes themselves so that it cannot lag behind them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from aiohttp import web

from tui import __version__
from tui.engine.http_api.routes import Route
from tui.engine.http_api.schemas import ANY_OBJECT, FAILURE

_VARIABLE: Final = re.compile(r"\{(\w+)(?::[^}]*)?\}")
_PATH: Final = "/api/openapi.json"


def describe(routes: Iterable[Route]) -> dict[str, Any]:
    """The OpenAPI 3.1 document of these routes; private ones are left out."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        if not route.private:
            path = _VARIABLE.sub(r"{\1}", route.path)
            paths.setdefault(path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "simpletuner-tui",
            "version": __version__,
            "description": "SimpleTuner training jobs on Replicate. Paths and shapes are those of "
            "SimpleTuner's cloud API.",
        },
        "security": [{"bearer": []}, {"key": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
            "schemas": {"Failure": FAILURE},
        },
    }


def description_route(routes: Iterable[Route]) -> Route:
    """The route that serves the description, itself included."""
    listed = list(routes)

    async def serve(_request: web.Request) -> web.Response:
        return web.json_response(describe([*listed, route]))

    route = Route("GET", _PATH, serve, "This description", ANY_OBJECT)
    return route


def _operation(route: Route) -> dict[str, Any]:
    content: dict[str, Any] = {route.content: {"schema": route.answer} if route.answer else {}}
    operation: dict[str, Any] = {
        "summary": route.summary,
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in _VARIABLE.findall(route.path)
        ]
        + [
            {"name": name, "in": "query", "required": False, "schema": schema}
            for name, schema in route.query.items()
        ],
        "responses": {
            str(route.status): {"description": "Done", "content": content},
            "default": {
                "description": "Refused or failed",
                "content": {
                    "application/json": {"schema": {"$ref": "#/components/schemas/Failure"}}
                },
            },
        },
    }
    if route.body is not None:
        operation["requestBody"] = {"content": {"application/json": {"schema": route.body}}}
    return operation
