"""Comparing a local file with an object's ETag."""

from __future__ import annotations

import hashlib
import math
import re
import threading
from pathlib import Path

from tui.publishing.meter import pieces
from tui.publishing.s3_parts import MIB, part_size, whole_etag

_SINGLE = re.compile(r"[0-9a-f]{32}")
_PARTED = re.compile(r"[0-9a-f]{32}-(\d+)")
# What other tools use: AWS and boto3, rclone and s3cmd, s5cmd, MinIO, the web console.
_USUAL_PARTS = tuple(size * MIB for size in (8, 5, 15, 16, 50, 64, 10, 20, 25, 32, 100, 128))


def matches(
    path: Path,
    size: int,
    etag: str,
    cancel: threading.Event | None = None,
    *,
    whole: hashlib._Hash | None = None,
) -> bool | None:
    """Whether the file has that ETag; None when the ETag tells nothing about the content.

    It tells something when it is an MD5, or the MD5 of the MD5s of parts whose size can be
    guessed. Reads the file once, for `whole` too; where nothing can be compared not at all.
    """
    etag = etag.strip('"').lower()
    if _SINGLE.fullmatch(etag):
        return _digest(path, cancel, whole) == etag
    found = _PARTED.fullmatch(etag)
    if found is None:
        return None
    count = int(found[1])
    sizes = dict.fromkeys((part_size(size), *_USUAL_PARTS))
    fitting = [one for one in sizes if max(1, math.ceil(size / one)) == count]
    if not fitting:
        return None
    made = _parted(path, fitting, cancel, whole)
    if etag in made:
        return True
    # An honest server with another size of parts looks the same as a damaged file; only our own
    # size of parts, which is the only one that could have given this count, is proof.
    return False if fitting == [part_size(size)] else None


def _digest(path: Path, cancel: threading.Event | None, whole: hashlib._Hash | None) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    for piece in pieces(path, cancel):
        digest.update(piece)
        if whole is not None:
            whole.update(piece)
    return digest.hexdigest()


def _parted(
    path: Path, sizes: list[int], cancel: threading.Event | None, whole: hashlib._Hash | None
) -> set[str]:
    """The ETags for several sizes of parts, all multiples of the blocks that are read."""
    open_parts = {size: hashlib.md5(usedforsecurity=False) for size in sizes}
    lists: dict[int, list[str]] = {size: [] for size in sizes}
    filled = dict.fromkeys(sizes, 0)
    for piece in pieces(path, cancel):
        if whole is not None:
            whole.update(piece)
        for size in sizes:
            open_parts[size].update(piece)
            filled[size] += len(piece)
            if filled[size] == size:
                lists[size].append(open_parts[size].hexdigest())
                open_parts[size] = hashlib.md5(usedforsecurity=False)
                filled[size] = 0
    for size in sizes:
        if filled[size]:
            lists[size].append(open_parts[size].hexdigest())
    return {whole_etag(made) for made in lists.values()}
