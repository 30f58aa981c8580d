"""Names in the order that people expect: `checkpoint-50` before `checkpoint-200`."""

from __future__ import annotations

import re

TYPE_CHECKING = False  # `typing` takes longer to load than a short command to run
if TYPE_CHECKING:
    from typing import Final

_DIGITS: Final = re.compile(r"(\d+)")


def natural_order(name: str) -> tuple[tuple[tuple[int, int | str], ...], str]:
    """Returns what names are sorted by: their figures as numbers, all other text as it is.

    Two names that differ, if only in leading zeros, never compare equal.
    """
    parts = _DIGITS.split(name)  # text and figures in turns, beginning and ending with text
    return tuple(
        (1, part) if not number % 2 else (0, int(part)) for number, part in enumerate(parts)
    ), name
