"""Filters of the list that were given a name: kept from one run to the next, listed by a key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

PURPOSE: Final = "filter name"
_ROOM: Final = 2_000
"""Letters that all of them have together, as they are kept."""


def read_filters(text: str) -> dict[str, str]:
    """Returns the filters that were kept, by name; none where the text is damaged."""
    try:
        known = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    if not isinstance(known, dict):
        return {}
    return {name: words for name, words in known.items()
            if name and isinstance(words, str) and words.strip()}  # fmt: skip


def written(filters: Mapping[str, str]) -> str:
    """Returns filters as they are kept."""
    return json.dumps(dict(filters), ensure_ascii=False) if filters else ""


def name_of(filters: Mapping[str, str], text: str) -> str:
    """Returns the name of a filter; empty for one without."""
    wanted = " ".join(text.split())
    return next((name for name, words in filters.items() if " ".join(words.split()) == wanted), "")


def named(filters: Mapping[str, str], text: str, name: str) -> dict[str, str] | None:
    """Returns the filters with this one under a name; an empty name takes its own away.

    None where there is no room for one more.
    """
    before, name = name_of(filters, text), " ".join(name.split())
    kept = {known: words for known, words in filters.items() if known != before}
    if name:
        kept[name] = text.strip()
    return kept if len(written(kept)) <= _ROOM else None
