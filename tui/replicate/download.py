"""Downloads an output file from any byte on."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from tui.replicate.errors import InvalidRequestError, ReplicateError
from tui.replicate.outputs import NOT_FETCHED_ADVICE, why_refused
from tui.replicate.redact import redact_url
from tui.replicate.session import Call, Session

_PIECE = 1024 * 1024
_RANGE = re.compile(r"bytes (\d+)-\d*/(\d+)")
_EMPTY = 416


@dataclass(frozen=True, slots=True)
class Download:
    """An answer whose content has not been read yet.

    Attributes:
        start: offset of the first byte; 0 if the host ignores ranges or the file was replaced.
        total: size of the whole file in bytes, None when unknown.
        ranged: whether the host supports ranges.
        etag: the ETag of the content, "" without one.
        md5: of the whole file in hexadecimal digits, "" when unknown.
        pieces: the content.
    """

    start: int
    total: int | None
    ranged: bool
    etag: str
    md5: str
    pieces: AsyncIterator[bytes]


@asynccontextmanager
async def open_download(
    session: Session, url: str, *, start: int = 0, stop: int | None = None, etag: str = ""
) -> AsyncIterator[Download]:
    """Open `url` from byte `start` up to `stop` (exclusive).

    Only the API's file routes and Replicate's delivery hosts are called, see `why_refused`; only
    the former get the token.

    Args:
        session: the connections to use.
        url: the absolute URL.
        start: offset of the first byte.
        stop: end offset, None for the end of the file.
        etag: the expected ETag; if it has changed, the whole new file is sent (`start` is 0).

    Raises:
        ReplicateError: the file cannot be fetched, or the connection broke.
    """
    if why := why_refused(session.base, url):
        raise InvalidRequestError(
            f"{redact_url(url)} is not fetched: {why}.", advice=NOT_FETCHED_ADVICE
        )
    last = "" if stop is None else str(stop - 1)
    # No compression: ranges of a compressed body count other bytes.
    headers = {"Accept-Encoding": "identity", "Range": f"bytes={start}-{last}"}
    if etag and not etag.startswith("W/"):
        headers["If-Range"] = etag
    name = httpx.URL(url).path.rpartition("/")[2] or "a file"
    call = Call(
        what=f"the download of {name}", method="GET", url=url, headers=headers, bounded=False
    )
    try:
        async with session.exchange(call, output=True) as response:
            yield _read(response)
    except ReplicateError as error:
        if error.status != _EMPTY or start:
            raise
        yield Download(0, 0, False, "", "", _no_content())


def _read(response: httpx.Response) -> Download:
    headers = response.headers
    part = _RANGE.fullmatch(headers.get("content-range", "")) if response.is_success else None
    etag, md5 = headers.get("etag", ""), _md5(headers.get_list("x-goog-hash"))
    pieces = response.aiter_bytes(_PIECE)
    if response.status_code == httpx.codes.PARTIAL_CONTENT and part is not None:
        return Download(int(part[1]), int(part[2]), True, etag, md5, pieces)
    size = headers.get("content-length", "")
    known = size.isdecimal() and "content-encoding" not in headers
    return Download(0, int(size) if known else None, False, etag, md5, pieces)


def _md5(hashes: list[str]) -> str:
    """Return the MD5 of the `x-goog-hash` header (`md5=<base64>`) of Google Cloud Storage."""
    for item in ",".join(hashes).split(","):
        kind, _, value = item.strip().partition("=")
        if kind == "md5":
            try:
                return base64.b64decode(value, validate=True).hex()
            except binascii.Error:
                return ""
    return ""


async def _no_content() -> AsyncIterator[bytes]:
    """Yield the content of an empty file: one empty piece."""
    yield b""
