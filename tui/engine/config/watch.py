"""Watches the settings file, and applies an edit by hand a moment after it was saved."""

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
"""Seconds between two checks. A check is one `stat`, which works on every file system."""
_SETTLE: Final = 0.1
"""Seconds between a change and reading it: an editor may write in two steps."""


class SettingsWatcher:
    """Reloads the settings when their file changes, and publishes every change to windows.

    It publishes `settings` after each change, whether by the file or by a call, and `notice` for
    what is wrong in the file. Its task is not the engine's: watching does not keep an engine alive.
    """

    def __init__(
        self, home: Home, live: LiveSettings, bus: EventBus, *, look: float = _LOOK
    ) -> None:
        """Watch nothing yet.

        Args:
            home: whose file.
            live: takes the settings.
            bus: publishes changes and problems.
            look: seconds between two checks.
        """
        self._home = home
        self._live = live
        self._bus = bus
        self._look = look
        self._tasks = TaskOwner()
        self._last_stamp = self._stamp()
        self._reported: tuple[SettingsProblem, ...] | str = live.now.problems
        live.on_change(self._changed)

    def start(self) -> None:
        """Start watching."""
        self._tasks.start(self._watch(), "settings: watch")

    async def aclose(self) -> None:
        """Stop watching."""
        await self._tasks.aclose()

    def _changed(self, _before: Settings, after: Settings) -> None:
        self._bus.publish("settings")
        self._report(after.problems)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._look)
            stamp = self._stamp()
            if stamp == self._last_stamp:
                continue
            await asyncio.sleep(_SETTLE)
            self._last_stamp = self._stamp()
            try:
                self._live.reload()
            except SettingsError as error:
                self._report_error(error)
            else:
                self._report(self._live.now.problems)

    def _stamp(self) -> tuple[int, ...]:
        try:
            status = self._home.settings_file.stat()
        except OSError:
            return ()
        return (status.st_mtime_ns, status.st_size, status.st_ino)

    def _report_error(self, error: SettingsError) -> None:
        """Publish that the file cannot be read, once for each error."""
        if self._reported == error.message:
            return
        self._reported = error.message
        LOG.warning("settings: %s", error.message)
        advice = f"The settings from before hold. {error.advice}"
        self._bus.publish("notice", level="error", message=error.message, advice=advice)

    def _report(self, problems: tuple[SettingsProblem, ...]) -> None:
        """Publish the problems in the file that were not there before."""
        known = self._reported if isinstance(self._reported, tuple) else ()
        self._reported = problems
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
    """The refusal of a job while the cost limit in the file cannot be read."""
    return RefusedError(
        "The cost limit in the settings file cannot be read: "
        f"{_where_wrong(settings, 'spending')}.",
        "Correct it there, or set the limit again; until then no job is submitted.",
        status=429,
        code="cost_limit_exceeded",
        details={"reason": "unreadable_limit"},
    )


def unreadable_address(settings: Settings) -> RefusedError:
    """The refusal of a job while the API base in the file cannot be read.

    Its default must not stand in for it: the job would go to another server than was meant.
    """
    return RefusedError(
        "Where jobs go cannot be read from the settings file: "
        f"{_where_wrong(settings, 'cloud.api_base')}.",
        "Correct it there; until then no job is submitted, except to a server on this machine.",
        status=422,
        code="settings",
    )


def unreadable_consent(settings: Settings) -> RefusedError:
    """The refusal of an upload while the consent in the file cannot be read."""
    return RefusedError(
        "Whether datasets may be uploaded cannot be read from the settings file: "
        f"{_where_wrong(settings, 'cloud.consent')}.",
        "Correct it there, or use hosted data; until then nothing is uploaded.",
        status=403,
        code="consent_denied",
    )


def _where_wrong(settings: Settings, name: str) -> str:
    problem = next(problem for problem in settings.problems if problem.concerns(name))
    place = f"settings.toml line {problem.line}: " if problem.line else ""
    return f"{place}{problem.name} {problem.message}"
