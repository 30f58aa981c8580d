"""The body of an S3 request: a piece of a file that counts the bytes sent."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from typing import Any

from tui.destinations.common.errors import SourceChangedError
from tui.destinations.common.meter import PIECE, Meter
from tui.destinations.s3.client import S3Client


class Body(io.RawIOBase):
    """A piece of a file as a file object: counts bytes, limits the bandwidth, can be stopped.

    It reads from the file while it is sent, so that parts need no memory. botocore reads a body
    once to sign it and once to send it; only bytes that are read while `sending` is set count.

    If the file ends too early it raises SourceChangedError: Content-Length is sent already, and the
    server would wait for the rest until its time limit.
    """

    def __init__(self, name: str, file: int, start: int, length: int, meter: Meter) -> None:
        self._name = name
        self._file = file
        self._start = start
        self._length = length
        self._meter = meter
        self._at = 0
        self.sending = False
        self.counted = 0

    def md5(self, *others: hashlib._Hash) -> hashlib._Hash:
        """Return the MD5 of the piece, and update `others` in the same read."""
        digest = hashlib.md5(usedforsecurity=False)
        at = 0
        while at < self._length:
            self._meter.check()
            piece = os.pread(self._file, min(PIECE, self._length - at), self._start + at)
            if not piece:
                break
            for each_digest in (digest, *others):
                each_digest.update(piece)
            at += len(piece)
        return digest

    def __len__(self) -> int:
        return self._length

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True: io.RawIOBase, unlike this class, is not seekable."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Seek; subtracts counted bytes that will be sent again."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._length}[whence]
        self._at = max(0, start + offset)
        if self.counted > self._at:
            self._meter.back(self.counted - self._at)
            self.counted = self._at
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        """Read the next bytes."""
        left = self._length - self._at
        wanted = left if size is None or size < 0 else min(size, left)
        return self._count(self._read_exactly(wanted))

    def readinto(self, buffer: Any, /) -> int:
        """Read the next bytes into a buffer (awscrt, botocore's native signer, does)."""
        wanted = min(len(buffer), self._length - self._at)
        piece = self._count(self._read_exactly(wanted))
        buffer[: len(piece)] = piece
        return len(piece)

    def _read_exactly(self, wanted: int) -> bytes:
        """Read exactly `wanted` bytes; network file systems may return fewer at a time."""
        data = os.pread(self._file, wanted, self._start + self._at)
        while len(data) < wanted:
            more = os.pread(self._file, wanted - len(data), self._start + self._at + len(data))
            if not more:
                raise SourceChangedError(self._name)
            data += more
        return data

    def _count(self, piece: bytes) -> bytes:
        self._at += len(piece)
        if self.sending:
            self.counted += len(piece)
            self._meter.add(len(piece))
        return piece

    def rewind(self) -> None:
        """Seek to the start."""
        self.seek(0)


def watch_sending(client: S3Client) -> None:
    """Set `sending` of this client's bodies while they are sent, not while they are signed.

    The Content-MD5 of a body is signed, and every server compares it with what arrives. So the
    body is not hashed again for the signature, which botocore would do without TLS.
    """
    from botocore.config import Config

    settings: Any = {**(client.meta.config.s3 or {}), "payload_signing_enabled": False}
    by_header = client.meta.config.merge(Config(s3=settings))

    def sign_the_header(params: Any, context: Any, **_: Any) -> None:
        if isinstance(params["body"], Body) and "Content-MD5" in params["headers"]:
            context["client_config"] = by_header

    def switch(on: bool) -> Callable[..., None]:
        def handle(request: Any, **_: Any) -> None:
            if isinstance(request.data, Body):
                request.data.sending = on

        return handle

    client.meta.events.register("before-call.s3", sign_the_header)
    client.meta.events.register_first("request-created.s3", switch(False))
    client.meta.events.register_last("request-created.s3", switch(True))
