"""Routes for trainings: predictions whose result becomes a version of another model."""

from __future__ import annotations

from aiohttp import web

from tui.sandbox.http_tools import answer, core_of, json_object, only_known, page
from tui.sandbox.problems import ProblemError, validation_failed
from tui.sandbox.routes.models import find_version
from tui.sandbox.routes.predictions import accept, find

_KEYS = frozenset({"destination", "input", "webhook", "webhook_events_filter", "webhook_completed"})


async def _create(request: web.Request) -> web.Response:
    core = core_of(request)
    version = find_version(request)
    body = await json_object(request)
    only_known(body, _KEYS)
    destination = body.get("destination")
    if not isinstance(destination, str):
        raise validation_failed([("/destination", "destination is required")])
    if destination not in core.registry.models:
        raise ProblemError(404, "The specified training destination does not exist")
    record = accept(request, version, body, kind="training", destination=destination)
    return answer(core.views.encode(record, "create"), status=201)


async def _list(request: web.Request) -> web.Response:
    core = core_of(request)
    records = core.jobs.order["training"]
    return page(request, records, lambda record: core.views.encode(record, "list"))


async def _get(request: web.Request) -> web.Response:
    return answer(core_of(request).views.encode(find(request, "training"), "get"))


async def _cancel(request: web.Request) -> web.Response:
    core = core_of(request)
    record = find(request, "training")
    core.jobs.cancel(record)
    return answer(core.views.encode(record, "cancel"))


def routes() -> list[web.RouteDef]:
    """The routes of this module."""
    return [
        web.post("/v1/models/{owner}/{name}/versions/{version}/trainings", _create),
        web.get("/v1/trainings", _list),
        web.get("/v1/trainings/{id}", _get),
        web.post("/v1/trainings/{id}/cancel", _cancel),
    ]
