"""Sending a file as multipart/form-data without holding it in memory."""

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
"""The largest file that Replicate takes, in bytes (100 MiB)."""

# On a slow line small pieces make the progress smooth; on a fast one each piece's way through the
# HTTP library counts. The size follows the line: doubled when a piece was gone at once.
_SMALLEST_PIECE, _LARGEST_PIECE = 64 * 1024, 1024 * 1024
_AT_ONCE, _SLOW = 0.02, 0.25  # seconds for a piece
_LONGEST_NAME = 255  # bytes of UTF-8, by the API's description
_HEX = frozenset("0123456789abcdef")
_UNQUOTABLE = {'"': "%22", "\r": "%0D", "\n": "%0A", "\0": ""}

Progress = Callable[[int, int], None]
"""Called with the bytes that are done and the bytes that there are."""


class FileForm:
    """A form with one file in the part `content`, and a part `metadata` if there is any.

    A context manager, because an HTTP library that is cancelled leaves the body's generator as
    it is: the file must not depend on that for being closed.

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
        """The form, piece by piece, from its beginning each time it is asked for.

        `progress` counts bytes of the file that have been handed to the network; the kernel is
        told to hold back no more than half a MiB of them.

        Raises:
            FileChangedError: the file is not as long any more as it was.
        """
        report = progress or _ignore
        report(0, self.size)
        yield self._head
        self._file.seek(0)
        self._start_digests()
        sent, grain = 0, _SMALLEST_PIECE
        while sent < self.size:
            piece = await asyncio.to_thread(self._next, min(grain, self.size - sent))
            if not piece:
                raise FileChangedError(
                    f"{self._name} became shorter while it was being sent.",
                    advice="Make the archive again and let nothing else write to it.",
                )
            started = time.monotonic()
            yield piece
            took = time.monotonic() - started
            sent += len(piece)
            report(sent, self.size)
            if took < _AT_ONCE:
                grain = min(grain * 2, _LARGEST_PIECE)
            elif took > _SLOW:
                grain = max(grain // 2, _SMALLEST_PIECE)
        yield self._tail

    def damage(self, file: File, sha256: str = "") -> str:
        """How the file that the service holds differs from what `body` read; "" if in nothing.

        Only what the answer tells is compared. Its `size` and `checksums` (`sha256`; `md5` in
        recorded answers) are those of https://api.replicate.com/openapi.json.

        Args:
            file: the answer to the upload.
            sha256: what the content should have, in hex; "" takes what was read.
        """
        own = {"sha256": self._sha256.hexdigest(), "md5": self._md5.hexdigest()}
        if sha256 and own["sha256"] != sha256:
            return f"{self._name} was changed on this machine before it was sent"
        if file.size is not None and file.size != self.size:
            return f"{file.size:,} bytes instead of {self.size:,}"
        told = {name.lower(): value.strip().lower() for name, value in file.checksums.items()}
        for name, right in own.items():
            found = told.get(name, "")
            # Anything that is no such checksum, perhaps in another notation, proves nothing.
            if len(found) == len(right) and set(found) <= _HEX and found != right:
                return f"its {name.upper()} is another"
        return ""

    def _start_digests(self) -> None:
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False)

    def _next(self, size: int) -> bytes:
        """Read and hash a piece; blocking."""
        piece = self._file.read(size)
        self._sha256.update(piece)
        self._md5.update(piece)
        return piece


def _ignore(_done: int, _total: int) -> None:
    """Nobody wants to know."""


def _part_head(boundary: str, name: str, filename: str, content_type: str) -> bytes:
    file = f'; filename="{_quote(filename)}"' if filename else ""
    return (
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n'
        f"Content-Type: {_quote(content_type)}\r\n\r\n"
    ).encode()


def _quote(text: str) -> str:
    """As browsers write names in forms (HTML standard, multipart/form-data encoding)."""
    return "".join(_UNQUOTABLE.get(c, c) for c in text)


def _fit(filename: str) -> str:
    """A name within the limit that keeps its ending."""
    clean = filename.encode("utf-8", "replace").decode()
    stem, ending = os.path.splitext(clean)  # noqa: PTH122  # Path would take "/" for a separator
    while len((stem + ending).encode()) > _LONGEST_NAME and stem:
        stem = stem[:-1]
    return (stem + ending) if stem else "file"
