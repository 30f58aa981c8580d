"""Settings by name, and the listener's last events: what the Cloud screen and `settings` ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, cast

from tui.api import paths, webhooks
from tui.api.settings import AllSettings, SettingsChange
from tui.base.errors import RefusedError
from tui.engine.engine import Engine
from tui.engine.http_api.operation import Call, Operations
from tui.settings import Settings, SettingsError
from tui.settings.proxy_password import mask_password
from tui.settings.typed_values import RISKS, RISKS_WHEN_ON, read_settings
from tui.settings.words import ABOUT


class SettingsRoutes:
    """Reads and changes settings; a change is in force when it is answered."""

    def __init__(self, engine: Engine) -> None:
        self._home = engine.home
        self._live = engine.live
        self._listening = engine.listening

    def add_to(self, operations: Operations) -> None:
        """Add the group's operations."""
        operations.add(paths.SETTINGS, self._read)
        operations.add(paths.CHANGE_SETTINGS, self._change)
        operations.add(paths.WEBHOOK_EVENTS, self._webhooks)

    async def _webhooks(self, _call: Call[None, None]) -> webhooks.WebhookEvents:
        return {"events": self._listening.recent()}

    async def _read(self, _call: Call[None, None]) -> AllSettings:
        return cast("AllSettings", self.data())

    def data(self) -> dict[str, Any]:
        """`{file, settings: {name: value}, changed: [name], problems: [{name, line, message}]}`."""
        now, usual = values_of(self._live.now), values_of(Settings())
        return {
            "file": str(self._home.settings_file),
            "settings": now,
            "changed": [name for name, value in now.items() if value != usual[name]],
            "problems": [
                {"name": one.name, "line": one.line, "message": one.message}
                for one in self._live.now.problems
            ],
        }

    async def _change(self, call: Call[SettingsChange, None]) -> AllSettings:
        await self.change(call.body["values"], confirmed=call.body.get("confirm", False))
        return cast("AllSettings", self.data())

    async def change(self, body: Mapping[str, Any], *, confirmed: bool = False) -> None:
        """Change settings by name; all of them, or when one cannot be read, none.

        Raises:
            RefusedError: a value cannot be taken, or has to be confirmed (`confirm_required`);
                `details.fields` says which.
        """
        values, wrong = read_settings(body)
        if wrong:
            words = "; ".join(f"{name} {text}" for name, text in wrong.items())
            raise RefusedError(f"This cannot be set: {words}.", details={"fields": wrong})
        now = values_of(self._live.now)
        risks = [(name, risk, False) for name, risk in RISKS.items()]
        risks += [(name, risk, True) for name, risk in RISKS_WHEN_ON.items()]
        for name, risk, dangerous in risks:
            if values.get(name) is dangerous and now[name] is not dangerous and not confirmed:
                raise RefusedError(
                    risk, "Confirm it, if that is meant.", code="confirm_required",
                    details={"fields": {name: "has to be confirmed"}},
                )  # fmt: skip
        sections: dict[str, dict[str, Any]] = {}
        for name, value in values.items():
            section, _, key = name.partition(".")
            sections.setdefault(section, {})[key] = value
        try:
            if "listener" in sections:  # first: it alone can still refuse
                await self._listening.binding.change(sections.pop("listener"))
            for section, changes in sections.items():
                self._live.change(section, changes)
        except SettingsError as error:
            raise RefusedError(error.message, error.advice) from None
        except OSError as error:
            raise RefusedError(
                f"The settings file cannot be written: {error.strerror or error}.",
                "Check its folder and the disk.", status=507, code="settings",
            ) from None  # fmt: skip


def values_of(settings: Settings) -> dict[str, Any]:
    """Every setting by name, as plain data; a proxy's password is not in it."""
    found: dict[str, Any] = {}
    for section in fields(Settings):
        here = getattr(settings, section.name)
        for name in ABOUT:
            if name.partition(".")[0] == section.name:
                value = getattr(here, name.partition(".")[2])
                found[name] = list(value) if isinstance(value, tuple) else value
    found["network.proxy"] = mask_password(settings.network.proxy)
    found["rates_micros"] = dict(settings.rates_micros)
    return found
