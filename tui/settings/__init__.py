"""Where state lives, and the typed settings of one TOML file.

The names below are imported when they are first used, so that reading a setting loads little.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False  # `typing` takes long to import, and `settings get` needs nothing of it
if TYPE_CHECKING:
    from tui.settings.errors import SettingsError
    from tui.settings.home import HOME_VARIABLE, PRIVATE_UMASK, Home, folder_problem
    from tui.settings.problems import SettingsProblem
    from tui.settings.reading import API_BASE_VARIABLE, load_settings
    from tui.settings.values import (
        DEFAULT_API_BASE,
        DEFAULT_LISTEN,
        UPLOAD_LIMIT_BYTES,
        CloudSettings,
        ListenerSettings,
        NetworkSettings,
        NoticesSettings,
        PublishingSettings,
        RetentionSettings,
        Settings,
        SpendingSettings,
        UiSettings,
        WatchSettings,
    )
    from tui.settings.writing import save_setting, save_settings, write_atomically

__all__ = [
    "API_BASE_VARIABLE",
    "DEFAULT_API_BASE",
    "DEFAULT_LISTEN",
    "HOME_VARIABLE",
    "PRIVATE_UMASK",
    "UPLOAD_LIMIT_BYTES",
    "CloudSettings",
    "Home",
    "ListenerSettings",
    "NetworkSettings",
    "NoticesSettings",
    "PublishingSettings",
    "RetentionSettings",
    "Settings",
    "SettingsError",
    "SettingsProblem",
    "SpendingSettings",
    "UiSettings",
    "WatchSettings",
    "folder_problem",
    "load_settings",
    "save_setting",
    "save_settings",
    "write_atomically",
]
_MODULES = {
    "errors": ("SettingsError",),
    "home": ("HOME_VARIABLE", "PRIVATE_UMASK", "Home", "folder_problem"),
    "problems": ("SettingsProblem",),
    "reading": ("API_BASE_VARIABLE", "load_settings"),
    "writing": ("save_setting", "save_settings", "write_atomically"),
}
"""Modules by the names that come from them; all other names come from `values`."""


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = next((module for module, names in _MODULES.items() if name in names), "values")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
