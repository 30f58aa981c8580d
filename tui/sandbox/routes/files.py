"""Routes for uploading, describing, deleting and downloading files."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from tui.base.json_types import JsonObject
from tui.sandbox.faults import Fault, FaultKind
from tui.sandbox.files import LIMIT_BYTES, Incoming, too_large
from tui.sandbox.http_tools import OTHER_USER, answer, core_of
from tui.sandbox.problems import ProblemError, not_found, validation_failed

_ENVELOPE = 64 * 1024
"""Bytes of a multipart body beside the file's content."""
_FIELD_LIMIT = 64 * 1024
_NAME_LIMIT = 255
_CHUNK = 256 * 1024


def _owner(request: web.Request) -> str:
    """The other user that asks; "" is the sandbox's own."""
    return str(request.get(OTHER_USER, ""))


async def _create(request: web.Request) -> web.Response:
    core = core_of(request)
    if (request.content_length or 0) > LIMIT_BYTES + _ENVELOPE:
        raise too_large()
    if not request.content_type.startswith("multipart/"):
        raise ProblemError(415, f'Unsupported media type "{request.content_type}" in request.')
    incoming, part, fields = await _read_parts(request)
    if incoming is None or part is None:
        raise validation_failed([("/content", "Missing content")])
    name = fields.get("filename") or part.filename or "file"
    if len(name.encode()) > _NAME_LIMIT:
        incoming.path.unlink(missing_ok=True)
        raise validation_failed([("/filename", "Filename must be at most 255 bytes long")])
    kind = fields.get("type") or part.headers.get("Content-Type") or "application/octet-stream"
    stored = core.files.keep(incoming, name, kind, _metadata(fields), owner=_owner(request))
    return answer(core.files.view(stored, core.views.base_url), status=201)


async def _read_parts(
    request: web.Request,
) -> tuple[Incoming | None, BodyPartReader | None, dict[str, str]]:
    core = core_of(request)
    incoming: Incoming | None = None
    content: BodyPartReader | None = None
    fields: dict[str, str] = {}
    try:
        reader = await request.multipart()
        while (part := await reader.next()) is not None:
            if not isinstance(part, BodyPartReader):
                continue
            if part.name == "content" and incoming is None:
                content = part
                fault = core.faults.take(
                    FaultKind.DAMAGED_UPLOAD, f"{request.method} {request.path}"
                )
                chunks = _chunks(part)
                incoming = await core.files.receive(_damaged(chunks, fault) if fault else chunks)
            elif part.name:
                raw = await part.read_chunk(_FIELD_LIMIT)
                fields[part.name] = raw.decode("utf-8", "replace")
    except (ValueError, AssertionError, HttpProcessingError) as error:
        if incoming is not None:
            incoming.path.unlink(missing_ok=True)
        raise ProblemError(400, f"Multipart form parse error - {error}") from error
    return incoming, content, fields


async def _chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    while chunk := await part.read_chunk(_CHUNK):
        yield chunk


async def _damaged(chunks: AsyncIterator[bytes], fault: Fault) -> AsyncIterator[bytes]:
    """The chunks without the last bytes, or with a changed first byte (damaged-upload)."""
    lost = int(fault.number(0))
    held = b""
    first = True
    async for chunk in chunks:
        held += bytes([chunk[0] ^ 1]) + chunk[1:] if first and not lost else chunk
        first = False
        free = max(0, len(held) - lost)
        yield held[:free]
        held = held[free:]


def _metadata(fields: dict[str, str]) -> JsonObject:
    """The file's metadata: a JSON document, or the `metadata[key]` fields of some clients."""
    if "metadata" in fields:
        try:
            value = json.loads(fields["metadata"])
        except ValueError as error:
            raise validation_failed([("/metadata", "Value must be valid JSON.")]) from error
        if not isinstance(value, dict):
            raise validation_failed([("/metadata", "Value must be an object.")])
        return value
    return {
        name[len("metadata[") : -1]: value
        for name, value in fields.items()
        if name.startswith("metadata[") and name.endswith("]")
    }


async def _list(request: web.Request) -> web.Response:
    core = core_of(request)
    views = [
        core.files.view(item, core.views.base_url)
        for item in core.files.all()
        if item.owner == _owner(request)
    ]
    return answer({"next": None, "previous": None, "results": views})


async def _get(request: web.Request) -> web.Response:
    core = core_of(request)
    stored = core.files.get(request.match_info["file_id"])
    if stored is None or stored.owner != _owner(request):
        raise not_found("File")
    return answer(core.files.view(stored, core.views.base_url))


async def _delete(request: web.Request) -> web.Response:
    files, file_id = core_of(request).files, request.match_info["file_id"]
    stored = files.get(file_id)
    if stored is None or stored.owner != _owner(request):
        raise not_found("File")
    files.delete(file_id)
    return web.Response(status=204, content_type="text/plain")


async def _download(request: web.Request) -> web.StreamResponse:
    files = core_of(request).files
    file_id = request.match_info["file_id"]
    query = request.query
    allowed = files.may_download(
        file_id, query.get("owner", ""), query.get("expiry", ""), query.get("signature", "")
    )
    stored = files.get(file_id) if allowed else None
    if stored is None:
        raise not_found("File")
    return web.FileResponse(stored.path, headers={"Content-Type": "application/octet-stream"})


def routes() -> list[web.RouteDef]:
    """The routes of this module."""
    return [
        web.post("/v1/files", _create),
        web.get("/v1/files", _list),
        web.get("/v1/files/{file_id}", _get),
        web.delete("/v1/files/{file_id}", _delete),
        web.get("/v1/files/{file_id}/download", _download),
    ]
