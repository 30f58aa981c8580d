"""Changes the settings file: one writer at a time, and nothing of the rest is lost."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tui.settings.errors import SettingsError
from tui.settings.home import Home
from tui.settings.reading import parse, read_text, settings_of
from tui.settings.values import catalog

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

HEADER: Final = (
    "Settings of simpletuner-tui. Edit by hand or in the app; changes are picked up at once.",
    "What is not set has its default. All names: simpletuner-tui settings get",
)
"""The comment at the top of a new file."""
_LOCK_SECONDS: Final = 5.0
_LOCK_LOOK: Final = 0.02


def save_setting(home: Home, section: str, key: str, value: object) -> None:
    """Write one value, keeping the rest of the file, its comments included."""
    save_settings(home, section, {key: value})


def save_settings(home: Home, section: str, values: Mapping[str, Any]) -> None:
    """Write values of one section, keeping the rest of the file, its comments included.

    Programs that call this at the same time wait for each other, so that no change is lost.

    Args:
        home: whose settings.
        section: name of the table.
        values: by name; None removes a name, so that its default holds again.

    Raises:
        SettingsError: the result would not be valid, or another program keeps the file locked; the
            file is unchanged then.
    """
    with locked(home):
        text = changed_text(read_text(home), home.settings_file, section, values)
        write_atomically(home.settings_file, text)


def changed_text(text: str, path: Path, section: str, values: Mapping[str, Any]) -> str:
    """A settings file's text with other values in one section.

    Raises:
        SettingsError: the text is not TOML, or a value does not fit its name.
    """
    import tomlkit

    before = parse(text, path)
    if not isinstance(before.get(section, {}), dict):
        raise SettingsError(f"[{section}] must be a table.", f"Correct it in {path}.")
    document = tomlkit.parse(text) if text.strip() else _new_document()
    table = document.setdefault(section, tomlkit.table())
    for key, value in values.items():
        if value is None:
            table.pop(key, None)
        else:
            _put(table, section, key, list(value) if isinstance(value, tuple) else value)
    changed = tomlkit.dumps(document)
    for problem in settings_of(changed, path).problems:
        name, _, key = problem.name.partition(".")
        if not problem.unknown and name == section and (not key or key.partition(".")[0] in values):
            raise SettingsError(f"{problem.name} {problem.message}.", "Nothing was changed.")
    return changed


def _put(table: Any, section: str, key: str, value: Any) -> None:
    """Set a value; one that is new in the file gets its meaning as a comment."""
    new = key not in table
    table[key] = value
    setting = catalog().get(f"{section}.{key}")
    if new and setting and not setting.is_table:
        table.value.item(key).comment(setting.help)


def _new_document() -> TOMLDocument:
    import tomlkit

    document = tomlkit.document()
    for line in HEADER:
        document.add(tomlkit.comment(line))
    document.add(tomlkit.nl())
    return document


def template() -> str:
    """A file that sets nothing, with every name, its meaning and its default as comments."""
    import json

    lines = [f"# {line}" for line in HEADER]
    tables: list[str] = []
    section = ""
    for name, setting in catalog().items():
        if setting.section != section:
            section = setting.section
            lines += [*tables, "", f"[{section}]"]
            tables = []
        if setting.is_table:
            tables += ["", f"# [{name}]  # {setting.help}"]
        else:
            lines.append(f"# {setting.key} = {json.dumps(setting.default)}  # {setting.help}")
    return "\n".join([*lines, *tables]) + "\n"


def changes(base: str, edited: str, home: Home) -> dict[str, dict[str, object]]:
    """What an edit has changed, by section and name; None for what it has removed.

    Raises:
        SettingsError: one of the texts is not TOML.
    """
    before, after = (parse(text, home.settings_file) for text in (base, edited))
    changed: dict[str, dict[str, object]] = {}
    for section in {**before, **after}:
        old, new = before.get(section, {}), after.get(section, {})
        if not (isinstance(old, dict) and isinstance(new, dict)):
            continue
        differ = [key for key in {**old, **new} if old.get(key) != new.get(key)]
        if differ:
            changed[section] = {key: new.get(key) for key in differ}
    return changed


def save_edited(home: Home, base: str, edited: str) -> bool:
    """Put an edited text in the file's place.

    When another program has written to the file since `base` was read, only the values that the
    edit changed are written, so that the other change is kept.

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


@contextlib.contextmanager
def locked(home: Home) -> Iterator[None]:
    """Hold the lock of the settings file; its holder alone changes the file.

    Raises:
        SettingsError: another program has held it for seconds.
    """
    home.create()
    path = home.root / "settings.lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        until = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise SettingsError(
                        "Another program keeps the settings file locked.",
                        "Try again in a moment.",
                    ) from None
                time.sleep(_LOCK_LOOK)
            except OSError:  # a file system without locks
                break
        yield
    finally:
        os.close(handle)


def write_atomically(path: Path, text: str, mode: int = 0o600) -> None:
    """Replace a small file so that a reader sees the old or the new text, never half of one."""
    import tempfile

    path = path.resolve()  # a settings file that is a link into dotfiles stays a link
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
