"""Where state lives, and the typed settings of one TOML file.

Standard library only: this package is on the path to the first frame.
"""

from __future__ import annotations

from tui.settings.home import HOME_VARIABLE, Home, SettingsError, folder_problem
from tui.settings.reading import API_BASE_VARIABLE, load_settings
from tui.settings.values import (
    DEFAULT_API_BASE,
    DEFAULT_LISTEN,
    UPLOAD_LIMIT_BYTES,
    CloudSettings,
    ListenerSettings,
    NetworkSettings,
    PublishingSettings,
    Settings,
    SettingsProblem,
    SpendingSettings,
    UiSettings,
)
from tui.settings.writing import save_setting, save_settings, write_atomically

__all__ = [
    "API_BASE_VARIABLE",
    "DEFAULT_API_BASE",
    "DEFAULT_LISTEN",
    "HOME_VARIABLE",
    "UPLOAD_LIMIT_BYTES",
    "CloudSettings",
    "Home",
    "ListenerSettings",
    "NetworkSettings",
    "PublishingSettings",
    "Settings",
    "SettingsError",
    "SettingsProblem",
    "SpendingSettings",
    "UiSettings",
    "folder_problem",
    "load_settings",
    "save_setting",
    "save_settings",
    "write_atomically",
]
