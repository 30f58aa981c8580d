"""How many messages stand over a page at once: what is read last is at its bottom."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Final

_WIDTH: Final = 61
"""Cells of a text, as `styles/shared.tcss` says."""


def no_longer_shown(texts: Sequence[str], height: int) -> int:
    """Returns how many of the oldest messages go away for the newest one.

    The rest take half of the screen's rows at most, except that the newest is shown whatever it
    takes. All of them are among the notices.

    Args:
        texts: the messages, the newest last.
        height: rows of the screen.
    """
    rows, kept = 0, 0
    for text in reversed(texts):
        rows += sum(len(textwrap.wrap(line, _WIDTH)) or 1 for line in text.split("\n"))
        if kept and rows > height // 2:
            break
        kept += 1
    return len(texts) - kept
