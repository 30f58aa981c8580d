"""What reading from a far end gives; blocking, for threads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reading:
    """An opened file.

    Attributes:
        start: the first byte that comes; 0 when the far end takes no ranges.
        read: the next bytes, at most as many as asked for; empty at the end. Raises PublishError.
    """

    start: int
    read: Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class FarFile:
    """A file at a far end.

    Attributes:
        name: relative to what was listed.
        size: bytes.
        mark: changes when the content does.
        sha256: in hex; "" where the far end does not tell.
        git: git's hash; "" where the far end does not tell.
    """

    name: str
    size: int
    mark: str
    sha256: str = ""
    git: str = ""
