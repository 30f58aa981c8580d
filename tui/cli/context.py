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
    """The user's home of state."""
    return Home.resolve()


def settings() -> Settings:
    """The user's settings, the environment's API base applied.

    What the file says wrongly is told on standard error, once for each command.
    """
    found = load_settings(home())
    for problem in found.problems:
        _tell_once(problem.words(str(home().settings_file)))
    return found


@cache
def _tell_once(words: str) -> None:
    tell(f"simpletuner-tui: {words}")


def reader() -> StoreReader:
    """The store, for reading."""
    from tui.store.reader import StoreReader

    return StoreReader(home().database)


def engine() -> ControlClient:
    """The engine, started if need be."""
    from tui.client.agent import attach_blocking

    return attach_blocking(home(), settings(), os.environ)


def outputs() -> Path:
    """The folder of delivered files."""
    chosen = settings().cloud.outputs_dir
    return Path(chosen).expanduser() if chosen else home().outputs
