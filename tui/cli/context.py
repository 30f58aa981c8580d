"""The context of every command: the home, the settings, the store and the engine."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tui.cli.output import tell
from tui.settings import Home, Settings, load_settings

if TYPE_CHECKING:
    from tui.client.client import ControlClient
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
    """A reader of the job database."""
    from tui.store.reader import StoreReader

    return StoreReader(home().database)


def engine() -> ControlClient:
    """A client of the engine, which is started if need be."""
    from tui.client.engine_process import attach_blocking

    return attach_blocking(home(), settings(), os.environ)


def outputs() -> Path:
    """The folder that results are delivered to."""
    chosen = settings().cloud.outputs_dir
    return Path(chosen).expanduser() if chosen else home().outputs
