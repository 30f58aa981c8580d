"""Names of published files."""

from __future__ import annotations


def is_called(name: str, elsewhere: str) -> bool:
    """Whether a job's file may have been published as `elsewhere`: its name, or the end of it."""
    return name == elsewhere or name.endswith(f"/{elsewhere}")
