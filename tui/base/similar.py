"""The nearest of known words to one that was mistyped."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A question that names the nearest known word; empty where none is near."""
    import difflib

    lowered = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), lowered, n=1)
    return f"Did you mean {lowered[near[0]]}?" if near else ""
