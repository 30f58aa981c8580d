"""The settings file, watched: an edit by hand is in force a moment after it was saved."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from tui.base.errors import RefusedError
from tui.engine.config.live import LiveSettings
from tui.engine.runtime.event_bus import EventBus
from tui.engine.runtime.tasks import TaskOwner
from tui.settings import Home, Settings, SettingsError, SettingsProblem

LOG = logging.getLogger(__name__)

_LOOK: Final = 1.0
"""Seconds between two looks. A look is one `stat`, on every file system alike."""
_SETTLE: Final = 0.1
"""An editor may write in two steps; the second is waited for before anything is called wrong."""


class SettingsWatcher:
    """One task, its own and not the engine's: watching a file is no reason for an engine to stay.

    Whatever changes the settings, by this watch or by a call, windows are told by `settings`.
    """

    def __init__(
        self, home: Home, live: LiveSettings, bus: EventBus, *, look: float = _LOOK
    ) -> None:
        """Args: whose file, where the settings go, who is told, seconds between two looks."""
        self._home = home
        self._live = live
        self._bus = bus
        self._look = look
        self._tasks = TaskOwner()
        self._seen = self._stamp()
        self._told: tuple[SettingsProblem, ...] | str = live.now.problems
        live.on_change(self._changed)

    def start(self) -> None:
        """Begin to watch."""
        self._tasks.start(self._watch(), "settings: watch")

    async def aclose(self) -> None:
        """Stop watching."""
        await self._tasks.aclose()

    def _changed(self, _before: Settings, after: Settings) -> None:
        self._bus.publish("settings")
        self._tell(after.problems)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._look)
            stamp = self._stamp()
            if stamp == self._seen:
                continue
            await asyncio.sleep(_SETTLE)
            self._seen = self._stamp()
            try:
                self._live.reload()
            except SettingsError as error:
                self._unusable(error)
            else:
                self._tell(self._live.now.problems)

    def _stamp(self) -> tuple[int, ...]:
        try:
            status = self._home.settings_file.stat()
        except OSError:
            return ()
        return (status.st_mtime_ns, status.st_size, status.st_ino)

    def _unusable(self, error: SettingsError) -> None:
        """Said once, and again when it is another error."""
        if self._told == error.message:
            return
        self._told = error.message
        LOG.warning("settings: %s", error.message)
        advice = f"The settings from before hold. {error.advice}"
        self._bus.publish("notice", level="error", message=error.message, advice=advice)

    def _tell(self, problems: tuple[SettingsProblem, ...]) -> None:
        known = self._told if isinstance(self._told, tuple) else ()
        self._told = problems
        for problem in problems:
            if problem not in known:
                LOG.warning("settings: %s", problem.words())
                self._bus.publish(
                    "notice",
                    level="warning",
                    message=problem.words(),
                    advice=f"Correct it in {self._home.settings_file}.",
                )


def unreadable_limit(settings: Settings) -> RefusedError:
    """Why no job is let past a limit that nobody can read."""
    return RefusedError(
        "The cost limit in the settings file cannot be read: "
        f"{_where_wrong(settings, 'spending')}.",
        "Correct it there, or set the limit again; until then no job is submitted.",
        status=429,
        code="cost_limit_exceeded",
        details={"reason": "unreadable_limit"},
    )


def unreadable_address(settings: Settings) -> RefusedError:
    """Why no job is sent to an address that stands in for one that nobody can read."""
    return RefusedError(
        "Where jobs go cannot be read from the settings file: "
        f"{_where_wrong(settings, 'cloud.api_base')}.",
        "Correct it there; until then no job is submitted, except to a server on this machine.",
        status=422,
        code="settings",
    )


def unreadable_consent(settings: Settings) -> RefusedError:
    """Why nothing is uploaded while nobody can read whether it may be."""
    return RefusedError(
        "Whether datasets may be uploaded cannot be read from the settings file: "
        f"{_where_wrong(settings, 'cloud.consent')}.",
        "Correct it there, or use hosted data; until then nothing is uploaded.",
        status=403,
        code="consent_denied",
    )


def _where_wrong(settings: Settings, name: str) -> str:
    wrong = next(one for one in settings.problems if one.concerns(name))
    place = f"settings.toml line {wrong.line}: " if wrong.line else ""
    return f"{place}{wrong.name} {wrong.message}"
