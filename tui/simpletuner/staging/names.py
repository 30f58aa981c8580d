"""Names of staged files: plain characters, unique, and the same for the same local name."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from tui.simpletuner.staging.manifest import Transform

_PLAIN: Final = re.compile(r"[^A-Za-z0-9._-]+")
_MOST: Final = 80
"""Characters of one part of a name; object stores limit whole keys to 1024 bytes."""
_SPLITS: Final = frozenset(
    {"train", "training", "validation", "valid", "val", "dev", "test", "testing", "eval"}
    | {"evaluation", "metadata", "data"}
)
"""Names that the `datasets` library reads as the name of a split or of a file of its own."""


def staged_names(local: Sequence[str], transforms: Sequence[Transform]) -> list[str]:
    """Return the staged name of each local name, which are relative to one dataset.

    Characters other than letters, digits, `.`, `_` and `-` are replaced, and a digest of the local
    name keeps what was replaced apart. Names that differ only in case or in their suffix get such a
    digest too: captions are written beside pictures by the stem.
    """
    stems: list[str] = []
    suffixes: list[str] = []
    for name, transform in zip(local, transforms, strict=True):
        stem, suffix = split_suffix(name)
        stems.append("/".join(plain_part(part) for part in stem.split("/")))
        suffixes.append(".png" if transform == "rgb" else suffix.lower())
    counts = Counter(stem.lower() for stem in stems)
    return [
        (f"{stem}-{_digest(name)}" if counts[stem.lower()] > 1 else stem) + suffix
        for name, stem, suffix in zip(local, stems, suffixes, strict=True)
    ]


def split_suffix(name: str) -> tuple[str, str]:
    """Split `a/b.c.jpg` into `a/b.c` and `.jpg`."""
    dot = name.rfind(".")
    return (name[:dot], name[dot:]) if dot > name.rfind("/") + 1 else (name, "")


def plain_part(part: str) -> str:
    """Return one part of a path in plain characters, the same for the same part."""
    plain = _PLAIN.sub("_", part).lstrip(".")
    if plain == part and len(part) <= _MOST and part.lower() not in _SPLITS:
        return part
    return f"{plain[:_MOST].strip('_')}-{_digest(part)}".lstrip("-.")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
