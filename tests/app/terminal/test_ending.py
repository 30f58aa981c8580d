"""Signals, a crash and job control: the terminal is given back, and what the user did is kept."""

from __future__ import annotations

import ctypes
import json
import os
import re
import signal
import stat
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.terminal.pseudo_terminal import Terminal
from tests.app.world import fill, home_at
from tests.support import eventually_sync
from tui.app.terminal import ending

SECRET = "correct-horse-battery-staple"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    fill(home_at(tmp_path / "home"), 9, running=0)
    return tmp_path / "home"


@pytest.fixture
def app(folder: Path) -> Iterator[Terminal]:
    terminal = Terminal(["app", str(folder)])
    yield terminal
    terminal.close()


@pytest.fixture
def faulty(folder: Path) -> Iterator[Terminal]:
    terminal = Terminal(["faulty", str(folder), SECRET])
    yield terminal
    terminal.close()


def left_on(raw: bytes) -> set[str]:
    """The terminal's modes that were turned on and not off, and what was not put back."""
    on: set[str] = set()
    for mode, letter in re.findall(rb"\x1b\[\?(\d+)([hl])", raw):
        wrap_or_cursor = mode in (b"7", b"25")
        (on.add if (letter == b"h") != wrap_or_cursor else on.discard)(mode.decode())
    if len(re.findall(rb"\x1b\[>\d+u", raw)) != raw.count(b"\x1b[<u"):
        on.add("keys of kitty")
    if raw.count(b"\x1b[22;0t") != raw.count(b"\x1b[23;0t"):
        on.add("title")
    return on


@pytest.mark.parametrize("number", ending.SIGNALS)
def test_a_signal_leaves_the_terminal_as_it_was_and_keeps_the_view(
    number: signal.Signals, folder: Path, app: Terminal
) -> None:
    modes = termios.tcgetattr(app.fd)
    app.until("engine: starting")
    app.send(b"s")
    app.until("sort: name")
    sheet = number == signal.SIGTERM
    app.send(b"i" if sheet else b"m")
    app.until("Note" if sheet else "The mouse is the terminal's")
    assert left_on(app.raw)
    os.kill(app.pid, number)
    assert app.ended() == 128 + number
    assert left_on(app.raw) == set()
    assert app.modes_left == modes
    assert b"Traceback" not in app.raw
    assert json.loads((folder / "place.json").read_text())["sort"] == "name"


def test_a_signal_that_another_thread_gets_ends_an_app_that_waits(tmp_path: Path) -> None:
    fill(home_at(tmp_path / "home"), 9, running=-1)
    app = Terminal(["app", str(tmp_path / "home")])
    try:
        app.until("engine: starting")
        app.quiet(6.0)  # the start is over, and no job runs: nothing happens for a minute
        threads = [int(name) for name in os.listdir(f"/proc/{app.pid}/task")]
        other = next(thread for thread in threads if thread != app.pid)
        assert ctypes.CDLL(None).tgkill(app.pid, other, int(signal.SIGHUP)) == 0
        assert app.ended(within=20) == 128 + signal.SIGHUP
    finally:
        app.close()


def test_a_window_that_stands_still_ends_all_the_same(folder: Path, faulty: Terminal) -> None:
    modes = termios.tcgetattr(faulty.fd)
    faulty.until("engine: starting")
    faulty.send(b"s")
    faulty.until("sort: name")
    faulty.send(b"\x0c")
    eventually_sync((folder / "stands still").exists)
    os.kill(faulty.pid, signal.SIGTERM)
    assert faulty.ended() == 128 + signal.SIGTERM
    assert left_on(faulty.raw) <= {"title"}
    assert faulty.modes_left == modes
    assert json.loads((folder / "place.json").read_text())["sort"] == "name"


def test_a_crash_gives_the_terminal_back_and_names_a_report_without_secrets(
    folder: Path, faulty: Terminal
) -> None:
    report = folder / "app.log"
    modes = termios.tcgetattr(faulty.fd)
    report.touch(0o644)
    faulty.until("engine: starting")
    faulty.send(b"s")
    faulty.until("sort: name")
    faulty.send(b"m")
    assert faulty.ended() == 1
    assert left_on(faulty.raw) == set()
    assert faulty.modes_left == modes
    said = " ".join(b"".join(faulty.raw.partition(b"\x1b[?1049l")[1:]).decode().split())
    assert f"Details are in {report}." in said
    assert "Traceback" not in said
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    assert "RuntimeError: a fault that quotes" in report.read_text()
    assert SECRET not in report.read_text() + said
    assert json.loads((folder / "place.json").read_text())["sort"] == "name"


def back_again(app: Terminal, words: str = "engine: starting") -> None:
    """Press enter at the shell, which lets the app go on, and wait for its screen."""
    before = len(app.raw)
    app.screen.reset()
    app.send(b"\n")
    app.until(words)
    assert b"\x1b[?1049h" in app.raw[before:]


def test_the_shell_gets_the_terminal_and_gives_it_back(folder: Path) -> None:
    line = "{}; echo SHELL one; read; fg; echo SHELL two; read; fg; echo SHELL three; "
    line += "read; fg; echo END $?"
    app = Terminal(["app", str(folder)], shell=line)
    try:
        modes = termios.tcgetattr(app.fd)
        app.until("engine: starting")
        app.send(b"\x1a")
        app.until("SHELL one")
        assert left_on(app.raw) == set()
        assert termios.tcgetattr(app.fd)[3] & termios.ECHO
        back_again(app)
        app.send(b"s")
        app.until("sort: name")
        os.kill(app.child(), signal.SIGSTOP)  # without a warning
        app.until("SHELL two")
        back_again(app)
        app.send(b"?")
        app.until("esc back")
        app.send(b"\x1a")  # over a sheet as well
        app.until("SHELL three")
        assert left_on(app.raw) == set()
        back_again(app, "esc back")
        app.screen.reset()
        app.send(b"\x0c")
        app.until("esc back")  # drawn again over a sheet as well
        app.send(b"\x1b")
        app.until("engine: starting")
        app.send(b"S")
        app.until("sort: name ▾")
        app.send(b"q")
        app.until("END 0")
        assert app.ended() == 0
        assert left_on(app.raw) == set()
        assert app.modes_left == modes
    finally:
        app.close()


def test_without_a_shell_it_does_not_stop(app: Terminal) -> None:
    """Nobody could let it go on."""
    app.until("engine: starting")
    app.send(b"\x1a")
    app.until("No shell is there to come back from.")


def test_a_signal_before_the_first_step_of_the_app_prints_nothing() -> None:
    script = (
        "import os, signal\n"
        "from tui.app.terminal import ending\n"
        "async def app(): pass\n"
        "ending.catch()\n"
        "coroutine = app()\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (128 + signal.SIGTERM, b"", b"")
