"""Names in the settings file that mean nothing: which name was probably meant."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, Final

_SPENDING: Final = "spending"
_SYNONYMS: Final = frozenset({"budget", "costlimit", "limit", "limits", "spendinglimit"})
"""Other words for the cost limit; none of them looks like the section's name."""
_ITS_OWN: Final = frozenset({"amount_micros", "stop_running"})
"""Names of the cost limit that no other section could have."""


def meant_key(section: str, key: str, known: Mapping[str, Iterable[str]]) -> str:
    """The setting that an unknown name of a section probably means; "" when nothing is like it.

    Args:
        section: known section that the name stands in; "" for the top of the file.
        key: the unknown name.
        known: names by section.
    """
    if section and (near := _near(key, known[section])):
        return f"{section}.{near}"
    if near := _near(key, [f"{one}.{name}" for one in known for name in known[one]], cutoff=0.75):
        return near
    if near := meant_section(key, None, known, cutoff=0.75):
        return near
    for one, names in known.items():
        if near := _near(key, names, cutoff=0.8):
            return f"{one}.{near}"
    return ""


def meant_section(
    name: str, table: object, known: Mapping[str, Iterable[str]], cutoff: float = 0.6
) -> str:
    """The section that an unknown one probably means, by its name or by what stands in it."""
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

    found = difflib.get_close_matches(_plain(name), list(names), n=1, cutoff=cutoff)
    return found[0] if found else ""


def _plain(name: str) -> str:
    """A name without what a person does not see as a difference: case, width, space, hyphens."""
    text: Any = unicodedata.normalize("NFKC", name).casefold().strip()
    return "".join("_" if one in "- " else one for one in text)
