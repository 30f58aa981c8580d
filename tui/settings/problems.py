"""What is wrong in a settings file: on which line it stands, and which name was meant."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

_HEADER: Final = re.compile(r"\s*\[\[?\s*([^\]]*?)\s*\]\]?\s*(?:#.*)?$")
_KEY: Final = re.compile(r"""\s*((?:[A-Za-z0-9_\-.\s]|"[^"]*"|'[^']*')+?)\s*=""")
_SPENDING: Final = "spending"
_SYNONYMS: Final = frozenset({"budget", "costlimit", "limit", "limits", "spendinglimit"})
"""Other words for the cost limit; none of them looks like the section's name."""
_ITS_OWN: Final = frozenset({"amount_micros", "stop_running"})
"""Names of the cost limit that no other section could have."""


@dataclass(frozen=True, slots=True)
class SettingsProblem:
    """Something in the settings file that cannot be used; its default holds instead.

    Attributes:
        name: `section.key`, or the section alone.
        line: where it stands in the file, from 1; 0 when not known.
        message: what it should be.
        unknown: whether nothing has that name, so that it sets nothing.
        meant: the setting or section that an unknown name probably means; "" when not known.
    """

    name: str
    line: int
    message: str
    unknown: bool = False
    meant: str = ""

    def words(self, file: str = "settings.toml") -> str:
        """The problem as a sentence."""
        place = f"{file} line {self.line}" if self.line else file
        effect = "" if self.unknown else "; its default is used"
        return f"{place}: {self.name} {self.message}{effect}."

    def concerns(self, name: str) -> bool:
        """Whether it is about `section` or `section.key`, or may have been meant to be."""
        section = name.partition(".")[0]
        return any(
            known in (name, section) or known.startswith(f"{name}.")
            for known in (self.name, self.meant)
        )


def line_of(text: str, name: str) -> int:
    """The line (from 1) that sets `section.key`; the section's own when the key has none; else 0.

    Args:
        text: the file.
        name: names joined by points.
    """
    table, section_line = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line)
        if header:
            table = _unquoted(header[1])
            if table == name or table.startswith(f"{name}."):
                return number
            if not section_line and name.startswith(f"{table}."):
                section_line = number
            continue
        key = _KEY.match(line)
        if key is None:
            continue
        here = _unquoted(f"{table}.{key[1]}" if table else key[1])
        if here == name or name.startswith(f"{here}.") or here.startswith(f"{name}."):
            return number
    return section_line


def _unquoted(name: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in name.split("."))


def meant_key(section: str, key: str, known: Mapping[str, Iterable[str]]) -> str:
    """The setting that an unknown name of a section probably means; "" when nothing is like it.

    Args:
        section: known section that the name stands in; "" for the top of the file.
        key: the unknown name.
        known: names by section.
    """
    if section and (near := _near(key, known[section])):
        return f"{section}.{near}"
    if near := _near(
        key, [f"{table}.{name}" for table in known for name in known[table]], cutoff=0.75
    ):
        return near
    if near := meant_section(key, None, known, cutoff=0.75):
        return near
    for table, names in known.items():
        if near := _near(key, names, cutoff=0.8):
            return f"{table}.{near}"
    return ""


def meant_section(
    name: str, table: object, known: Mapping[str, Iterable[str]], cutoff: float = 0.6
) -> str:
    """The section that an unknown section probably means, by its name or by its keys."""
    plain = _plain(name)
    if plain.replace("_", "") in _SYNONYMS:
        return _SPENDING
    if near := _near(name, known, cutoff):
        return near
    if isinstance(table, dict):
        keys = {near for key in table if (near := _near(key, known[_SPENDING], cutoff=0.8))}
        if keys & _ITS_OWN or len(keys) > 1:
            return _SPENDING
    return ""


def _near(name: str, names: Iterable[str], cutoff: float = 0.6) -> str:
    import difflib

    matches = difflib.get_close_matches(_plain(name), list(names), n=1, cutoff=cutoff)
    return matches[0] if matches else ""


def _plain(name: str) -> str:
    """A name without what a person does not see as a difference: case, width, space, hyphens."""
    text = unicodedata.normalize("NFKC", name).casefold().strip()
    return "".join("_" if letter in "- " else letter for letter in text)
