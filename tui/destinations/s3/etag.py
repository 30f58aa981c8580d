"""Comparing a local file with an object's ETag."""

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
# What other tools use: AWS and boto3, rclone and s3cmd, s5cmd, MinIO, the web console.
_USUAL_PARTS = tuple(size * MIB for size in (8, 5, 15, 16, 50, 64, 10, 20, 25, 32, 100, 128))


class EtagCheck:
    """Whether a content has an ETag, told piece by piece.

    An ETag tells something about the content when it is an MD5, or the MD5 of the MD5s of parts
    whose size can be guessed.
    """

    def __init__(self, size: int, etag: str) -> None:
        """Args: bytes of the whole, and what the far end says."""
        self._etag = etag.strip('"').lower()
        self._ours = part_size(size)
        found = _PARTED.fullmatch(self._etag)
        sizes: list[int] = []
        if _SINGLE.fullmatch(self._etag):
            sizes = [0]
        elif found is not None:
            usual = dict.fromkeys((self._ours, *_USUAL_PARTS))
            sizes = [one for one in usual if max(1, math.ceil(size / one)) == int(found[1])]
        self._parts = {one: _Parts(one) for one in sizes}

    @property
    def tells(self) -> bool:
        """Whether it can be compared at all."""
        return bool(self._parts)

    def update(self, piece: bytes) -> None:
        """The next bytes of the content."""
        for one in self._parts.values():
            one.update(piece)

    def equal(self) -> bool | None:
        """Whether what came has the ETag; None when the ETag tells nothing about it."""
        if not self._parts:
            return None
        if any(one.etag() == self._etag for one in self._parts.values()):
            return True
        # An honest server with another size of parts looks the same as a damaged file; only our own
        # size of parts, which is the only one that could have given this count, is proof.
        return False if list(self._parts) in ([0], [self._ours]) else None


class _Parts:
    """MD5s of parts of one size; of the whole where the size is 0."""

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
    """Whether the file has that ETag; None when the ETag tells nothing about the content.

    Reads the file once, for `whole` too; where nothing can be compared not at all.
    """
    check = EtagCheck(size, etag)
    if not check.tells:
        return None
    for piece in pieces(path, cancel):
        check.update(piece)
        if whole is not None:
            whole.update(piece)
    return check.equal()
