"""The proxy's password, in the system's keyring or in memory."""

from __future__ import annotations

import logging
from typing import Final, Literal
from urllib.parse import urlsplit

from tui.engine.config.live import LiveSettings
from tui.engine.runtime.event_bus import EventBus
from tui.engine.runtime.tasks import TaskOwner
from tui.replicate.secret import Secret
from tui.secrets.keyring import KeyringError, delete_token, read_token, store_token
from tui.settings import Settings
from tui.settings.proxy_password import split_password

LOG = logging.getLogger(__name__)
KIND: Final = "proxy"
"""The keyring's user name is `proxy@<name>@<host>:<port>`."""


class ProxyPassword:
    """Stores a new password in the keyring and reads it back at the next start.

    Attributes:
        kept: where the password in use is: `keyring`, `session`, `file` (somebody wrote it into
            the settings file), or "" without one.
        problem: why the keyring could not be used, or "".
    """

    def __init__(self, live: LiveSettings, bus: EventBus, tasks: TaskOwner) -> None:
        """Follow the settings from now on.

        Args:
            live: the settings in force.
            bus: receives notices and changes.
            tasks: owns the calls to the keyring.
        """
        self._live = live
        self._bus = bus
        self._tasks = tasks
        self._kept: dict[str, Secret] = {}
        self.kept: Literal["", "file", "session", "keyring"] = ""
        self.problem = ""
        live.on_change(self._changed)

    async def recall(self) -> None:
        """Read the password from the keyring, when the settings name a user without a password."""
        proxy = self._live.now.network.proxy
        bare, password = split_password(proxy)
        if password is not None:
            self.kept = "file"
            return
        if "@" not in proxy:
            return
        stored = await read_token(KIND, _keyring_host(bare))
        self.problem = stored.problem
        if stored.value is not None:
            self.kept = "keyring"
            self._kept[bare] = stored.value
            self._live.give_password(bare, stored.value)

    def _changed(self, before: Settings, after: Settings) -> None:
        if before.network.proxy == after.network.proxy:
            return
        former_bare, _ = split_password(before.network.proxy)
        bare, password = split_password(after.network.proxy)
        if former_bare != bare and former_bare in self._kept:
            del self._kept[former_bare]
            self._tasks.start(self._delete(former_bare), "forget the proxy's password")
        if password is None:
            self.kept = self.problem = ""
        elif self._live.password_of(bare) != password:
            self.kept, self.problem = "file", ""
        elif self._kept.get(bare) != password:
            self.kept = "session"
            self._tasks.start(self._store(bare, password), "keep the proxy's password")

    async def _store(self, bare: str, password: Secret) -> None:
        try:
            await store_token(KIND, _keyring_host(bare), password)
        except KeyringError as error:
            self.problem = error.message
            self._bus.publish(
                "notice",
                level="warning",
                message=f"The proxy's password is kept for this session only: {error.message}.",
                advice="Unlock or start a keyring and set the proxy again.",
            )
            return
        self._kept[bare] = password
        self.kept, self.problem = "keyring", ""
        self._bus.publish("settings")

    async def _delete(self, bare: str) -> None:
        try:
            await delete_token(KIND, _keyring_host(bare))
        except KeyringError as error:
            LOG.warning("a proxy's old password stays in the keyring: %s", error.message)


def _keyring_host(bare: str) -> str:
    """User name, host and port: the password of one proxy is never sent to another."""
    return urlsplit(bare).netloc
