"""Fetching a file to disk, whole or not at all."""

from __future__ import annotations

import asyncio
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import httpx

from tui.replicate.errors import InvalidRequestError, NoAnswerError
from tui.replicate.redact import redact_url
from tui.replicate.session import Call, Session
from tui.replicate.upload import Progress

_PIECE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A file that has arrived.

    Attributes:
        path: where it is.
        size: bytes.
        sha256: hex digest of what was written.
    """

    path: Path
    size: int
    sha256: str


async def download_file(
    session: Session, url: str, dest: Path, progress: Progress | None
) -> Downloaded:
    """Fetch `url` into `dest`, by way of a temporary neighbour; an older `dest` is replaced.

    The token goes along only to the service's own host. `progress` gets (done, total) bytes;
    total is 0 while unknown.

    Raises:
        ReplicateError: it could not be fetched whole.
        OSError: it could not be written.
    """
    if httpx.URL(url).scheme not in {"http", "https"}:
        raise InvalidRequestError(f"{redact_url(url)} cannot be downloaded.")
    call = Call(what=f"the download of {dest.name}", method="GET", url=url, bounded=False)
    retry = session.network.retry
    for attempt in range(1, retry.attempts + 1):
        try:
            return await _fetch(session, call, dest, progress)
        except NoAnswerError:
            if attempt == retry.attempts:
                raise
            await asyncio.sleep(min(retry.longest, retry.base * 2**attempt))
    raise AssertionError("unreachable: the last attempt returns or raises")


async def _fetch(session: Session, call: Call, dest: Path, progress: Progress | None) -> Downloaded:
    part = dest.with_name(f".{dest.name}.part")
    digest = hashlib.sha256()
    done = 0
    try:
        with part.open("wb") as file:
            async with session.exchange(call, abroad=True) as response:
                encoded = "content-encoding" in response.headers
                total = 0 if encoded else int(response.headers.get("content-length") or 0)
                async for piece in response.aiter_bytes(_PIECE):
                    await asyncio.to_thread(_take, piece, file, digest)
                    done += len(piece)
                    if progress is not None:
                        progress(done, total)
            await asyncio.to_thread(_settle, file)
        part.replace(dest)
    finally:
        part.unlink(missing_ok=True)
    return Downloaded(dest, done, digest.hexdigest())


def _take(piece: bytes, file: BinaryIO, digest: hashlib._Hash) -> None:
    digest.update(piece)
    file.write(piece)


def _settle(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
