"""Streams a file as multipart/form-data.

Own code and not httpx's `files=`: that reads the file synchronously in the event loop, and has no
progress, no adaptive piece size and no checksum of the bytes sent.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Self

from tui.replicate.errors import FileChangedError, TooLargeError
from tui.replicate.models import File

FILE_LIMIT = 104_857_600
"""The largest file that Replicate accepts, in bytes (100 MiB)."""

# On a slow connection small pieces make the progress smooth; on a fast one the overhead of a piece
# in the HTTP library counts. So the size doubles after a fast piece and halves after a slow one.
_SMALLEST_PIECE, _LARGEST_PIECE = 64 * 1024, 1024 * 1024
_AT_ONCE, _SLOW = 0.02, 0.25  # seconds for a piece
_LONGEST_NAME = 255  # bytes of UTF-8, by the API's description
_HEX = frozenset("0123456789abcdef")
_UNQUOTABLE = {'"': "%22", "\r": "%0D", "\n": "%0A", "\0": ""}

Progress = Callable[[int, int], None]
"""Called with the bytes done and the bytes in all."""


class FileForm:
    """A form with a file in the part `content`, and an optional part `metadata`.

    A context manager, because httpx does not close the body's generator when a call is cancelled,
    so the generator cannot be relied on to close the file.

    Raises:
        TooLargeError: the file is larger than `FILE_LIMIT`.
        OSError: the file cannot be read.
    """

    def __init__(
        self, path: Path, *, filename: str, content_type: str, metadata: Mapping[str, Any] | None
    ) -> None:
        self._name = path.name
        self._file: BinaryIO = path.open("rb")
        self._start_digests()
        self.size = os.fstat(self._file.fileno()).st_size
        if self.size > FILE_LIMIT:
            self._file.close()
            raise TooLargeError(
                f"{path.name} has {self.size} bytes; Replicate takes files up to {FILE_LIMIT} "
                "bytes (100 MiB). Nothing was sent.",
                advice="Have the data fetched from a web address, S3 or the Hub instead.",
            )
        boundary = secrets.token_hex(16)
        head = b""
        if metadata:
            head = _part_head(boundary, "metadata", "", "application/json")
            head += json.dumps(dict(metadata)).encode() + b"\r\n"
        self._head = head + _part_head(boundary, "content", _fit(filename), content_type)
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self.headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Content-Length": str(len(self._head) + self.size + len(self._tail)),
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    async def body(self, progress: Progress | None) -> AsyncIterator[bytes]:
        """Yield the form piece by piece, from its start at each call.

        `progress` counts bytes of the file that the kernel has accepted, of which it buffers at
        most half a MiB (see `tui.replicate.network`).

        Raises:
            FileChangedError: the file became shorter.
        """
        report = progress or _ignore
        report(0, self.size)
        yield self._head
        self._file.seek(0)
        self._start_digests()
        sent, piece_size = 0, _SMALLEST_PIECE
        while sent < self.size:
            piece = await asyncio.to_thread(self._next, min(piece_size, self.size - sent))
            if not piece:
                raise FileChangedError(
                    f"{self._name} became shorter while it was being sent.",
                    advice="Make the archive again and let nothing else write to it.",
                )
            started = time.monotonic()
            yield piece
            elapsed = time.monotonic() - started
            sent += len(piece)
            report(sent, self.size)
            if elapsed < _AT_ONCE:
                piece_size = min(piece_size * 2, _LARGEST_PIECE)
            elif elapsed > _SLOW:
                piece_size = max(piece_size // 2, _SMALLEST_PIECE)
        yield self._tail

    def damage(self, file: File, sha256: str = "") -> str:
        """Return how the service's file differs from the content that `body` read, or "".

        Only values in the answer are compared: `size` and `checksums` (`sha256`; `md5` in recorded
        answers), as described by https://api.replicate.com/openapi.json.

        Args:
            file: the answer to the upload.
            sha256: the expected hash in hexadecimal digits; "" accepts the content as read.
        """
        own = {"sha256": self._sha256.hexdigest(), "md5": self._md5.hexdigest()}
        if sha256 and own["sha256"] != sha256:
            return f"{self._name} was changed on this machine before it was sent"
        if file.size is not None and file.size != self.size:
            return f"{file.size:,} bytes instead of {self.size:,}"
        checksums = {name.lower(): value.strip().lower() for name, value in file.checksums.items()}
        for name, right in own.items():
            value = checksums.get(name, "")
            # A value in another notation proves nothing.
            if len(value) == len(right) and set(value) <= _HEX and value != right:
                return f"its {name.upper()} is another"
        return ""

    def _start_digests(self) -> None:
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False)

    def _next(self, size: int) -> bytes:
        """Read and hash a piece. Blocking."""
        piece = self._file.read(size)
        self._sha256.update(piece)
        self._md5.update(piece)
        return piece


def _ignore(_done: int, _total: int) -> None:
    """Ignore the progress."""


def _part_head(boundary: str, name: str, filename: str, content_type: str) -> bytes:
    file = f'; filename="{_quote(filename)}"' if filename else ""
    return (
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n'
        f"Content-Type: {_quote(content_type)}\r\n\r\n"
    ).encode()


def _quote(text: str) -> str:
    """Quote a name as browsers do (HTML standard, multipart/form-data encoding)."""
    return "".join(_UNQUOTABLE.get(c, c) for c in text)


def _fit(filename: str) -> str:
    """Shorten a name to the limit, keeping its suffix."""
    clean = filename.encode("utf-8", "replace").decode()
    stem, ending = os.path.splitext(clean)  # noqa: PTH122  # Path would take "/" for a separator
    while len((stem + ending).encode()) > _LONGEST_NAME and stem:
        stem = stem[:-1]
    return (stem + ending) if stem else "file"
