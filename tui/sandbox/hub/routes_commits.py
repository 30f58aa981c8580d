"""Preupload (which file goes which way) and commits."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from typing import Any

from aiohttp import web

from tui.sandbox.hub.repos import Entry, HubRepo, git_oid, pointer
from tui.sandbox.hub.state import Hub, HubRefusalError, commit_of, hub_of, json_body, repo_of

_LARGE_KINDS = (
    ".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".gguf", ".onnx", ".zip", ".tar", ".gz",
    ".npz", ".npy", ".parquet", ".arrow", ".h5", ".7z", ".xz", ".zst", ".model", ".msgpack",
)  # fmt: skip


def routes() -> list[web.RouteDef]:
    """The addresses of this module."""
    one = "/api/{kind:models|datasets|spaces}/{owner}/{name}"
    return [
        web.post(one + "/preupload/{revision}", _preupload),
        web.post(one + "/commit/{revision}", _commit),
    ]


async def _preupload(request: web.Request) -> web.Response:
    hub, repo, body = hub_of(request), repo_of(request, write=True), await json_body(request)
    tree = commit_of(request, repo).tree
    answer = []
    for item in body.get("files", []):
        path, size = str(item["path"]), int(item["size"])
        large = path.lower().endswith(_LARGE_KINDS) or size >= hub.config.lfs_from
        shown: dict[str, Any] = {
            "path": path, "uploadMode": "lfs" if large else "regular", "shouldIgnore": False
        }  # fmt: skip
        if known := tree.get(path):
            shown["oid"] = known.sha256 or known.oid
        answer.append(shown)
    return web.json_response({"files": answer})


async def _commit(request: web.Request) -> web.Response:
    hub, repo = hub_of(request), repo_of(request, write=True)
    if request.match_info["revision"] != "main":
        raise HubRefusalError(404, "Invalid rev id", "RevisionNotFound")
    lines = (await request.read()).splitlines()
    try:
        operations = [(str(item["key"]), item["value"]) for item in map(json.loads, lines)]
    except (ValueError, KeyError, TypeError) as error:
        raise HubRefusalError(400, f"Invalid commit: {error}") from error
    if not operations or operations[0][0] != "header":
        raise HubRefusalError(400, "A commit begins with its header")
    header = operations[0][1]
    parent = header.get("parentCommit")
    if parent is not None and parent != repo.head.oid:
        raise HubRefusalError(412, "A commit has happened since. Please refresh and try again.")
    tree = dict(repo.head.tree)
    for key, value in operations[1:]:
        await _apply(hub, repo, tree, key, value)
    title = str(header.get("summary", ""))
    commit = repo.head if hub.faults.forget_commits else repo.commit(title, tree)
    url = f"{hub.url}/{repo.repo_id}/commit/{commit.oid}"
    return web.json_response({"success": True, "commitOid": commit.oid, "commitUrl": url})


async def _apply(
    hub: Hub, repo: HubRepo, tree: dict[str, Entry], key: str, value: dict[str, Any]
) -> None:
    path = str(value.get("path", ""))
    if not path or path.startswith("/") or ".." in path.split("/"):
        raise HubRefusalError(400, f"Invalid path {path!r}")
    if key == "file":
        try:
            content = base64.b64decode(str(value.get("content", "")), validate=True)
        except binascii.Error as error:
            raise HubRefusalError(400, f"{path}: {error}") from error
        oid = git_oid(content)
        hub.blobs.keep_small(oid, content)
        tree[path] = Entry(len(content), oid)
    elif key == "lfsFile":
        oid = str(value.get("oid", ""))
        stored = hub.blobs.large(oid) or await asyncio.to_thread(hub.blobs.from_xet, oid)
        if stored is None:
            raise HubRefusalError(400, f"{path}: the LFS object {oid[:12]} was never uploaded")
        repo.lfs.add(oid)
        size = stored.stat().st_size
        tree[path] = Entry(size, git_oid(pointer(oid, size)), oid)
    elif key == "deletedFile":
        if tree.pop(path, None) is None:
            raise HubRefusalError(404, "A file with this name doesn't exist", "EntryNotFound")
    elif key == "deletedFolder":
        for inside in [name for name in tree if name.startswith(path.rstrip("/") + "/")]:
            del tree[inside]
    else:
        raise HubRefusalError(400, f"Unknown operation {key}")
