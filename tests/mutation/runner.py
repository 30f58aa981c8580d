"""Runs the tests beside a module with each of its mutants.

The tests are collected once. Each mutant is a fork of that process with the functions exchanged, in
which those tests run that execute the changed statement, the shortest first, until one fails.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Final

from tests.mutation.mutant import Mutant
from tests.mutation.swap import executed, first_difference, statement, swap, swaps

ROOT: Final = Path(__file__).parents[2]
_FORK: Final = multiprocessing.get_context("fork")
_LEAST_SECONDS: Final = 30.0
_SLOWER: Final = 4.0
"""A run that takes this many times what it takes without a fault hangs."""
_WHOLE_SECONDS: Final = 900.0
HANGS: Final = "it hangs"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the tests said of a mutant.

    Attributes:
        mutant: which one.
        by: the test that noticed it, `HANGS`, or "" if it survived.
        tried: the number of tests that execute the changed statement.
    """

    mutant: Mutant
    by: str
    tried: int


@dataclass(slots=True)
class _Test:
    item: Any
    seconds: float
    lines: frozenset[int]


def module_name(path: str) -> str:
    """The dotted name of a module."""
    return path.removesuffix(".py").replace("/", ".")


def run(
    tests: Mapping[str, Sequence[str]], mutants: Mapping[str, Sequence[Mutant]],
    done: Callable[[Outcome], None], jobs: int = 1,
) -> list[str]:  # fmt: skip
    """Try the mutants of modules; `done` is called after each mutant.

    Args:
        tests: the tests of each module, as paths or `path::function`.
        mutants: the mutants of each module.
        done: takes what came out.
        jobs: processes that share the modules.

    Returns:
        The modules whose tests fail without any fault.
    """
    open_ends: dict[Connection, Any] = {}
    for first in range(min(jobs, len(tests))):
        share = list(tests)[first::jobs]
        ours, theirs = _FORK.Pipe(duplex=False)
        process = _FORK.Process(
            target=_collect, args=({path: tests[path] for path in share}, mutants, theirs)
        )
        process.start()
        theirs.close()
        open_ends[ours] = process
    broken = set(tests)
    while open_ends:
        ready = wait(list(open_ends))
        for end in [one for one in open_ends if one in ready]:
            try:
                told = end.recv()
            except EOFError:
                process = open_ends.pop(end)
                process.join()
                if process.exitcode:
                    raise RuntimeError("a run ended early: its error is above") from None
                continue
            if isinstance(told, Outcome):
                done(told)
            else:
                broken.discard(told)
    return sorted(broken)


def _collect(
    tests: Mapping[str, Sequence[str]], mutants: Mapping[str, Sequence[Mutant]], out: Connection
) -> None:
    os.chdir(ROOT)
    os.environ["SIMPLETUNER_TUI_TESTS"] = "fast"
    _be_quiet()
    import pytest

    class Plugin:
        @pytest.hookimpl(trylast=True)
        def pytest_configure(self) -> None:
            from hypothesis import HealthCheck, Phase, settings  # not earlier: pytest rewrites it

            # A failure is enough: to search for its smallest example would take minutes.
            phases = [Phase.explicit, Phase.generate]
            settings.register_profile(
                "mutants",
                settings.get_profile("fast"),
                phases=phases,
                suppress_health_check=list(HealthCheck),  # a busy machine is no fault
            )
            settings.load_profile("mutants")

        @pytest.hookimpl(tryfirst=True)
        def pytest_runtestloop(self, session: pytest.Session) -> bool:
            try:
                for path in () if session.testsfailed else tests:
                    _try_all(session, path, tests[path], mutants[path], out)
            except BaseException:
                traceback.print_exc(file=sys.__stderr__)
                os._exit(1)
            return True

    every = dict.fromkeys(test for some in tests.values() for test in some)
    pytest.main(["-n", "0", *every], plugins=[Plugin()])
    os._exit(0)


def _try_all(
    session: Any, path: str, tests: Sequence[str], mutants: Sequence[Mutant], out: Connection
) -> None:
    """Measure the tests of a module, then try each mutant with those that reach it."""
    items = [item for item in session.items if any(_is_of(item, test) for test in tests)]

    def look(tell: Connection) -> None:
        known = []
        for item in items:
            lines, began = executed(ROOT / path), time.monotonic()
            passed = _passes(session, [item])
            sys.settrace(None)
            if not passed:
                print(f"fails without any fault: {item.nodeid}", file=sys.__stderr__)
                tell.send(None)
                return
            known.append((time.monotonic() - began, frozenset(lines)))
        tell.send((known, sorted(sys.modules)))

    told = _forked(look, _WHOLE_SECONDS)
    if told is None:
        return
    known, loaded = told
    out.send(path)
    for name in loaded:  # what every fork would import anew
        if name.startswith("tui"):
            with suppress(Exception):
                importlib.import_module(name)
    measured = [_Test(item, *one) for item, one in zip(items, known, strict=True)]
    measured.sort(key=lambda one: one.seconds)
    source = (ROOT / path).read_text()
    for mutant in mutants:
        lines = set(statement(source, first_difference(source, mutant.source)))
        chosen = [one for one in measured if one.lines & lines]
        by = ""
        for _ in range(2):  # what fails by chance is tried again
            by = _noticed(session, module_name(path), source, mutant.source, chosen or measured)
            again = [one for one in measured if one.item.nodeid == by]
            if not again or not _fails_without(session, path, source, mutant, again):
                break
        else:
            by = ""
        out.send(Outcome(mutant, by, len(chosen)))


def _is_of(item: Any, test: str) -> bool:
    """Whether a test is one of a path, or of its function (`path::function`)."""
    path, _, function = test.partition("::")
    inside = item.path == ROOT / path or ROOT / path in item.path.parents
    return inside and function in ("", getattr(item, "originalname", ""))


def _noticed(
    session: Any, module: str, source: str, changed: str, tests: Sequence[_Test], *,
    whole: bool = False,
) -> str:  # fmt: skip
    """The test that notices a change; `whole` runs all of the module anew."""

    def attempt(tell: Connection) -> None:
        if whole or (changed != source and not swap(module, source, changed)):
            _execute(module, changed)
        for one in tests:
            if not _passes(session, [one.item]):
                tell.send(one.item.nodeid)
                return
        tell.send("")

    limit = max(_LEAST_SECONDS, _SLOWER * sum(one.seconds for one in tests))
    told = _forked(attempt, limit)
    return HANGS if told is None else str(told)


def _fails_without(
    session: Any, path: str, source: str, mutant: Mutant, tests: Sequence[_Test]
) -> bool:
    """Whether a test that noticed a mutant fails without it as well, by chance or by our doing."""
    whole = not swaps(source, mutant.source)
    return bool(_noticed(session, module_name(path), source, source, tests, whole=whole))


def _execute(module: str, source: str) -> None:
    """Run a changed module, and give what it defines to all who imported it."""
    whole = sys.modules[module]
    before = dict(vars(whole))
    exec(compile(source, str(whole.__file__), "exec", dont_inherit=True), vars(whole))
    changed = {
        id(old): vars(whole)[name]
        for name, old in before.items()
        if getattr(old, "__module__", None) == module and vars(whole)[name] is not old
    }
    for other in list(sys.modules.values()):
        for name, value in list(getattr(other, "__dict__", {}).items()):
            if other is not whole and id(value) in changed:
                setattr(other, name, changed[id(value)])


def _passes(session: Any, items: Sequence[Any]) -> bool:
    """Whether tests pass, alone in this process."""
    before = session.testsfailed
    for item in items:
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
    return bool(session.testsfailed == before)


def _forked(task: Callable[[Connection], None], seconds: float) -> Any:
    """What a task sends from a fork of this process; None if it takes too long.

    Raises:
        EOFError: it ends without a word.
    """
    ours, theirs = _FORK.Pipe(duplex=False)
    child = os.fork()
    if not child:
        try:
            os.setsid()
            ours.close()
            task(theirs)
        except Exception:
            traceback.print_exc(file=sys.__stderr__)
        finally:
            os._exit(0)
    theirs.close()
    told = None
    if wait([ours], timeout=seconds):
        told = ours.recv()
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    ours.close()
    return told


def _be_quiet() -> None:
    """Keep what tests print from the screen; `sys.__stderr__` stays."""
    kept = os.dup(2)
    quiet = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(quiet, stream)
    sys.__stderr__ = os.fdopen(kept, "w", buffering=1)
