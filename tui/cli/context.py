"""The context of every command: the home, the settings, the store and the engine."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tui.cli.output import tell
from tui.settings import Home, Settings, SettingsError, load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tui.api.diagnostics import DoctorLine
    from tui.client.client import ControlClient
    from tui.store.lost_contact import Contacts
    from tui.store.reader import StoreReader


def home() -> Home:
    """The user's state folder."""
    return Home.resolve()


def settings() -> Settings:
    """The user's settings, the environment's API base applied.

    Problems of the file are printed on standard error, once for each command.
    """
    settings = load_settings(home())
    for problem in settings.problems:
        _tell_once(problem.words(str(home().settings_file)))
    return settings


@cache
def _tell_once(message: str) -> None:
    tell(f"simpletuner-tui: {message}")


def reader() -> StoreReader:
    """A reader of the job database.

    Raises:
        StoreError: it is gone, and an engine has it open; without one, there are no jobs yet.
    """
    from tui.store.reader import StoreReader

    _require_database()
    return StoreReader(home().database)


def _require_database() -> None:
    """Tell a database that was taken away from one that was never there."""
    if home().database.exists():
        return
    from tui.client.presence import ABSENT, last_presence
    from tui.store.schema import StoreError

    state, pid = last_presence(str(home().socket))
    if state != ABSENT and not home().database.exists():  # an engine makes it before it listens
        end = f"kill {pid}" if pid else "end its process"
        raise StoreError(
            f"The job database {home().database} was deleted or moved away while the engine is "
            "running: nothing is known of its jobs here.",
            f"Stop the engine first ({end}): it keeps what it knew beside that path when it ends. "
            "Then put the file back with its -wal file; without it, a sync brings the jobs back.",
        )


def engine() -> ControlClient:
    """A client of the engine, which is started if need be, and waited for if it is silent."""
    from tui.client.engine_process import attach_blocking

    return attach_blocking(
        home(),
        settings(),
        os.environ,
        lambda error: _tell_once(f"{error.message} Waiting for it. {error.advice}"),
    )


def answering_engine() -> ControlClient | None:
    """A client of the engine if one answers; for what the store can tell as well.

    That there is one that does not answer is said.
    """
    from tui.client.engine_process import attach_blocking
    from tui.client.presence import ANSWERS, SILENT, last_presence, silent_words

    state, pid = last_presence(str(home().socket))
    if state == SILENT:
        message, advice = silent_words(pid)
        _tell_once(f"{message} This is what the store holds. {advice}")
    return attach_blocking(home(), settings(), os.environ) if state == ANSWERS else None


def doctor() -> Sequence[DoctorLine]:
    """What the engine finds about everything that it depends on; a silent one is not waited for.

    Raises:
        ControlError: no engine answers.
        SettingsError: the settings cannot be read.
    """
    from tui.client.engine_process import attach_blocking

    return attach_blocking(home(), settings(), os.environ).cloud.doctor().result()["lines"]


def contacts(store: StoreReader) -> Contacts:
    """Which active jobs are not heard of, the engine's own silence included.

    The engine is asked where a job is active: one that answers does so within milliseconds.
    """
    from dataclasses import replace

    from tui.client.presence import ANSWERS, SILENT, last_presence
    from tui.store.lost_contact import ENGINE, LostContact

    found = store.contacts()
    begun = store.newest_active()
    if begun is None:
        return found
    state, _pid = last_presence(str(home().socket))
    if state == ANSWERS:
        return found
    why = ENGINE["silent" if state == SILENT else "gone"]
    # Whoever made the newest job or wrote the last sign of life was there then.
    return replace(found, engine=LostContact(why, max(begun, found.sign_of_life or begun)))


def wake_engine(*, needed: bool) -> None:
    """Start the engine where jobs are active, so that the next command shows their true state.

    Called when the answer has been given, so that nobody waits for this and no failure spoils it.

    Args:
        needed: whether a job is active.
    """
    if not needed:
        return
    import sys

    from tui.client.engine_process import attach_blocking
    from tui.client.errors import ControlError, EngineSilentError
    from tui.client.presence import SILENT, last_presence, silent_words

    sys.stdout.flush()
    state, pid = last_presence(str(home().socket))
    try:
        if state == SILENT:  # it was waited for already
            raise EngineSilentError(*silent_words(pid))
        attach_blocking(home(), settings(), os.environ)
    except (ControlError, SettingsError) as error:
        tell(f"simpletuner-tui: {error.message} Active jobs are shown as last seen.")
        if error.advice:
            tell(f"  {error.advice}")
    except OSError as error:
        tell(f"simpletuner-tui: The engine cannot be started: {error.strerror or error}.")


def outputs() -> Path:
    """The folder that results are delivered to."""
    chosen = settings().cloud.outputs_dir
    return Path(chosen).expanduser() if chosen else home().outputs
