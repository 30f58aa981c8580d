"""A settings file edited as a text, while others may write to it."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from tui.settings.home import Home
from tui.settings.reading import parse, read_text
from tui.settings.values import Settings
from tui.settings.words import ABOUT, HEADER
from tui.settings.writing import changed_text, locked, write_atomically


def template() -> str:
    """A file that sets nothing, with every name, its meaning and its default as comments."""
    import json

    lines = [f"# {line}" for line in HEADER]
    usual = Settings()
    for section in fields(Settings):
        names = [name for name in ABOUT if name.startswith(f"{section.name}.")]
        tables = []
        if names:
            lines += ["", f"[{section.name}]"]
        for name in names:
            key = name.partition(".")[2]
            value = getattr(getattr(usual, section.name), key)
            if isinstance(value, dict):
                tables += ["", f"# [{name}]  # {ABOUT[name]}"]
            else:
                lines.append(f"# {key} = {json.dumps(value)}  # {ABOUT[name]}")
        lines += tables
    return "\n".join(lines) + "\n"


def changes(base: str, edited: str, home: Home) -> dict[str, dict[str, Any]]:
    """What an edit has changed, by section and name; None for what it has removed.

    Raises:
        SettingsError: one of the texts is not TOML.
    """
    before, after = (parse(text, home.settings_file) for text in (base, edited))
    found: dict[str, dict[str, Any]] = {}
    for section in {**before, **after}:
        old, new = before.get(section, {}), after.get(section, {})
        if not (isinstance(old, dict) and isinstance(new, dict)):
            continue
        differ = [key for key in {**old, **new} if old.get(key) != new.get(key)]
        if differ:
            found[section] = {key: new.get(key) for key in differ}
    return found


def save_edited(home: Home, base: str, edited: str) -> bool:
    """Put an edited text in the file's place.

    When somebody else has written to the file since `base` was read, only the values that the edit
    changed are written, so that nothing of the other is lost.

    Returns:
        Whether the text was taken as it is, with its comments.

    Raises:
        SettingsError: a text is not TOML, or a value cannot be used; nothing is changed then.
    """
    with locked(home):
        now = read_text(home)
        if now == base:
            write_atomically(home.settings_file, edited)
            return True
        text = now
        for section, values in changes(base, edited, home).items():
            text = changed_text(text, home.settings_file, section, values)
        write_atomically(home.settings_file, text)
        return False
