"""Reads the settings file. A value that cannot be used is a problem, and its default holds."""

from __future__ import annotations

import os
from dataclasses import fields, replace

from tui.settings.errors import SettingsError
from tui.settings.metadata import Setting, sections
from tui.settings.values import Settings, catalog

TYPE_CHECKING = False  # `typing` takes long to import, and `settings get` needs nothing of it
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Final, TypeVar

    from _typeshed import DataclassInstance

    from tui.settings.home import Home
    from tui.settings.problems import SettingsProblem

    Section = TypeVar("Section", bound=DataclassInstance)

API_BASE_VARIABLE: Final = "SIMPLETUNER_TUI_API_BASE"
_TYPE_NAMES: Final = {
    str: "a text",
    bool: "true or false",
    float: "a number",
    int: "a whole number",
    tuple: "a list of texts",
    dict: "a table of texts",
}
_MOST_SHOWN: Final = 60


def load_settings(home: Home, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings file, then let the environment override the API base.

    A value of the wrong kind stands in `problems`, and its default holds.

    Raises:
        SettingsError: the file cannot be read, or is not TOML.
    """
    settings = settings_of(read_text(home), home.settings_file)
    return with_environment(settings, os.environ if environ is None else environ)


def with_environment(settings: Settings, environ: Mapping[str, str]) -> Settings:
    """The settings with the API base that the environment names, if it names one.

    Raises:
        SettingsError: it is no address.
    """
    base = base_of(environ)
    return replace(settings, cloud=replace(settings.cloud, api_base=base)) if base else settings


def base_of(environ: Mapping[str, str]) -> str:
    """The API base that the environment names; "" for none.

    Raises:
        SettingsError: it is no address. Another base must not stand in for it: what is meant for
            one server would go to another.
    """
    text = environ.get(API_BASE_VARIABLE, "").strip()
    if not text:
        return ""
    base, problem = _api_base(text)
    if problem:
        advice = "Correct it, or unset it for the setting's own."
        raise SettingsError(f"{API_BASE_VARIABLE} {problem}.", advice)
    return base


def _api_base(text: str) -> tuple[str, str]:
    """An API base in its one form, and why it is none; it may hold a password: not repeated."""
    from tui.base.addresses import API_BASE, AddressError, read_address

    try:
        return read_address(text, API_BASE).url, ""
    except AddressError as error:
        return "", str(error)


def read_text(home: Home) -> str:
    """What the settings file holds; nothing when there is none.

    Raises:
        SettingsError: it cannot be read.
    """
    try:
        return home.settings_file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except NotADirectoryError as error:
        raise SettingsError(
            f"The state folder {home.root} cannot be used: it, or a part of its path, is a file.",
            "Move the file away, or set SIMPLETUNER_TUI_HOME to a folder of yours.",
        ) from error
    except OSError as error:
        raise SettingsError(
            f"{home.settings_file} cannot be read: {error.strerror}.", "Check its permissions."
        ) from error
    except UnicodeDecodeError as error:
        raise SettingsError(
            f"{home.settings_file} is not UTF-8 text.", "Save it as UTF-8, or move it away."
        ) from error


def settings_of(text: str, path: Path | str) -> Settings:
    """The settings that a text says.

    Args:
        text: the file's content.
        path: the file, for messages.

    Raises:
        SettingsError: it is not TOML.
    """
    if not text.strip():
        return Settings()
    return _Reading(text, parse(text, path)).settings()


def parse(text: str, path: Path | str) -> dict[str, object]:
    """The tables of a TOML text.

    Raises:
        SettingsError: it is not TOML; the message names the line.
    """
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(
            f"{path} is not valid TOML: {error}.",
            "Correct that line, or move the file away to start with the defaults.",
        ) from error


class _Reading:
    """Reads one text, and collects what is wrong in it."""

    def __init__(self, text: str, data: dict[str, object]) -> None:
        self._text = text
        self._data = data
        self._problems: list[SettingsProblem] = []

    def settings(self) -> Settings:
        defaults = Settings()
        known = sections(defaults)
        values = {name: self._section(default, name) for name, default in known.items()}
        rates = self._rates()
        self._look_for_unknown(
            {name: [item.name for item in fields(default)] for name, default in known.items()}
        )
        return replace(defaults, rates_micros=rates, problems=tuple(self._problems), **values)

    def _wrong(self, name: str, message: str) -> None:
        from tui.settings.problems import SettingsProblem, line_of

        self._problems.append(SettingsProblem(name, line_of(self._text, name), message))

    def _look_for_unknown(self, known: Mapping[str, list[str]]) -> None:
        """Report every name that sets nothing: it may be a misspelt cost limit."""
        from tui.settings.problems import meant_key, meant_section

        for name, value in self._data.items():
            if name in known:
                table = value if isinstance(value, dict) else {}
                for key in table:
                    if key not in known[name]:
                        self._unknown(f"{name}.{key}", "setting", meant_key(name, key, known))
            elif name == "rates_micros":
                continue
            elif isinstance(value, dict | list):
                first = value[0] if isinstance(value, list) and value else value
                self._unknown(name, "section", meant_section(name, first, known))
            else:
                self._unknown(name, "setting", meant_key("", name, known))

    def _unknown(self, name: str, kind: str, meant: str) -> None:
        from tui.settings.problems import SettingsProblem, line_of

        hint = f" (did you mean {meant if '.' in meant else f'[{meant}]'}?)" if meant else ""
        shown = "".join(letter if letter.isprintable() else "\ufffd" for letter in name)
        self._problems.append(
            SettingsProblem(
                _cut(shown),
                line_of(self._text, name),
                f"is no {kind}, so it sets nothing{hint}",
                unknown=True,
                meant=meant,
            )
        )

    def _table(self, name: str) -> dict[str, object]:
        table = self._data.get(name, {})
        if isinstance(table, dict):
            return table
        self._wrong(name, f"must be a table, [{name}], not {_short(table)}")
        return {}

    def _section(self, defaults: Section, name: str) -> Section:
        """The defaults of a section with the usable values of its table in the file."""
        table = self._table(name)
        changed: dict[str, object] = {}
        for item in fields(defaults):
            if item.name not in table:
                continue
            setting = catalog()[f"{name}.{item.name}"]
            value = table[item.name]
            if isinstance(setting.default, tuple) and isinstance(value, list):
                value = tuple(value)
            if isinstance(setting.default, float) and type(value) is int:
                value = float(value)
            problem = unusable(setting, value)
            if problem:
                self._wrong(setting.name, f"{problem}, not {_short(table[item.name])}")
            elif setting.spec.kind == "web_address":
                changed[item.name], problem = _api_base(str(value))
                if problem:
                    del changed[item.name]
                    self._wrong(setting.name, problem)
            else:
                changed[item.name] = value
        return replace(defaults, **changed)

    def _rates(self) -> dict[str, int]:
        rates: dict[str, int] = {}
        for name, value in self._table("rates_micros").items():
            if type(value) is int and value >= 0:
                rates[str(name)] = value
            else:
                message = f"must be a whole number of micro-dollars a second, not {_short(value)}"
                self._wrong(f"rates_micros.{name}", message)
        return rates


def unusable(setting: Setting, value: object) -> str:
    """Why a value cannot be the value of a setting; empty when it can."""
    fits = type(value) is type(setting.default)
    if isinstance(value, tuple):
        fits = fits and all(isinstance(item, str) for item in value)
    elif isinstance(value, dict):
        fits = fits and all(isinstance(item, str) for item in value.values())
    if not fits:
        return f"must be {_TYPE_NAMES[type(setting.default)]}"
    return setting.unfit(value)


def _short(value: object) -> str:
    return _cut(str(value).lower() if isinstance(value, bool) else repr(value))


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 3]}…"
