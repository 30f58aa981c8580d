"""The README's table of keys says what the registry says: no key too many, none forgotten."""

from __future__ import annotations

import re
from pathlib import Path

from tui.app.keys.keymap import ALL, shown

_README = Path(__file__).parents[3] / "README.md"


def _table() -> str:
    section = _README.read_text(encoding="utf-8").partition("### Keys")[2].partition("\n##")[0]
    return "\n".join(line for line in section.split("\n") if line.startswith("|"))


def test_every_key_of_the_table_is_a_key() -> None:
    known = {shown(key) for action in ALL for key in action.keys} | {"esc"}
    cells = [row.replace("\\|", "¦").split("|")[1] for row in _table().split("\n")[2:]]
    named = [key.replace("¦", "|") for cell in cells for key in re.findall(r"`([^`]+)`", cell)]
    assert [key for named_key in named for key in named_key.split() if key not in known] == []
    assert len(named) > 30


def test_every_letter_and_sign_is_in_the_table() -> None:
    words = {word for part in re.findall(r"`([^`]+)`", _table()) for word in part.split()}
    words = {word.replace("\\|", "|") for word in words}
    keys = {shown(key) for action in ALL for key in action.keys}
    wanted = {key for key in keys if len(key) == 1 and key not in "↑↓←→[]"}
    wanted |= {key for key in keys if key.startswith("ctrl+")}
    assert sorted(wanted - words) == []
