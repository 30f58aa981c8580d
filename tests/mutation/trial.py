"""Runs tests against a module whose source is changed in memory: no file of the tree is touched."""

from __future__ import annotations

import importlib.abc
import importlib.util
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import CodeType
from typing import Any

ROOT = Path(__file__).parents[2]
_LEAST_SECONDS = 20.0
"""A run of less than this is given so much: the first one pays for what the others find read."""
_SLOWER = 3.0
_FORK = multiprocessing.get_context("fork")
# Loaded once, before the runs are forked. None imports the program, which each run loads anew.
_SHARED = ("aiohttp.web", "boto3", "httpx", "numpy", "pydantic", "textual.app")


class _Loader(SourceFileLoader):
    def __init__(self, name: str, path: str, source: str) -> None:
        super().__init__(name, path)
        self._source = source

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._source, self.path, "exec", dont_inherit=True)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds one module, with another source than its file has."""

    def __init__(self, name: str, source: str) -> None:
        self._name = name
        self._source = source

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        found = PathFinder.find_spec(fullname, path)
        if found is None or found.origin is None:
            return None
        loader = _Loader(fullname, found.origin, self._source)
        return importlib.util.spec_from_file_location(fullname, found.origin, loader=loader)


@dataclass(slots=True)
class Trial:
    """One run of tests.

    Attributes:
        path: the changed module, from the root of the tree.
        source: its source in this run.
        tests: pytest's arguments.
        seconds: time limit; a run that exceeds it is ended, and a test of it at half of it.
        status: pytest's exit status when it has run; negative when it was ended by a signal.
        took: seconds that it ran.
    """

    path: str
    source: str
    tests: Sequence[str]
    seconds: float = 600.0
    status: int | None = None
    took: float = 0.0

    @property
    def killed(self) -> bool:
        """Whether the tests noticed the change."""
        return self.status != 0

    @property
    def limit(self) -> float:
        """Seconds for the same run with a fault: one that hangs takes no more than a few runs."""
        return max(_LEAST_SECONDS, _SLOWER * self.took)


def module_name(path: str) -> str:
    """The dotted name of a module."""
    return path.removesuffix(".py").replace("/", ".")


def run(trials: Sequence[Trial], jobs: int, done: Callable[[Trial], None]) -> None:
    """Run all trials, `jobs` at a time; `done` is called after each."""
    for name in _SHARED:
        with suppress(ImportError):
            importlib.import_module(name)
    assert not any(name == "tui" or name.startswith("tui.") for name in sys.modules)
    waiting = list(reversed(trials))
    running: dict[BaseProcess, tuple[Trial, float]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                trial = waiting.pop()
                process: BaseProcess = _FORK.Process(target=_run, args=(trial,))
                process.start()
                running[process] = (trial, time.monotonic())
            wait([process.sentinel for process in running], timeout=1)
            for started, (trial, began) in list(running.items()):
                trial.took = time.monotonic() - began
                if started.is_alive() and trial.took < trial.seconds:
                    continue
                _end(started)
                trial.status = started.exitcode
                del running[started]
                done(trial)
    finally:
        for left in running:
            _end(left)


def _end(process: BaseProcess) -> None:
    """End a run with all that it started; what has ended already is only waited for."""
    if process.pid is not None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.join()


def _run(trial: Trial) -> None:
    """Run the tests of a trial; the process ends with pytest's status."""
    os.setsid()
    quiet = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(quiet, stream)
    os.chdir(ROOT)
    os.environ["SIMPLETUNER_TUI_TESTS"] = "fast"
    sys.meta_path.insert(0, _Finder(module_name(trial.path), trial.source))
    import pytest

    # A test that hangs has noticed something; the whole run has its own limit.
    arguments = ["-x", "-n", "0", "--timeout", str(trial.seconds / 2)]
    os._exit(int(pytest.main([*arguments, *trial.tests])))
