"""Makes text from a log safe for a terminal: no escape sequences and no direction marks."""

from __future__ import annotations

import re
from typing import Final

_ESCAPES: Final = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])"
    r"|\x9b[0-?]*[ -/]*[@-~]"
)
# Control characters, marks that change the writing direction, line and paragraph separators, the
# byte order mark, and surrogates.
_DROPPED: Final = (
    *range(0x20),
    *range(0x7F, 0xA0),
    0x061C,
    0x200E,
    0x200F,
    *range(0x2028, 0x202F),
    *range(0x2066, 0x2070),
    0xFEFF,
    *range(0xFFF9, 0xFFFC),
    *range(0xD800, 0xE000),
)
_TABLE: Final[dict[int, str | None]] = dict.fromkeys(_DROPPED) | {9: "    "}


def safe_text(text: str) -> str:
    """`text` without escape sequences, control characters and direction marks; tabs as spaces."""
    if text.isprintable():
        return text
    if "\x1b" in text or "\x9b" in text:
        text = _ESCAPES.sub("", text)
    return text.translate(_TABLE)
