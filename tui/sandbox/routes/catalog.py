"""Routes for account, hardware, webhook secret, collections and search."""

from __future__ import annotations

import json

from aiohttp import web

from tui.sandbox.http_tools import answer, core_of, page
from tui.sandbox.problems import not_found
from tui.sandbox.registry import HARDWARE


async def _collections(request: web.Request) -> web.Response:
    rows = [
        {"name": name, "slug": slug, "description": description}
        for slug, (name, description, _) in core_of(request).registry.collections().items()
    ]
    return page(request, rows, lambda row: json.dumps(row).encode())


async def _collection(request: web.Request) -> web.Response:
    core = core_of(request)
    slug = request.match_info["slug"]
    collection = core.registry.collections().get(slug)
    if collection is None:
        raise not_found()
    name, description, models = collection
    return answer(
        {
            "name": name,
            "slug": slug,
            "description": description,
            "full_description": None,
            "models": [core.views.model(model) for model in models],
        }
    )


async def _search(request: web.Request) -> web.Response:
    core = core_of(request)
    query = request.query.get("query", "").strip()
    limit = request.query.get("limit", "20")
    if not query:
        return _refused("query is required")
    if not limit.isascii() or not limit.isdigit() or not 1 <= int(limit) <= 50:
        return _refused("limit must be between 1 and 50")
    words = query.lower().split()
    models = [
        {
            "model": core.views.model(model),
            "metadata": {"generated_description": model.description, "tags": [], "score": 1.0},
        }
        for model in core.registry.models.values()
        if model.visibility == "public"
        and all(word in f"{model.full_name} {model.description}".lower() for word in words)
    ]
    collections = [
        {
            "name": name,
            "slug": slug,
            "description": description,
            "models": [model.full_name for model in members],
        }
        for slug, (name, description, members) in core.registry.collections().items()
        if all(word in f"{name} {description}".lower() for word in words)
    ]
    return answer(
        {
            "query": query,
            "models": models[: int(limit)],
            "collections": collections,
            "pages": [],
        }
    )


def _refused(detail: str) -> web.Response:
    """The error answer of search, the only one that the OpenAPI description documents."""
    return answer({"detail": detail, "status": 400}, status=400)


async def _account(request: web.Request) -> web.Response:
    core = core_of(request)
    return answer(core.views.account(core.config.username))


async def _hardware(request: web.Request) -> web.Response:
    del request
    return answer([{"name": name, "sku": sku} for name, sku in HARDWARE])


async def _secret(request: web.Request) -> web.Response:
    return answer({"key": core_of(request).hooks.secret})


def routes() -> list[web.RouteDef]:
    """The routes of this module."""
    return [
        web.get("/v1/collections", _collections),
        web.get("/v1/collections/{slug}", _collection),
        web.get("/v1/search", _search),
        web.get("/v1/account", _account),
        web.get("/v1/hardware", _hardware),
        web.get("/v1/webhooks/default/secret", _secret),
    ]
