"""Handlers for reading objects: GET and HEAD, with ranges and conditions."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

from aiohttp import web

from tui.listener.storage.checksums import HEADER
from tui.listener.storage.errors import S3Error
from tui.listener.storage.folder import StoredObject
from tui.listener.storage.request import StorageRequest

_BLOCK = 1024 * 1024
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


def no_such_key() -> S3Error:
    """Return the error for a key without an object."""
    return S3Error("NoSuchKey", "The specified key does not exist.")


async def get_object(request: StorageRequest) -> web.StreamResponse:
    """GET and HEAD of an object."""
    if "partNumber" in request.query:
        raise S3Error("InvalidArgument", "Objects are not kept in parts here.")
    stored = await request.work(request.storage.folder.find, request.key)
    if stored is None:
        raise no_such_key()
    headers = _headers(request, stored)
    if (status := _condition(request, stored)) is not None:
        if status == 412:
            raise S3Error("PreconditionFailed", "At least one of the conditions did not hold.")
        return web.Response(status=304, headers=headers)
    first, count, partial = _chosen_range(request.signed.header("range"), stored.size)
    if partial:
        headers["Content-Range"] = f"bytes {first}-{first + count - 1}/{stored.size}"
    elif (request.signed.header("x-amz-checksum-mode") or "").upper() == "ENABLED":
        headers |= {f"{HEADER}{name}": value for name, value in stored.checksums.items()}
        if stored.checksums:
            headers["x-amz-checksum-type"] = stored.checksum_type
    response = web.StreamResponse(status=206 if partial else 200, headers=headers)
    response.content_length = count
    if request.http.method == "HEAD":
        await response.prepare(request.http)
        return response
    return await _send(request, response, stored, first, count)


async def _send(
    request: StorageRequest,
    response: web.StreamResponse,
    stored: StoredObject,
    first: int,
    count: int,
) -> web.StreamResponse:
    try:
        descriptor, start = await request.work(request.storage.folder.open, stored)
    except OSError:
        raise no_such_key() from None  # replaced since the look-up, say; the client asks again
    try:
        await response.prepare(request.http)
        position, end = start + first, start + first + count
        while position < end:
            data = await request.work(os.pread, descriptor, min(_BLOCK, end - position), position)
            if not data:
                raise ConnectionResetError("the file was cut short while it was sent")
            await response.write(data)
            position += len(data)
        await response.write_eof()
    finally:
        os.close(descriptor)
    return response


def _headers(request: StorageRequest, stored: StoredObject) -> dict[str, str]:
    headers = {
        "ETag": f'"{stored.etag}"',
        "Last-Modified": format_datetime(stored.received_at, usegmt=True),
        "Content-Type": stored.content_type,
        "Accept-Ranges": "bytes",
        # A delivered file may be HTML: a browser must not run scripts from it.
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "X-Content-Type-Options": "nosniff",
    }
    headers |= {f"x-amz-meta-{name}": value for name, value in stored.metadata.items()}
    disposition = request.query.get("response-content-disposition")
    if disposition is not None and disposition.isprintable():
        headers["Content-Disposition"] = disposition
    return headers


def _condition(request: StorageRequest, stored: StoredObject) -> int | None:
    """The status that a conditional header asks for, in the order of RFC 9110 §13.2.2."""
    header = request.signed.header
    match, none_match = header("if-match"), header("if-none-match")
    changed = stored.received_at.replace(microsecond=0)
    if match is not None:
        if not _contains_etag(match, stored.etag):
            return 412
    elif (since := _date(header("if-unmodified-since"))) and changed > since:
        return 412
    if none_match is not None:
        if _contains_etag(none_match, stored.etag):
            return 304
    elif (since := _date(header("if-modified-since"))) and changed <= since:
        return 304
    return None


def _contains_etag(value: str, etag: str) -> bool:
    tags = {tag.strip().removeprefix("W/").strip('"') for tag in value.split(",")}
    return "*" in tags or etag in tags


def _date(value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        moment = parsedate_to_datetime(value)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _chosen_range(header: str | None, size: int) -> tuple[int, int, bool]:
    """Return first byte, byte count, and whether that is a part; S3 ignores malformed ranges."""
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or not (match[1] or match[2]):
        return 0, size, False
    if not match[1]:
        count = min(int(match[2]), size)
        first = size - count
    else:
        first = int(match[1])
        last = min(int(match[2]), size - 1) if match[2] else size - 1
        if match[2] and int(match[2]) < first:
            return 0, size, False
        count = last - first + 1
    if count <= 0 or first >= size:
        raise S3Error(
            "InvalidRange",
            "The requested range is not satisfiable.",
            RangeRequested=header or "",
            ActualObjectSize=str(size),
        )
    return first, count, True
