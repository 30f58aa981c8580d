"""Asking for a yes before something that costs or cannot be taken back."""

from __future__ import annotations

import sys
from typing import Final

ASK_WITH_YES: Final = "Agree with --yes where nobody can be asked."


def agrees(question: str) -> bool:
    """Ask on a terminal; where there is none, nobody agrees."""
    if sys.stdin is None or not sys.stdin.isatty():
        return False
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
