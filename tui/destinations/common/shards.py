"""Weights that are split over several files: which of the files are missing.

Layout of `save_pretrained` in diffusers and transformers: `NAME-00001-of-00003.safetensors` beside
`NAME.safetensors.index.json`, whose `weight_map` names the file of each tensor. A model with a file
less cannot be loaded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from pathlib import PurePosixPath
from typing import Final

INDEX_SUFFIX: Final = ".index.json"
MAX_INDEX_BYTES: Final = 32 * 1024 * 1024
"""Largest index that is read; those of large models have a few MB."""
_SHARD: Final = re.compile(r"(.+)-(\d{5})-of-(\d{5})(\.[A-Za-z0-9]+)")
_MOST_SHARDS: Final = 10_000

Indexes = Mapping[str, tuple[str, ...] | None]
"""Names of an index's shards, relative to its folder, by its own name; None if not readable."""


def is_index(name: str) -> bool:
    """Whether a file is an index of shards."""
    return name.endswith(INDEX_SUFFIX)


def read_index(data: bytes) -> tuple[str, ...] | None:
    """The shards that an index names, or None when it is not a whole index."""
    try:
        weight_map = json.loads(data)["weight_map"]
        shards = {shard for shard in weight_map.values() if isinstance(shard, str)}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return tuple(sorted(shards)) or None


def missing_shards(names: Collection[str], indexes: Indexes) -> dict[str, tuple[str, ...]]:
    """Find weights that cannot be loaded because files beside them are missing.

    Args:
        names: the files that are there.
        indexes: the indexes that are there.

    Returns:
        By each file of an incomplete set: the names of the set's missing files.
    """
    present = set(names)
    incomplete: dict[str, dict[str, None]] = {}

    def note(files: Collection[str], missing: Collection[str]) -> None:
        for name in files:
            if missing and name in present:
                incomplete.setdefault(name, {}).update(dict.fromkeys(missing))

    for index, shards in indexes.items():
        if shards is not None:
            files = [_beside(index, shard) for shard in shards]
            note(files, [name for name in files if name not in present])
    for files, index in _numbered_sets(present):
        missing = [name for name in files if name not in present]
        if indexes.get(index) is None:
            missing.append(index)
        note(files, missing)
    return {name: tuple(missing) for name, missing in incomplete.items()}


def _numbered_sets(names: Collection[str]) -> list[tuple[list[str], str]]:
    """The sets of numbered shards: all their files, and the name of their index."""
    sets: dict[tuple[str, int, str], None] = {}
    for name in sorted(names):
        if match := _SHARD.fullmatch(name):
            total = min(int(match[3]), _MOST_SHARDS)
            sets[match[1], total, match[4]] = None
    return [
        (
            [f"{start}-{number:05d}-of-{total:05d}{suffix}" for number in range(1, total + 1)],
            f"{start}{suffix}{INDEX_SUFFIX}",
        )
        for start, total, suffix in sets
    ]


def _beside(name: str, other: str) -> str:
    return str(PurePosixPath(name).parent / other) if "/" in name else other
