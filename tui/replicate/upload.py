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
from typing import Any, Self

from tui.base.formatting import plural
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
_MD5_DIGITS = 32
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
        self._file = path.open("rb")
        self._start_digest()
        self.size = os.fstat(self._file.fileno()).st_size
        if self.size > FILE_LIMIT:
            self._file.close()
            raise TooLargeError(
                f"{path.name} has {plural(self.size, 'byte')}; Replicate takes files up to "
                f"{FILE_LIMIT:,} bytes (100 MiB). Nothing was sent.",
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
        self._file.seek(0)
        self._start_digest()
        sent, piece_size = 0, _SMALLEST_PIECE
        # The next piece is read and hashed while the network takes the one before.
        ahead = self._read_ahead(min(piece_size, self.size))
        yield self._head
        while sent < self.size:
            piece = await ahead
            left = self.size - sent - len(piece)
            if piece and left:
                ahead = self._read_ahead(min(piece_size, left))
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
        answers), as described by https://api.replicate.com/openapi.json. Blocking: an answer with
        an MD5 only has the file read once more.

        Args:
            file: the answer to the upload.
            sha256: the expected hash in hexadecimal digits; "" accepts the content as read.
        """
        own = self._sha256.hexdigest()
        if sha256 and own != sha256:
            return f"{self._name} was changed on this machine before it was sent"
        if file.size is not None and file.size != self.size:
            return f"{plural(file.size, 'byte')} instead of {self.size:,}"
        checksums = {name.lower(): value.strip().lower() for name, value in file.checksums.items()}
        if _is_hex(value := checksums.get("sha256", ""), len(own)) and value != own:
            return "its SHA256 is another"
        if _is_hex(value := checksums.get("md5", ""), _MD5_DIGITS) and value != self._md5():
            return "its MD5 is another"
        return ""

    def _start_digest(self) -> None:
        self._sha256 = hashlib.sha256()

    def _md5(self) -> str:
        """The MD5 of the file. It is computed on demand, because it is slower than the network."""
        self._file.seek(0)
        return hashlib.file_digest(
            self._file, lambda: hashlib.md5(usedforsecurity=False)
        ).hexdigest()

    def _read_ahead(self, size: int) -> asyncio.Future[bytes]:
        """Start to read a piece in a thread. A failure is raised only where it is awaited."""
        piece = asyncio.ensure_future(asyncio.to_thread(self._next, size))
        piece.add_done_callback(_retrieve)
        return piece

    def _next(self, size: int) -> bytes:
        """Read and hash a piece. Blocking."""
        piece = self._file.read(size)
        self._sha256.update(piece)
        return piece


def _is_hex(text: str, digits: int) -> bool:
    """Whether a text is a hash in hexadecimal digits; another notation proves nothing."""
    return len(text) == digits and set(text) <= _HEX


def _retrieve(piece: asyncio.Future[bytes]) -> None:
    """Mark a failure as seen: a cancelled upload leaves a piece that nobody awaits."""
    if not piece.cancelled():
        piece.exception()


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
