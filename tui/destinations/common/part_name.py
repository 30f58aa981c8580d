"""What a file is called, beside its place, while it is not whole."""

from __future__ import annotations

import hashlib
import os
from typing import Final

_HEAD_BYTES: Final = 100
"""Enough to recognise it; the limit of 255 (eCryptfs: 143) is in bytes, not in letters."""


def part_stem(name: str) -> str:
    """What the names of all unfinished copies of a file begin with."""
    raw = os.fsencode(name)
    head = raw[:_HEAD_BYTES].decode(errors="ignore")  # not half a letter at its end
    return f".{head}.{hashlib.sha256(raw).hexdigest()[:8]}"


def part_name(name: str, own: str = "") -> str:
    """The hidden name of an unfinished copy.

    Args:
        name: what it will be called when it is whole.
        own: what sets it apart from unfinished copies of the same file that others make.
    """
    return f"{part_stem(name)}{own and f'.{own}'}.part"
