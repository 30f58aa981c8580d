"""Routes for uploads: the kind of each file (preupload), large files (LFS, Xet), and commits."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import json
import math
import re
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from aiohttp import web

from tui.base.json_types import JsonObject
from tui.sandbox.hub.repos import Entry, HubRepo, git_oid, pointer
from tui.sandbox.hub.state import Hub, HubRefusalError, commit_of, hub_of, json_body, repo_of

_OID = re.compile(r"[0-9a-f]{64}")
_BLOCK = 512 * 1024
_STALLED = "/xet-that-stalls"
_LFS_JSON = "application/vnd.git-lfs+json"
_LARGE_KINDS = (
    ".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".gguf", ".onnx", ".zip", ".tar", ".gz",
    ".npz", ".npy", ".parquet", ".arrow", ".h5", ".7z", ".xz", ".zst", ".model", ".msgpack",
)  # fmt: skip
_LARGE_IN_DATASETS = (
    ".bmp", ".gif", ".png", ".tiff", ".jpg", ".jpeg", ".webp", ".mp4", ".webm",
    ".aac", ".flac", ".mp3", ".ogg", ".wav", ".pcm", ".sam", ".raw",
)  # fmt: skip
"""What the `.gitattributes` of a new dataset repository adds to the kinds of every repository."""


@dataclass(slots=True)
class Upload:
    """The upload of one large file.

    Attributes:
        repo: its repository.
        oid: announced SHA-256.
        size: announced size in bytes.
        part_bytes: size of a part; None when the file is sent in one request.
        parts: received parts by number: path, and the MD5 that was answered as ETag.
    """

    repo: HubRepo
    oid: str
    size: int
    part_bytes: int | None
    parts: dict[int, tuple[Path, str]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Number of parts."""
        return math.ceil(self.size / self.part_bytes) if self.part_bytes else 1


async def _batch(request: web.Request) -> web.Response:
    hub, repo, body = hub_of(request), repo_of(request, write=True), await json_body(request)
    objects = [_plan(hub, repo, item) for item in body.get("objects", [])]
    return web.json_response(
        {"transfer": "multipart" if hub.config.part_bytes else "basic", "objects": objects},
        content_type=_LFS_JSON,
    )


class _XetAccess(TypedDict):
    """Where content goes, and with which token, until when."""

    casUrl: str
    accessToken: str
    exp: int


def _plan(hub: Hub, repo: HubRepo, item: JsonObject) -> JsonObject:
    oid, size = str(item.get("oid", "")), item.get("size")
    shown = {"oid": oid, "size": size}
    if not _OID.fullmatch(oid) or not isinstance(size, int) or size < 0:
        return {**shown, "error": {"code": 422, "message": "Invalid object"}}
    if hub.blobs.large(oid):
        repo.lfs.add(oid)
        return shown
    quota = hub.faults.quota
    if quota is not None and size > quota:
        text = "Storage quota of this account is used up"
        return {**shown, "error": {"code": 507, "message": text}}
    parts = hub.config.part_bytes if hub.config.part_bytes and size else None
    upload, name = Upload(repo, oid, size, parts), secrets.token_urlsafe(18)
    hub.uploads[name] = upload
    base = f"{hub.url}/lfs/{name}"
    verify = {"href": f"{base}/verify"}
    if parts is None:
        return {**shown, "actions": {"upload": {"href": base}, "verify": verify}}
    header = {str(number): f"{base}/{number}" for number in range(1, upload.count + 1)}
    action = {"href": f"{base}/complete", "header": {"chunk_size": str(parts), **header}}
    return {**shown, "actions": {"upload": action, "verify": verify}}


def _upload(request: web.Request) -> Upload:
    upload = hub_of(request).uploads.get(request.match_info["upload"])
    if not isinstance(upload, Upload):
        raise HubRefusalError(403, "Request has expired")
    return upload


async def _put(request: web.Request) -> web.Response:
    hub, upload = hub_of(request), _upload(request)
    number = int(request.match_info.get("part", 1))
    if not 1 <= number <= upload.count:
        raise HubRefusalError(400, "No such part")
    expected = upload.size
    if upload.part_bytes:
        expected = min(upload.part_bytes, upload.size - (number - 1) * upload.part_bytes)
    path = hub.blobs.incoming()
    try:
        etag = await _receive(request, hub, path, expected, whole=upload.part_bytes is None)
        if upload.part_bytes is None:
            _compare(etag, upload.oid)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    upload.parts[number] = (path, etag)
    if upload.part_bytes is None:
        _store(hub, upload, path)
    return web.Response(headers={"ETag": f'"{etag}"'})


def _compare(received: str, announced: str) -> None:
    if received != announced:
        raise HubRefusalError(400, "The content is not what its SHA-256 announced")


async def _receive(
    request: web.Request, hub: Hub, path: Path, expected: int, *, whole: bool
) -> str:  # fmt: skip
    """Write a request body to a file; return the SHA-256 of a whole file, the MD5 of a part."""
    digest = hashlib.sha256() if whole else hashlib.md5(usedforsecurity=False)
    cut = hub.faults.cut_uploads > 0
    size = 0

    def take(data: bytes) -> None:
        digest.update(data)
        file.write(data)

    with path.open("wb") as file:
        pending = bytearray()
        async for piece in request.content.iter_any():
            pending += piece
            size += len(piece)
            hub.received_bytes += len(piece)
            if cut and size > expected // 2:
                hub.faults.cut_uploads -= 1
                _break_off(request)
            if len(pending) >= _BLOCK:
                await asyncio.to_thread(take, bytes(pending))
                pending.clear()
        await asyncio.to_thread(take, bytes(pending))
    if size != expected:
        raise HubRefusalError(400, f"Expected {expected} bytes, got {size}")
    return digest.hexdigest()


def _break_off(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
    raise ConnectionResetError("a fault cut the connection")


def _store(hub: Hub, upload: Upload, path: Path) -> None:
    if hub.faults.lose_last_byte:
        with path.open("r+b") as file:
            file.truncate(max(0, upload.size - 1))
    hub.blobs.keep_large(path, upload.oid)
    upload.repo.lfs.add(upload.oid)


async def _complete(request: web.Request) -> web.Response:
    hub, upload, body = hub_of(request), _upload(request), await json_body(request)
    given = {
        int(item["partNumber"]): str(item["etag"]).strip('"') for item in body.get("parts", [])
    }
    held = {number: etag for number, (_, etag) in upload.parts.items()}
    if given != held or len(given) != upload.count:
        raise HubRefusalError(400, "The list of parts is not the one that was received")
    whole = hub.blobs.incoming()
    parts = [upload.parts[number][0] for number in sorted(upload.parts)]
    try:
        _compare(await asyncio.to_thread(hub.blobs.join, parts, whole), upload.oid)
    except HubRefusalError:
        whole.unlink()
        raise
    _store(hub, upload, whole)
    return web.json_response({}, content_type=_LFS_JSON)


async def _verify(request: web.Request) -> web.Response:
    hub, upload, body = hub_of(request), _upload(request), await json_body(request)
    if body.get("oid") != upload.oid or hub.blobs.large(upload.oid) is None:
        raise HubRefusalError(404, "The object is not here")
    del hub.uploads[request.match_info["upload"]]
    return web.json_response({"message": "verified"}, content_type=_LFS_JSON)


async def _xet(request: web.Request) -> web.Response:
    """Give the real Xet client a local folder as its storage, or a server that stalls."""
    hub = hub_of(request)
    repo_of(request, write=True)
    if not hub.config.xet:
        raise HubRefusalError(404, "This Hub has no Xet storage")
    hub.xet_uploads += 1
    answer: _XetAccess = {
        "casUrl": f"{hub.url}{_STALLED}" if hub.faults.stall_xet else f"local://{hub.blobs.cas}",
        "accessToken": "sandbox",
        "exp": int(time.time()) + 3600,
    }
    headers = {
        "X-Xet-Cas-Url": answer["casUrl"],
        "X-Xet-Access-Token": answer["accessToken"],
        "X-Xet-Token-Expiration": str(answer["exp"]),
    }
    return web.json_response(answer, headers=headers)


async def _stalled_xet(request: web.Request) -> web.Response:
    """Answer that a chunk is not known; keep what wants to upload waiting."""
    if request.method == "GET":
        raise HubRefusalError(404, "Not found")
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


async def _preupload(request: web.Request) -> web.Response:
    hub, repo, body = hub_of(request), repo_of(request, write=True), await json_body(request)
    tree = commit_of(request, repo).tree
    answer = []
    for item in body.get("files", []):
        path, size = str(item["path"]), int(item["size"])
        kinds = _LARGE_KINDS + (_LARGE_IN_DATASETS if repo.kind == "dataset" else ())
        large = path.lower().endswith(kinds) or size >= hub.config.lfs_from
        shown: JsonObject = {
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
    hub: Hub, repo: HubRepo, tree: dict[str, Entry], key: str, value: JsonObject
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


def routes() -> list[web.RouteDef]:
    """The routes of this module."""
    repository = "/api/{kind:models|datasets|spaces}/{owner}/{name}"
    definitions = [
        web.put("/lfs/{upload}", _put),
        web.put("/lfs/{upload}/{part:\\d+}", _put),
        web.post("/lfs/{upload}/complete", _complete),
        web.post("/lfs/{upload}/verify", _verify),
        web.route("*", _STALLED + "/{rest:.*}", _stalled_xet),
        web.get(repository + "/xet-write-token/{revision}", _xet),
        web.post(repository + "/preupload/{revision}", _preupload),
        web.post(repository + "/commit/{revision}", _commit),
    ]
    batch = "/{owner}/{name}.git/info/lfs/objects/batch"
    return [
        *definitions,
        web.post(batch, _batch),
        web.post("/{kind:datasets|spaces}" + batch, _batch),
    ]
