"""Reading the settings file: what cannot be used is told by line and name, the rest holds."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar

from tui.settings.home import Home, SettingsError
from tui.settings.unknown import meant_key, meant_section
from tui.settings.values import (
    CHOICES,
    RANGES,
    CloudSettings,
    ListenerSettings,
    NetworkSettings,
    PublishingSettings,
    Settings,
    SettingsProblem,
    SpendingSettings,
    UiSettings,
)

API_BASE_VARIABLE: Final = "SIMPLETUNER_TUI_API_BASE"
_WORDS: Final = {
    str: "a text",
    bool: "true or false",
    float: "a number",
    int: "a whole number",
    tuple: "a list of texts",
    dict: "a table of texts",
}
_S = TypeVar(
    "_S",
    CloudSettings,
    ListenerSettings,
    NetworkSettings,
    SpendingSettings,
    PublishingSettings,
    UiSettings,
)


def load_settings(home: Home, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings file, then let the environment override the API base.

    A value of the wrong kind stands in `problems`, and its default holds.

    Raises:
        SettingsError: the file cannot be read, or is not TOML, so that nobody knows what it says.
    """
    settings = settings_of(read_text(home), home.settings_file)
    env = os.environ if environ is None else environ
    base = env.get(API_BASE_VARIABLE, "").strip()
    if base:
        settings = replace(settings, cloud=replace(settings.cloud, api_base=base.rstrip("/")))
    return settings


def read_text(home: Home) -> str:
    """What the settings file holds; nothing when there is none.

    Raises:
        SettingsError: it cannot be read.
    """
    try:
        return home.settings_file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise SettingsError(
            f"{home.settings_file} cannot be read: {error.strerror}.", "Check its permissions."
        ) from error
    except UnicodeDecodeError as error:
        raise SettingsError(
            f"{home.settings_file} is not UTF-8 text.", "Save it as UTF-8, or move it away."
        ) from error


def settings_of(text: str, path: Path) -> Settings:
    """The settings that a text says.

    Raises:
        SettingsError: it is not TOML.
    """
    return _Reading(text, parse(text, path) if text.strip() else {}).settings()


def parse(text: str, path: Path) -> dict[str, Any]:
    """The tables of a TOML text.

    Raises:
        SettingsError: it is none; the message names the line.
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
    """One text on its way to settings."""

    def __init__(self, text: str, data: dict[str, Any]) -> None:
        self._text = text
        self._data = data
        self._problems: list[SettingsProblem] = []

    def settings(self) -> Settings:
        found = Settings(
            cloud=self._section(CloudSettings(), "cloud"),
            listener=self._section(ListenerSettings(), "listener"),
            network=self._section(NetworkSettings(), "network"),
            spending=self._section(SpendingSettings(), "spending"),
            publishing=self._section(PublishingSettings(), "publishing"),
            ui=self._section(UiSettings(), "ui"),
            rates_micros=self._rates(),
        )
        self._look_for_unknown(found)
        return replace(found, problems=tuple(self._problems))

    def _wrong(self, name: str, message: str) -> None:

        self._problems.append(SettingsProblem(name, line_of(self._text, name), message))

    def _look_for_unknown(self, usual: Settings) -> None:
        """Report every name that sets nothing: misspelt, it may be the limit that a person set."""
        known = {
            section.name: [item.name for item in fields(here)]
            for section in fields(usual)
            if is_dataclass(here := getattr(usual, section.name))
        }
        free = {"rates_micros"}
        for name, value in self._data.items():
            if name in known:
                table = value if isinstance(value, dict) else {}
                for key in table:
                    if key not in known[name]:
                        self._unknown(f"{name}.{key}", "setting", meant_key(name, key, known))
            elif name not in free and isinstance(value, dict | list):
                first = value[0] if isinstance(value, list) and value else value
                self._unknown(name, "section", meant_section(name, first, known))
            elif name not in free:
                self._unknown(name, "setting", meant_key("", name, known))

    def _unknown(self, name: str, kind: str, meant: str) -> None:

        hint = f" (did you mean {meant if '.' in meant else f'[{meant}]'}?)" if meant else ""
        shown = "".join(one if one.isprintable() else "\ufffd" for one in name)
        shown = shown if len(shown) <= 60 else f"{shown[:57]}…"
        self._problems.append(
            SettingsProblem(
                shown,
                line_of(self._text, name),
                f"is no {kind}, so it sets nothing{hint}",
                unknown=True,
                meant=meant,
            )
        )

    def _table(self, name: str) -> dict[str, Any]:
        table = self._data.get(name, {})
        if isinstance(table, dict):
            return table
        self._wrong(name, f"must be a table, [{name}], not {_short(table)}")
        return {}

    def _section(self, default: _S, name: str) -> _S:
        """Overlay one table of the file on a section's defaults, checking by the defaults."""
        table = self._table(name)
        changed: dict[str, Any] = {}
        for item in fields(default):
            if item.name not in table:
                continue
            wanted, value = getattr(default, item.name), table[item.name]
            problem = ""
            if isinstance(wanted, tuple) and isinstance(value, list):
                value = tuple(value)
            if isinstance(wanted, float) and type(value) is int:
                value = float(value)
            if not _fits(value, wanted):
                problem = f"must be {_WORDS[type(wanted)]}, not {_short(table[item.name])}"
            else:
                problem = unfit(f"{name}.{item.name}", value)
            if problem:
                self._wrong(f"{name}.{item.name}", problem)
            else:
                changed[item.name] = value
        return replace(default, **changed)

    def _rates(self) -> dict[str, int]:
        rates: dict[str, int] = {}
        for name, value in self._table("rates_micros").items():
            if type(value) is int and value >= 0:
                rates[str(name)] = value
            else:
                words = f"must be a whole number of micro-dollars a second, not {_short(value)}"
                self._wrong(f"rates_micros.{name}", words)
        return rates


def unfit(name: str, value: object) -> str:
    """Why a value of the right type cannot be used all the same; empty when it can."""
    if name in CHOICES and value not in CHOICES[name]:
        words = CHOICES[name]
        return f"must be {', '.join(words[:-1])} or {words[-1]}, not {_short(value)}"
    if name in RANGES and isinstance(value, int | float):
        low, high = RANGES[name]
        if not low <= value <= high:  # nan lies between nothing
            return f"must be from {low:.0f} to {high:.0f}, not {_short(value)}"
    return ""


def _fits(value: object, wanted: object) -> bool:
    if type(value) is not type(wanted):
        return False
    if isinstance(value, tuple):
        return all(isinstance(one, str) for one in value)
    return not isinstance(value, dict) or all(isinstance(one, str) for one in value.values())


def _short(value: object) -> str:
    text = {True: "true", False: "false"}.get(value) if isinstance(value, bool) else repr(value)
    text = str(text)
    return text if len(text) <= 60 else f"{text[:57]}…"


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
