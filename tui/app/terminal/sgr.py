"""Shortest changes between two looks of a cell: colours, attributes and hyperlinks.

A look is the text of its SGR codes (`1;38;2;0;0;0`); the address of a hyperlink stands behind them,
after a zero.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final
from zlib import crc32

RESET: Final = "\x1b[0m"
_OFF: Final = {"1": "22", "2": "22", "3": "23", "4": "24", "7": "27", "9": "29"}
"""What takes an attribute away; 22 takes bold and dim at once."""
_SHOWS_ON_BLANKS: Final = frozenset({"4", "5", "6", "7", "9", "21", "51", "52", "53"})


@lru_cache(maxsize=8192)  # a page of pictures has some 3,000 looks, each used by two changes
def _split(codes: str) -> tuple[frozenset[str], str, str]:
    """Splits SGR codes into (attributes, foreground, background)."""
    attributes: set[str] = set()
    foreground = background = ""
    parts = codes.split(";") if codes else []
    position = 0
    while position < len(parts):
        part = parts[position]
        taken = 1
        if part in ("38", "48"):
            taken = 5 if parts[position + 1] == "2" else 3
        text = ";".join(parts[position : position + taken])
        number = int(part)
        if part == "38" or 30 <= number <= 39 or 90 <= number <= 97:
            foreground = text
        elif part == "48" or 40 <= number <= 49 or 100 <= number <= 107:
            background = text
        else:
            attributes.add(part)
        position += taken
    return frozenset(attributes), foreground, background


@lru_cache(maxsize=4096)
def change_of_style(before: str, after: str) -> str:
    """Returns the shortest sequence between two sets of SGR codes, hyperlinks included."""
    if before == after:
        return ""
    before, _, old_link = before.partition("\0")
    after, _, link = after.partition("\0")
    if link == old_link:
        return _change_of_codes(before, after)
    # Equal addresses have equal ids, so that a terminal takes pieces of one link for one link.
    start = f"id={crc32(link.encode()):x};{link}" if link else ";"
    return f"{_change_of_codes(before, after)}\x1b]8;{start}\x1b\\"


def _change_of_codes(before: str, after: str) -> str:
    if before == after:
        return ""
    old, old_front, old_back = _split(before)
    new, front, back = _split(after)
    full = f"\x1b[0;{after}m" if after else "\x1b[0m"
    gone = old - new
    if not gone <= _OFF.keys():
        return full
    parts = sorted({_OFF[attribute] for attribute in gone})
    parts += sorted(new if "22" in parts else new - old)
    if front != old_front:
        parts.append(front or "39")
    if back != old_back:
        parts.append(back or "49")
    short = f"\x1b[{';'.join(parts)}m"
    return min(short, full, key=len)


@lru_cache(maxsize=4096)
def blank_codes(codes: str) -> str:
    """Returns the codes that matter for a space: background, lines and reverse."""
    codes = codes.partition("\0")[0]
    attributes, _, background = _split(codes)
    if attributes & _SHOWS_ON_BLANKS:
        return codes
    return background


@lru_cache(maxsize=4096)
def good_for_blank(current: str, codes: str) -> bool:
    """Returns whether a space drawn with `current` looks like one drawn with `codes`."""
    return "\0" not in current and blank_codes(current) == codes


@lru_cache(maxsize=4096)
def is_background(codes: str) -> bool:
    """Returns whether codes set a background and nothing else: erasing leaves just that."""
    attributes, foreground, _ = _split(codes.partition("\0")[0])
    return not attributes and not foreground and "\0" not in codes
