"""Routes for deployments and their predictions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from aiohttp import web

from tui.base.json_types import JsonObject
from tui.sandbox.http_tools import answer, core_of, json_object, only_known, page, text_problems
from tui.sandbox.problems import invalid_version, not_found, validation_failed
from tui.sandbox.registry import HARDWARE, Deployment
from tui.sandbox.routes.predictions import REQUEST_KEYS, start_prediction

_SETTINGS = frozenset({"version", "hardware", "min_instances", "max_instances"})
_REST = timedelta(minutes=15)


def _view(request: web.Request, deployment: Deployment) -> JsonObject:
    core = core_of(request)
    return deployment.view(core.views.account(core.config.username))


def _find(request: web.Request) -> Deployment:
    info = request.match_info
    deployment = core_of(request).deployments.get(f"{info['owner']}/{info['name']}")
    if deployment is None:
        raise not_found()
    return deployment


def _check_settings(body: Mapping[str, Any]) -> None:
    problems = []
    if "hardware" in body and body["hardware"] not in [sku for _, sku in HARDWARE]:
        skus = ", ".join(sku for _, sku in HARDWARE)
        problems.append(("/hardware", f"Hardware must be one of: {skus}"))
    for name, top in (("min_instances", 5), ("max_instances", 20)):
        value = body.get(name, 0)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= top:
            problems.append((f"/{name}", f"{name} must be between 0 and {top}"))
    if problems:
        raise validation_failed(problems)


async def _list(request: web.Request) -> web.Response:
    items = list(core_of(request).deployments.values())
    return page(request, items, lambda item: json.dumps(_view(request, item)).encode())


async def _create(request: web.Request) -> web.Response:
    core = core_of(request)
    body = await json_object(request)
    only_known(body, _SETTINGS | {"name", "model"})
    problems = text_problems(body, required=("name", "model", "version", "hardware"))
    problems += [
        (f"/{name}", f"{name} is required")
        for name in ("min_instances", "max_instances")
        if name not in body
    ]
    if problems:
        raise validation_failed(problems)
    _check_settings(body)
    version = core.registry.version(f"{body['model']}:{body['version']}")
    if version is None:
        raise invalid_version()
    deployment = Deployment(
        core.config.username,
        str(body["name"]),
        version,
        body["hardware"],
        body["min_instances"],
        body["max_instances"],
        core.clock.now(),
    )
    if deployment.full_name in core.deployments:
        text = "A deployment with that name already exists"
        raise validation_failed([("/name", text)])
    core.deployments[deployment.full_name] = deployment
    return answer(_view(request, deployment))


async def _get(request: web.Request) -> web.Response:
    return answer(_view(request, _find(request)))


async def _update(request: web.Request) -> web.Response:
    core = core_of(request)
    deployment = _find(request)
    body = await json_object(request)
    only_known(body, _SETTINGS)
    _check_settings(body)
    if "version" in body:
        version = core.registry.version(f"{deployment.version.model}:{body['version']}")
        if version is None:
            raise invalid_version()
        deployment.version = version
    for name in _SETTINGS - {"version"}:
        if name in body:
            setattr(deployment, name, body[name])
    deployment.number += 1
    deployment.created_at = core.clock.now()
    return answer(_view(request, deployment))


async def _delete(request: web.Request) -> web.Response:
    core = core_of(request)
    deployment = _find(request)
    rest = timedelta(seconds=core.clock.real(_REST.total_seconds()))
    last_used = max(
        (
            record.created_at
            for record in core.jobs.order["prediction"][-1000:]
            if record.deployment == deployment.full_name
        ),
        default=None,
    )
    if last_used is not None and core.clock.now() - last_used < rest:
        text = "Only deployments that are offline and unused for 15 minutes can be deleted"
        raise validation_failed([("/", text)])
    del core.deployments[deployment.full_name]
    return web.Response(status=204)


async def _predict(request: web.Request) -> web.Response:
    deployment = _find(request)
    body = await json_object(request)
    only_known(body, REQUEST_KEYS - {"version"})
    return await start_prediction(
        request, deployment.version, body, deployment=deployment.full_name
    )


def routes() -> list[web.RouteDef]:
    """The routes of this module."""
    path = "/v1/deployments/{owner}/{name}"
    return [
        web.get("/v1/deployments", _list),
        web.post("/v1/deployments", _create),
        web.get(path, _get),
        web.patch(path, _update),
        web.delete(path, _delete),
        web.post(f"{path}/predictions", _predict),
    ]
