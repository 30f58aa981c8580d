"""Settings by name: all of them, and changes."""

from __future__ import annotations

from typing import NotRequired, TypeAlias

from tui.api.base import TypedDict

SettingValue: TypeAlias = str | bool | int | float | list[str] | dict[str, str] | dict[str, int]


class SettingsProblem(TypedDict):
    """Something in the settings file that cannot be used; its default holds instead.

    Attributes:
        name: `section.key`, or the section alone.
        line: in the file, from 1; 0 when not known.
        message: what it should be.
    """

    name: str
    line: int
    message: str


class AllSettings(TypedDict):
    """Every setting, in force.

    Attributes:
        file: the settings file, absolute.
        settings: values by name, `section.key`; `***` stands for a password in the proxy.
        changed: names of those that are not the default.
        problems: what the file says wrongly.
    """

    file: str
    settings: dict[str, SettingValue]
    changed: list[str]
    problems: list[SettingsProblem]


class SettingsChange(TypedDict):
    """Settings to be changed; all of them, or when one cannot be read, none.

    Attributes:
        values: by name; null is the default again; texts are read as people type them.
        confirm: must be true to switch `network.ssl_verify` or `listener.verify_signatures` off.
    """

    values: dict[str, SettingValue | None]
    confirm: NotRequired[bool]
