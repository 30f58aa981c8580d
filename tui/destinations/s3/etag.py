"""Compares a local file with an object's ETag.

An ETag is the MD5 of the content, or for multipart uploads the MD5 of the parts' MD5s, whose size
it does not contain. Otherwise (KMS, some servers) it says nothing about the content.
"""

from __future__ import annotations

import hashlib
import math
import re
import threading
from pathlib import Path

from tui.destinations.common.meter import pieces
from tui.destinations.s3.parts import MIB, part_size, whole_etag

_SINGLE = re.compile(r"[0-9a-f]{32}")
_PARTED = re.compile(r"[0-9a-f]{32}-(\d+)")
# Default part sizes of AWS tools and boto3, rclone, s3cmd, s5cmd, MinIO and the web console.
_USUAL_PARTS = tuple(size * MIB for size in (8, 5, 15, 16, 50, 64, 10, 20, 25, 32, 100, 128))


class EtagCheck:
    """Checks incrementally whether a content has an ETag, for all part sizes that are possible."""

    def __init__(self, size: int, etag: str) -> None:
        """Prepare a check.

        Args:
            size: bytes of the content.
            etag: the object's ETag.
        """
        self._etag = etag.strip('"').lower()
        self._ours = part_size(size)
        match = _PARTED.fullmatch(self._etag)
        sizes: list[int] = []
        if _SINGLE.fullmatch(self._etag):
            sizes = [0]
        elif match is not None:
            usual = dict.fromkeys((self._ours, *_USUAL_PARTS))
            sizes = [part for part in usual if max(1, math.ceil(size / part)) == int(match[1])]
        self._parts = {part: _Parts(part) for part in sizes}

    @property
    def tells(self) -> bool:
        """Whether the ETag can be compared."""
        return bool(self._parts)

    def update(self, piece: bytes) -> None:
        """Add the next bytes of the content."""
        for parts in self._parts.values():
            parts.update(piece)

    def equal(self) -> bool | None:
        """Whether the content has the ETag; None if the ETag cannot tell."""
        if not self._parts:
            return None
        if any(parts.etag() == self._etag for parts in self._parts.values()):
            return True
        # A mismatch may come from an unknown part size as well as from other content. It is proof
        # only if our own part size is the only one that gives this number of parts.
        return False if list(self._parts) in ([0], [self._ours]) else None


class _Parts:
    """The MD5s of parts of one size; size 0 means the whole content."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._open = hashlib.md5(usedforsecurity=False)
        self._filled = 0
        self._made: list[str] = []

    def update(self, piece: bytes) -> None:
        data = memoryview(piece)
        while self._size and len(data) >= self._size - self._filled:
            left = self._size - self._filled
            self._open.update(data[:left])
            self._made.append(self._open.hexdigest())
            self._open, self._filled, data = hashlib.md5(usedforsecurity=False), 0, data[left:]
        self._open.update(data)
        self._filled += len(data)

    def etag(self) -> str:
        if not self._size:
            return self._open.hexdigest()
        last = [self._open.hexdigest()] if self._filled else []
        return whole_etag([*self._made, *last])


def matches(
    path: Path,
    size: int,
    etag: str,
    cancel: threading.Event | None = None,
    *,
    whole: hashlib._Hash | None = None,
) -> bool | None:
    """Whether a file has that ETag; None if the ETag cannot tell.

    Reads the file once and updates `whole` as well; does not read it if it cannot be compared.
    """
    check = EtagCheck(size, etag)
    if not check.tells:
        return None
    for piece in pieces(path, cancel):
        check.update(piece)
        if whole is not None:
            whole.update(piece)
    return check.equal()
