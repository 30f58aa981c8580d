"""Where in a TOML text a name is set. For messages only: the parser keeps no places."""

from __future__ import annotations

import re
from typing import Final

_HEADER: Final = re.compile(r"\s*\[\[?\s*([^\]]*?)\s*\]\]?\s*(?:#.*)?$")
_KEY: Final = re.compile(r"""\s*((?:[A-Za-z0-9_\-.\s]|"[^"]*"|'[^']*')+?)\s*=""")


def line_of(text: str, name: str) -> int:
    """The line (from 1) that sets `section.key`; the section's own when the key has none; else 0.

    Args:
        text: the file.
        name: names joined by points.
    """
    table, found = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line)
        if header:
            table = _plain(header[1])
            if table == name or table.startswith(f"{name}."):
                return number
            if not found and name.startswith(f"{table}."):
                found = number
            continue
        key = _KEY.match(line)
        if key is None:
            continue
        here = _plain(f"{table}.{key[1]}" if table else key[1])
        if here == name or name.startswith(f"{here}.") or here.startswith(f"{name}."):
            return number
    return found


def _plain(name: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in name.split("."))
