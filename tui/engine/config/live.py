"""The settings in force while the engine runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any
from urllib.parse import unquote

from tui.replicate.known_secrets import KNOWN
from tui.replicate.secret import MASK, Secret
from tui.settings import Home, Settings, SettingsError, load_settings, save_settings
from tui.settings.proxy_password import split_password, with_password

Listener = Callable[[Settings, Settings], None]


class LiveSettings:
    """Holds the settings in force, changes them, and calls listeners after each change.

    The proxy's password is in `now` alone, never in the file: it is removed before the address is
    written, and added again when the file is read.

    Attributes:
        now: the settings in force. Read it each time; do not keep it.
    """

    def __init__(
        self, home: Home, settings: Settings, given: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:
        """Hold settings.

        Args:
            home: whose settings file is changed.
            settings: as read from the file.
            given: values by section for this run alone, such as those of the command line; a value
                is dropped when the same name is changed.
        """
        self._passwords: dict[str, Secret] = {}
        self._given = {section: dict(values) for section, values in (given or {}).items()}
        self.now = self._with_given(settings)
        self._home = home
        self._listeners: list[Listener] = []

    def on_change(self, listener: Listener) -> None:
        """Call `listener(before, after)` after every change."""
        self._listeners.append(listener)

    def change(self, section: str, values: Mapping[str, Any]) -> Settings:
        """Write values of one section to the settings file, then apply them.

        Args:
            section: a field of `Settings` (`cloud`, `listener`, `network`, `spending`, …).
            values: new values by name; None sets a name back to its default.

        Raises:
            SettingsError: no such name, or a value of the wrong kind; nothing is changed then.
        """
        known = {item.name for item in fields(Settings)}
        if section not in known:
            raise SettingsError(f"There is no section [{section}].", "See the README.")
        if section == "network" and values.get("proxy"):
            values = {**values, "proxy": self._without_password(str(values["proxy"]))}
        save_settings(self._home, section, values)
        for name in values:
            self._given.get(section, {}).pop(name, None)
        return self.reload()

    def _without_password(self, address: str) -> str:
        """Keep the password in memory, where listeners find it; answer the address without it."""
        bare, password = split_password(address)
        if password is not None and password.reveal() != MASK:
            self._passwords[bare] = password
        return bare

    def password_of(self, proxy: str) -> Secret | None:
        """The password that is known for a proxy's address, which holds none itself."""
        return self._passwords.get(proxy)

    def give_password(self, proxy: str, password: Secret) -> None:
        """Add a password to this proxy from now on, whenever the settings name it."""
        KNOWN.add(password, unquote(password.reveal()))
        self._passwords[proxy] = password
        self.reload()

    def reload(self) -> Settings:
        """Read the file again, as after an edit by hand.

        Raises:
            SettingsError: the file cannot be used; the settings do not change then.
        """
        before, after = self.now, self._with_given(load_settings(self._home, {}))
        self.now = after
        if after != before:
            for listener in self._listeners:
                listener(before, after)
        return after

    def _with_given(self, settings: Settings) -> Settings:
        for section, values in self._given.items():
            changed = replace(getattr(settings, section), **values)
            settings = replace(settings, **{section: changed})
        password = self._passwords.get(settings.network.proxy)
        if password is None:
            split_password(settings.network.proxy)  # one in the file becomes a known secret
            return settings
        proxy = with_password(settings.network.proxy, password)
        return replace(settings, network=replace(settings.network, proxy=proxy))
