"""Reading an output file from any byte on: whoever reads decides where it goes."""

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
    """An answer whose content is still to be read.

    Attributes:
        start: the first byte that comes; 0 when the host takes no ranges, or has another file now.
        total: bytes of the whole file, None when the host does not say.
        ranged: whether it takes ranges.
        etag: the host's mark of this content, "" for none.
        md5: of the whole file in hex, "" where the host does not tell.
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
    """Open `url` from byte `start` up to `stop` (not included).

    Only the API's file routes and Replicate's delivery hosts are asked, see `why_refused`; the
    token goes to the former alone.

    Args:
        session: whose connections.
        url: absolute address.
        start: first byte.
        stop: end, None for the file's own.
        etag: if the host's mark is another one now, all of the new file comes (`start` is 0 then).

    Raises:
        ReplicateError: it cannot be had, or the line broke while it was read.
    """
    if why := why_refused(session.base, url):
        raise InvalidRequestError(
            f"{redact_url(url)} is not fetched: {why}.", advice=NOT_FETCHED_ADVICE
        )
    last = "" if stop is None else str(stop - 1)
    # Compressed on the way, byte numbers would mean something else.
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
        yield Download(0, 0, False, "", "", _nothing())


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
    """Google's storage, where outputs lie, tells it as `md5=<base64>`."""
    for item in ",".join(hashes).split(","):
        kind, _, value = item.strip().partition("=")
        if kind == "md5":
            try:
                return base64.b64decode(value, validate=True).hex()
            except binascii.Error:
                return ""
    return ""


async def _nothing() -> AsyncIterator[bytes]:
    """An empty file's content: one empty piece."""
    yield b""
