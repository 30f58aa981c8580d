"""The log in other programs' hands: they get the terminal, their output is read, it comes back."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from textual.app import App

from tests.app.terminal.pseudo_terminal import Terminal
from tests.app.world import fill, home_at
from tests.support import eventually_sync
from tui.app.terminal.ending import MODES_OFF
from tui.app.terminal.handover import NO_MODELINES, lend, pager_command

HOSTILE = "\x1b]0;renamed\x07\x1b]52;c;cHduZWQ=\x07evil\x9b2J\x1b[?1049h"
"""Renames the window, writes to the clipboard, clears the screen."""


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    home = home_at(tmp_path / "home")
    fill(home, 3, running=0)
    for number in range(3):
        path = home.log_file(f"job{number:05d}")
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = "".join(f"line number {line}\n" for line in range(2_000))
        path.write_text(f"{HOSTILE}\n{lines}")
    pager = tmp_path / "pager"
    pager.write_text(f'#!/bin/sh\necho "$@" > "{tmp_path}/asked"\nexit 3\n')
    pager.chmod(0o755)
    (tmp_path / "less").symlink_to(pager)
    monkeypatch.setenv("PAGER", f"{tmp_path}/less -R")
    monkeypatch.setenv("SHELL", "/bin/sh")
    terminal = Terminal(["app", str(home.root)])
    yield terminal
    terminal.close()


def piped(app: Terminal, command: str) -> None:
    app.send(b"|\x15" + command.encode() + b"\r")  # in one piece, as slow connections have it


def back(app: Terminal, keys: bytes) -> None:
    app.screen.reset()
    app.send(keys)
    app.until("/ search")  # the line to type in has gone
    app.until("line number 1999")


def test_commands_and_the_pager_get_the_terminal_and_it_comes_back(
    app: Terminal, tmp_path: Path
) -> None:
    app.until("engine: starting")
    app.send(b"\r")
    app.until("line number 1999")

    piped(app, "grep -c 77; exit 4")
    app.until("ended with exit status 4 · enter goes back")
    assert b"\x1b[?1004l38\r\n" in app.raw
    back(app, b"\r")

    piped(app, "echo run $((7 * 6)); exec sleep 100")
    app.until("run 42")
    app.send(b"\x03")  # the command's, not the app's
    app.until("enter goes back")
    back(app, b"\x03\r")

    before = len(app.raw)
    piped(app, "grep evil")
    app.until("grep evil · enter goes back")
    printed = app.raw[before:]
    assert b"evil" in printed
    assert [odd for odd in (b"renamed", b"cHduZWQ=", b"\xc2\x9b") if odd in printed] == []
    back(app, b"\r")

    app.send(b":pager\r")
    app.until("less ended with exit status 3")
    options, place, file = (tmp_path / "asked").read_text().split()
    top = next(line for line in app.screen.display if "line number" in line)
    text = Path(file).read_bytes()[int(place.strip("+P")) :]
    assert (options, place[0], place[-1]) == ("-R", "+", "P")
    assert text.split(b"\n")[0].decode() in top

    piped(app, f"echo $$ > {tmp_path}/pid; exec sleep 100")
    eventually_sync((tmp_path / "pid").exists)
    os.kill(app.pid, signal.SIGTERM)
    assert app.ended() == 128 + signal.SIGTERM
    assert MODES_OFF.encode() not in app.raw, "it was given up: the command went on"


@pytest.mark.parametrize("pager", ["cat", "less"])
def test_a_pager_that_prints_all_gets_a_harmless_copy(
    pager: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / pager
    program.write_text('#!/bin/sh\ncat "$2"; echo "$2" > "$0.asked"\n')
    program.chmod(0o755)
    log = tmp_path / "job.log"
    log.write_text(f"{HOSTILE}\n✓ done\n")
    app = SimpleNamespace(suspend=contextlib.nullcontext)
    assert not lend(cast("App[None]", app), [str(program), "+1"], log).is_failure
    shown, asked = capfd.readouterr().out, Path(f"{program}.asked").read_text().strip()
    assert shown.endswith("\n✓ done\n")
    if pager == "less":  # which shows them itself
        assert (shown, asked) == (log.read_text(), str(log))
    else:
        assert "\x1b" not in shown
        assert "\x9b" not in shown
        assert not Path(asked).exists()


@pytest.mark.parametrize(
    ("pager", "line", "wanted"),
    [
        ("less -S", 8, ["less", "-S", "+700P"]),
        ("/usr/bin/less", None, ["/usr/bin/less", "+700P"]),
        ("most -s", 8, ["most", "-s", "+8"]),
        ("more", None, ["more"]),
        ("bat; rm -rf x", 8, ["bat;", "rm", "-rf", "x"]),
        ("lnav", 8, ["lnav"]),
    ],
)
def test_the_pager_is_started_where_the_view_is(
    pager: str, line: int | None, wanted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAGER", pager)
    assert pager_command(700, line) == wanted


@pytest.mark.parametrize("named", ["vim", "vi", "nvim", "view"])
def test_no_line_of_a_log_configures_vim(
    named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that a trainer writes are data; the user's own settings may ask for modelines.

    Vim itself: with the option, `# vim: set textwidth=33:` in a log leaves `textwidth` at 0.
    """
    pager = tmp_path / named
    monkeypatch.setenv("PAGER", f"{pager} -R")
    for real, more in (("vim.basic", NO_MODELINES), ("nvi", ())):  # the other vi has none
        (tmp_path / real).touch(mode=0o755)
        pager.unlink(missing_ok=True)
        pager.symlink_to(real)
        assert pager_command(0, 2) == [str(pager), "-R", "+2", *more]


@pytest.mark.parametrize("pager", ["", "'open"])
def test_without_a_usable_pager_there_is_one(pager: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGER", pager)
    assert pager_command(0, 1)[0] in ("less", "more")
