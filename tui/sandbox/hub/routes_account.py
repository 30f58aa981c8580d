"""Routes for whoami, creating and describing repositories, and permission checks."""

from __future__ import annotations

import asyncio
import re

from aiohttp import web

from tui.base.json_types import JsonObject
from tui.sandbox.hub.repos import Commit, HubRepo
from tui.sandbox.hub.state import (
    HubRefusalError,
    caller,
    check_gate,
    check_write,
    commit_of,
    hub_of,
    json_body,
    repo_of,
    writer,
)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")


def routes() -> list[web.RouteDef]:
    """The routes of this module."""
    repository = "/api/{kind:models|datasets|spaces}/{owner}/{name}"
    return [
        web.get("/api/whoami-v2", _whoami),
        web.post("/api/repos/create", _create),
        web.delete("/api/repos/delete", _delete),
        web.post("/api/validate-yaml", _validate_yaml),
        web.get(repository, _info),
        web.get(repository + "/revision/{revision}", _info),
        web.get(repository + "/auth-check", _auth_check),
        web.get(repository + "/auth-check/write", _auth_check_write),
        web.put(repository + "/settings", _settings),
    ]


async def _whoami(request: web.Request) -> web.Response:
    hub = hub_of(request)
    if hub.faults.slow_whoami:
        await asyncio.sleep(hub.faults.slow_whoami)
    return web.json_response(hub.accounts.whoami(writer(request)))


async def _create(request: web.Request) -> web.Response:
    hub, token, body = hub_of(request), writer(request), await json_body(request)
    name = str(body.get("name", ""))
    namespace = str(body.get("organization") or token.user)
    kind = str(body.get("type") or "model")
    if kind not in {"model", "dataset", "space"}:
        raise HubRefusalError(400, f"Invalid repo type {kind}")
    if not _NAME.fullmatch(name) or "--" in name or ".." in name or name.endswith(".git"):
        raise HubRefusalError(400, f"Invalid repository name {name!r}")
    repo_id = f"{namespace}/{name}"
    check_write(hub, token, namespace, repo_id)
    url = f"{hub.url}/{'' if kind == 'model' else kind + 's/'}{repo_id}"
    if known := hub.repos.get(kind, repo_id):
        text = f"You already created this {kind} repo"
        extra = {"url": url, "id": known.repo_id}
        answer = {"error": text, **extra}
        return web.json_response(answer, status=409, headers={"X-Error-Message": text})
    private = body.get("visibility") == "private" or bool(body.get("private"))
    repo = hub.repos.add(HubRepo(repo_id, kind, private))
    return web.json_response({"url": url, "name": repo.repo_id, "id": repo.head.oid})


async def _delete(request: web.Request) -> web.Response:
    hub, token, body = hub_of(request), writer(request), await json_body(request)
    namespace = str(body.get("organization") or token.user)
    repo = hub.repos.get(str(body.get("type") or "model"), f"{namespace}/{body.get('name')}")
    if repo is None:
        raise HubRefusalError(404, "Repository not found", "RepoNotFound")
    check_write(hub, token, repo.namespace, repo.repo_id)
    hub.repos.remove(repo)
    return web.json_response({})


async def _validate_yaml(request: web.Request) -> web.Response:
    """Check only that the metadata block has a beginning and an end."""
    content = str((await json_body(request)).get("content", ""))
    if not content.startswith("---\n"):
        missing = {"message": "empty or missing yaml metadata in repo card"}
        return web.json_response({"errors": [], "warnings": [missing]})
    if "\n---\n" not in content[3:]:
        errors = [{"message": "the metadata block has no end"}]
        return web.json_response({"errors": errors, "warnings": []}, status=400)
    return web.json_response({"errors": [], "warnings": []})


def describe(repo: HubRepo, commit: Commit) -> JsonObject:
    """The JSON object of a repository."""
    return {
        "_id": commit.oid[:24],
        "id": repo.repo_id,
        "modelId": repo.repo_id,
        "author": repo.namespace,
        "sha": commit.oid,
        "lastModified": commit.date.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "private": repo.private,
        "disabled": False,
        "gated": "manual" if repo.gated else False,
        "tags": [],
        "downloads": 0,
        "likes": 0,
        "siblings": [{"rfilename": path} for path in sorted(commit.tree)],
    }


async def _info(request: web.Request) -> web.Response:
    repo = repo_of(request)
    return web.json_response(describe(repo, commit_of(request, repo)))


async def _auth_check(request: web.Request) -> web.Response:
    check_gate(hub_of(request), caller(request, needed=False), repo_of(request))
    return web.json_response({})


async def _auth_check_write(request: web.Request) -> web.Response:
    repo_of(request, write=True)
    return web.json_response({})


async def _settings(request: web.Request) -> web.Response:
    repo = repo_of(request, write=True)
    body = await json_body(request)
    if "private" in body or "visibility" in body:
        repo.private = bool(body.get("private")) or body.get("visibility") == "private"
    return web.json_response({"private": repo.private})
