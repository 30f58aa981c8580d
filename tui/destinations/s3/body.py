"""What is sent to S3: a piece of a file that tells how it gets on."""

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
    """A piece of a file on its way: counted, held to the bandwidth limit, stopped when asked.

    It reads from the file as it goes, so that parts cost no memory. botocore reads a body once to
    sign it and once to send it; only what is read after `sending` was switched on counts.

    Where the file ends too early it raises SourceChangedError: the length was promised already, and
    a server would wait for the rest until it gives up.
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
        """The MD5 of the piece, read once for `others` too; of less when the file is shorter."""
        digest = hashlib.md5(usedforsecurity=False)
        at = 0
        while at < self._length:
            self._meter.check()
            piece = os.pread(self._file, min(PIECE, self._length - at), self._start + at)
            if not piece:
                break
            for one in (digest, *others):
                one.update(piece)
            at += len(piece)
        return digest

    def __len__(self) -> int:
        return self._length

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Position."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move; what was counted and will be sent once more is taken off again."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._length}[whence]
        self._at = max(0, start + offset)
        if self.counted > self._at:
            self._meter.back(self.counted - self._at)
            self.counted = self._at
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        """The next bytes."""
        left = self._length - self._at
        wanted = left if size is None or size < 0 else min(size, left)
        return self._pass(self._all(wanted))

    def readinto(self, buffer: Any, /) -> int:
        """The next bytes, into a buffer (botocore's native signer reads so)."""
        wanted = min(len(buffer), self._length - self._at)
        piece = self._pass(self._all(wanted))
        buffer[: len(piece)] = piece
        return len(piece)

    def _all(self, wanted: int) -> bytes:
        """Exactly so many bytes; mounted folders may give fewer at a time."""
        found = os.pread(self._file, wanted, self._start + self._at)
        while len(found) < wanted:
            more = os.pread(self._file, wanted - len(found), self._start + self._at + len(found))
            if not more:
                raise SourceChangedError(self._name)
            found += more
        return found

    def _pass(self, piece: bytes) -> bytes:
        self._at += len(piece)
        if self.sending:
            self.counted += len(piece)
            self._meter.add(len(piece))
        return piece

    def rewind(self) -> None:
        """Back to the beginning, and uncounted."""
        self.seek(0)


def watch_sending(client: S3Client) -> None:
    """Tell bodies of this client when they are only signed and when they are sent.

    A body's Content-MD5 is signed, and every server compares it with what arrives: so the body
    itself is not hashed once more for the signature, which botocore would do without TLS.
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
