"""Fixtures of every test: an own home folder, and no tokens or colours of the developer's shell."""

from __future__ import annotations

import gc
import importlib.util
import inspect
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import settings

from tests.api import watch as shapes
from tests.canary import Watch, marked_secrets
from tui.destinations.hub.client import _doors as doors_of_the_hub
from tui.replicate.known_secrets import KNOWN

NO_SKIPS = "SIMPLETUNER_TUI_NO_SKIPS"
"""If this variable is set, a skipped test fails: all system programs must be installed."""
TIER = "SIMPLETUNER_TUI_TESTS"
"""The tier of `python -m tests`; it sets the number of Hypothesis examples."""

_SCRUBBED = (
    "NO_COLOR", "COLORTERM", "COLUMNS", "LINES", "REPLICATE_API_TOKEN", "REPLICATE_BASE_URL",
    "SIMPLETUNER_TUI_API_BASE", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_HUB_TOKEN",
    "HUGGINGFACEHUB_API_TOKEN", "HF_API_TOKEN", "HF_ENDPOINT", "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "DBUS_SESSION_BUS_ADDRESS", "DISPLAY",
    "XDG_RUNTIME_DIR",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY",
    "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy", "SSH_CONNECTION",
)  # fmt: skip


if importlib.util.find_spec("sniffio") is None:
    # httpcore looks for it several times in each request, 50 µs each where it is missing.
    cast("dict[str, Any]", sys.modules)["sniffio"] = None

_STARTS_NOTHING = frozenset(
    {
        "own_world",
        "homes",
        "recognisable_secrets",
        "ended_processes",
        "forgotten_secrets",
        "watched_shapes",
        "answers_fit",
        "plain_terminal",
        "home",
    }
)  # fmt: skip
_WHOLE_PROGRAMS = frozenset({"benchmarks", "clients", "e2e"})


def pytest_configure(config: pytest.Config) -> None:
    """Register the search for secrets and the Hypothesis profiles."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell lets background processes ignore SIGINT, and child processes inherit that.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.pluginmanager.register(Watch(), "canary-watch")
    # No deadline: the time of an example depends on the machine; pytest-timeout stops what hangs.
    settings.register_profile("all", deadline=None)
    settings.register_profile("fast", deadline=None, max_examples=20)
    settings.register_profile("release", deadline=None, max_examples=500)
    settings.load_profile(os.environ.get(TIER, "all"))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Set what the collection leaves aside: the modules and items stay until the end.

    Python's garbage collector would look at each of their 400 000 containers again and again, for
    a fifth of the time that the tests compute; and what a test builds is larger than the few
    hundred objects after which it looks by default.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(5_000, 10, 10)
        gc.enable()


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups, and pytest the markers, in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark quick tests, and run tests that share a module fixture in one worker."""
    for item in items:
        fixtures = fixtures_of_ours(item)
        if "module" in fixtures.values() and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))  # it is created once
        if is_quick(item, fixtures):
            item.add_marker(pytest.mark.quick)


def fixtures_of_ours(item: pytest.Item) -> dict[str, str]:
    """The fixtures below `tests/` that a test uses, with their scopes."""
    known = getattr(item, "_fixtureinfo", None)  # what pytest itself orders tests by
    used = known.name2fixturedefs.items() if known is not None else ()
    return {name: made.scope for name, makers in used for made in makers if made.baseid}


def is_quick(item: pytest.Item, fixtures: Iterable[str]) -> bool:
    """Whether a test starts nothing: no server, no process, no screen.

    Those need an event loop, a fixture that keeps them or a module that starts processes, or they
    lie in folders of their own.
    """
    function, module = getattr(item, "function", None), getattr(item, "module", None)
    return (
        function is not None
        and not inspect.iscoroutinefunction(inspect.unwrap(function))
        and _STARTS_NOTHING.issuperset(fixtures)
        and not hasattr(module, "subprocess")
        and item.path.parent.name not in _WHOLE_PROGRAMS
    )


@pytest.fixture(autouse=True, scope="session")
def recognisable_secrets() -> Iterator[None]:
    """Put the mark of `tests.canary` into the secrets of the tests."""
    with pytest.MonkeyPatch.context() as patch, marked_secrets(patch):
        yield


@pytest.fixture(autouse=True, scope="session")
def watched_shapes() -> Iterator[shapes.Watch]:
    """Check every answer of an engine against the shapes of `tui.api`."""
    with pytest.MonkeyPatch.context() as patch, shapes.watched(patch) as watch:
        yield watch


@pytest.fixture(autouse=True, scope="session")
def ended_processes() -> Iterator[None]:
    """Reap what the tests of a worker started, and fail if something of it is still running.

    An engine that is started as an agent outlives whoever started it; that of a test must not.
    """
    yield
    left = []
    gc.unfreeze()  # what an engine in this process has frozen is not listed
    for process in [one for one in gc.get_objects() if type(one) is subprocess.Popen]:
        try:
            process.wait(30)  # some have just been sent a signal
        except subprocess.TimeoutExpired:
            left.append(process.args)
            process.kill()
            process.wait()
    # One look at all that is left, then none of it again: pytest looks five times at the end of the
    # session, for what complains when it is freed, and the interpreter at its own.
    gc.collect()
    gc.freeze()
    assert left == [], "processes that no test has ended"


@pytest.fixture(autouse=True)
def forgotten_secrets() -> Iterator[None]:
    """Forget the secrets of a test: they would be masked in the texts of the next one."""
    yield
    KNOWN.forget()
    doors_of_the_hub.clear()  # a later test may use the same token at another port


@pytest.fixture(autouse=True)
def answers_fit(watched_shapes: shapes.Watch) -> Iterator[None]:
    """Fail a test in which an answer of an engine did not have the shape of `tui.api`."""
    yield
    problems = watched_shapes.take()
    assert problems == [], "\n".join(problems[:20])


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """New folders, one for each test.

    They are counted here: pytest's `mktemp` reads the names of all folders before each new one.
    """
    root = tmp_path_factory.mktemp("h")
    return (root / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def own_world(homes: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A separate home folder and environment for each test."""
    home = next(homes)
    home.mkdir(mode=0o700)
    for name in _SCRUBBED:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("SIMPLETUNER_TUI_HOME", str(home / "state"))
    monkeypatch.setenv("TERM", "xterm-256color")
    # The keyring's helper process starts slowly on a busy machine.
    monkeypatch.setattr("tui.secrets.keyring._LIMIT", 60.0)
    return home


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn skips into failures if `NO_SKIPS` is set."""
    report = yield
    if report.skipped and os.environ.get(NO_SKIPS) and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: skipped although {NO_SKIPS} is set: {reason}"
    return report
