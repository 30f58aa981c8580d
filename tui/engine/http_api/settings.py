"""Settings by name, and the listener's last events: what the Cloud screen and `settings` ask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from tui.api import paths, webhooks
from tui.api.settings import AllSettings, SettingsChange
from tui.base.errors import RefusedError, refused_fields
from tui.engine.http_api.operation import Call, Operations
from tui.settings import Settings, SettingsError
from tui.settings.typed_values import read_settings
from tui.settings.values import catalog, values_of

if TYPE_CHECKING:  # the command line imports this module for `values_of`
    from tui.engine.engine import Engine


class SettingsRoutes:
    """Reads and changes settings; a change is in force when it is answered."""

    def __init__(self, engine: Engine) -> None:
        self._home = engine.home
        self._live = engine.live
        self._listening = engine.listening
        self._destinations = engine.transfers.places

    def add_to(self, operations: Operations) -> None:
        """Add the group's operations."""
        operations.add(paths.SETTINGS, self._read)
        operations.add(paths.CHANGE_SETTINGS, self._change)
        operations.add(paths.WEBHOOK_EVENTS, self._webhooks)

    async def _webhooks(self, _call: Call[None, None]) -> webhooks.WebhookEvents:
        return {"events": self._listening.recent()}

    async def _read(self, _call: Call[None, None]) -> AllSettings:
        return cast("AllSettings", self.data())

    def data(self) -> dict[str, object]:
        """`{file, settings: {name: value}, changed: [name], problems: [{name, line, message}]}`."""
        now, defaults = values_of(self._live.now), values_of(Settings())
        return {
            "file": str(self._home.settings_file),
            "settings": now,
            "changed": [name for name, value in now.items() if value != defaults[name]],
            "problems": [
                {"name": problem.name, "line": problem.line, "message": problem.message}
                for problem in self._live.now.problems
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
        if why := self._unknown_bucket(values.get("cloud.staging")):
            wrong["cloud.staging"] = why
        if wrong:
            raise refused_fields(wrong)
        now = values_of(self._live.now)
        for name, value in values.items():
            spec = catalog()[name].spec
            begins = value is spec.risky and now[name] is not spec.risky
            if spec.risk and begins and not confirmed:
                raise RefusedError(
                    spec.risk, "Confirm it, if that is meant.", code="confirm_required",
                    details={"fields": {name: "has to be confirmed"}},
                )  # fmt: skip
        sections: dict[str, dict[str, object]] = {}
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

    def _unknown_bucket(self, place: object) -> str:
        """Why datasets cannot be staged to a bucket by default; empty for every other place."""
        if not isinstance(place, str) or not place.startswith("bucket:"):
            return ""
        known = [row["name"] for row in self._destinations.list() if row["kind"] == "s3"]
        if place.removeprefix("bucket:") in known:
            return ""
        there = f"there is {', '.join(known)}" if known else "there is none yet"
        return f"must be auto, hub, here or bucket: and the name of a bucket's destination; {there}"
