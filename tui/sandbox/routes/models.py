"""Routes for models, their versions, examples and readme, and predictions of official models."""

from __future__ import annotations

import json
import re

from aiohttp import web

from tui.sandbox.http_tools import answer, core_of, json_object, only_known, page, text_problems
from tui.sandbox.problems import not_found, validation_failed
from tui.sandbox.record import Record
from tui.sandbox.registry import HARDWARE, Model, Version
from tui.sandbox.routes.predictions import REQUEST_KEYS, start_prediction

MODELS_PER_PAGE = 25
_SORTS = ("model_created_at", "latest_version_created_at")
_EDITABLE = ("description", "readme", "github_url", "paper_url", "weights_url", "license_url")
_NEEDED = ("owner", "name", "visibility", "hardware")
_ADDRESSES = ("github_url", "paper_url", "weights_url", "license_url", "cover_image_url")
_WORDS = re.compile(r"[\w./-]+")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,98}")
_CREATE_KEYS = frozenset(
    {
        "owner",
        "name",
        "visibility",
        "hardware",
        "description",
        "github_url",
        "paper_url",
        "license_url",
        "cover_image_url",
    }
)


def find_model(request: web.Request) -> Model:
    """The model in the request's path.

    Raises:
        ProblemError: 404, it does not exist.
    """
    info = request.match_info
    model = core_of(request).registry.model(info["owner"], info["name"])
    if model is None:
        raise not_found()
    return model


def find_version(request: web.Request) -> Version:
    """The version in the request's path.

    Raises:
        ProblemError: 404, it does not exist.
    """
    wanted = request.match_info["version"]
    version = next((item for item in find_model(request).versions if item.id == wanted), None)
    if version is None:
        raise not_found()
    return version


def examples_of(request: web.Request, model: Model) -> list[Record]:
    """The last ten successful predictions of a model that still have data, oldest first."""
    records = core_of(request).jobs.order["prediction"]
    return [
        record
        for record in records[-500:]
        if record.version.model == model.full_name
        and record.status == "succeeded"
        and not record.data_removed
    ][-10:]


def encode_model(request: web.Request, model: Model) -> bytes:
    """A model as JSON text."""
    return json.dumps(core_of(request).views.model(model)).encode()


async def _list(request: web.Request) -> web.Response:
    sort = request.query.get("sort_by", _SORTS[1])
    direction = request.query.get("sort_direction", "desc")
    problems = []
    if sort not in _SORTS:
        problems.append(("/sort_by", f"sort_by must be one of: {', '.join(_SORTS)}"))
    if direction not in {"asc", "desc"}:
        problems.append(("/sort_direction", "sort_direction must be one of: asc, desc"))
    if problems:
        raise validation_failed(problems)
    public = [m for m in core_of(request).registry.models.values() if m.visibility == "public"]
    public.sort(key=lambda model: (_age(model, sort), model.full_name))
    if direction == "asc":
        public.reverse()
    encode = lambda model: encode_model(request, model)  # noqa: E731 - one expression, used once
    return page(request, public, encode, size=MODELS_PER_PAGE)


def _age(model: Model, sort: str) -> float:
    newest = model.versions[0].release.created_at if model.versions else model.created_at
    return (newest if sort == _SORTS[1] else model.created_at).timestamp()


async def _query(request: web.Request) -> web.Response:
    # Two of the official clients send the text in quotes, as JSON.
    words = _WORDS.findall((await request.text()).lower())
    models = [
        model
        for model in core_of(request).registry.models.values()
        if model.visibility == "public"
        and all(word in f"{model.full_name} {model.description}".lower() for word in words)
    ]
    encode = lambda model: encode_model(request, model)  # noqa: E731 - one expression, used once
    return page(request, models, encode, size=MODELS_PER_PAGE)


async def _create(request: web.Request) -> web.Response:
    core = core_of(request)
    body = await json_object(request)
    only_known(body, _CREATE_KEYS)
    problems = text_problems(body, required=_NEEDED, addresses=_ADDRESSES)
    if not problems and not _NAME.fullmatch(body["name"]):
        text = "Names hold lower-case letters, digits, dashes, underscores and dots"
        problems.append(("/name", text))
    if not problems and body["visibility"] not in {"public", "private"}:
        problems.append(("/visibility", "visibility must be public or private"))
    if not problems and body["hardware"] not in {sku for _, sku in HARDWARE}:
        skus = ", ".join(sku for _, sku in HARDWARE)
        problems.append(("/hardware", f"Hardware must be one of: {skus}"))
    if not problems and body["owner"] != core.config.username:
        problems.append(("/owner", "You can only create models that you own"))
    if not problems and core.registry.model(body["owner"], body["name"]):
        problems.append(("/name", "A model with that name and owner already exists"))
    if problems:
        raise validation_failed(problems)
    values = {name: body[name] for name in _CREATE_KEYS if isinstance(body.get(name), str)}
    model = Model(**({"description": ""} | values), program="train", created_at=core.clock.now())
    core.registry.add(model)
    return answer(core.views.model(model), status=201)


async def _get(request: web.Request) -> web.Response:
    model = find_model(request)
    examples = examples_of(request, model)
    return answer(core_of(request).views.model(model, examples[-1] if examples else None))


async def _update(request: web.Request) -> web.Response:
    model = find_model(request)
    body = await json_object(request)
    only_known(body, frozenset(_EDITABLE))
    if problems := text_problems(body, addresses=_ADDRESSES):
        raise validation_failed(problems)
    for name in _EDITABLE:
        if isinstance(body.get(name), str):
            setattr(model, name, body[name])
    return answer(core_of(request).views.model(model))


async def _delete(request: web.Request) -> web.Response:
    model = find_model(request)
    if model.visibility != "private" or model.versions:
        text = "Only private models without versions can be deleted"
        raise validation_failed([("/", text)])
    del core_of(request).registry.models[model.full_name]
    return web.Response(status=204)


async def _examples(request: web.Request) -> web.Response:
    views = core_of(request).views
    records = examples_of(request, find_model(request))
    return page(request, records, lambda record: views.encode(record, "list"))


async def _readme(request: web.Request) -> web.Response:
    model = find_model(request)
    if not model.readme:
        raise not_found("README")
    return web.Response(text=model.readme, content_type="text/plain")


async def _versions(request: web.Request) -> web.Response:
    views = core_of(request).views
    oldest_first = list(reversed(find_model(request).versions))
    return page(request, oldest_first, lambda version: json.dumps(views.version(version)).encode())


async def _version(request: web.Request) -> web.Response:
    return answer(core_of(request).views.version(find_version(request)))


async def _delete_version(request: web.Request) -> web.Response:
    model, version = find_model(request), find_version(request)
    if model.owner != core_of(request).config.username:
        raise not_found()
    model.versions.remove(version)
    return web.Response(status=202)


async def _predict(request: web.Request) -> web.Response:
    model = find_model(request)
    if not model.is_official or not model.versions:
        raise not_found()
    body = await json_object(request)
    only_known(body, REQUEST_KEYS - {"version"})
    return await start_prediction(request, model.versions[0], body)


def routes() -> list[web.RouteDef]:
    """The routes of this module."""
    path = "/v1/models/{owner}/{name}"
    return [
        web.get("/v1/models", _list),
        web.route("QUERY", "/v1/models", _query),
        web.post("/v1/models", _create),
        web.get(path, _get),
        web.patch(path, _update),
        web.delete(path, _delete),
        web.get(f"{path}/examples", _examples),
        web.get(f"{path}/readme", _readme),
        web.get(f"{path}/versions", _versions),
        web.get(f"{path}/versions/{{version}}", _version),
        web.delete(f"{path}/versions/{{version}}", _delete_version),
        web.post(f"{path}/predictions", _predict),
    ]
