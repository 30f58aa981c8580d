"""A copy goes where the user sits, and "copied" is said only when it can be true."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tui.app.terminal.clipboard import copy

XTERM = {"TERM": "xterm-256color"}


@pytest.mark.parametrize(
    ("environ", "copied"),
    [
        (XTERM, True),
        ({**XTERM, "VTE_VERSION": "7600"}, False),
        ({**XTERM, "TERM_PROGRAM": "Apple_Terminal"}, False),
        ({"TERM": "linux"}, False),
        ({"TERM": "vt100"}, False),
        ({}, False),
        ({"TERM": "screen", "STY": "1.pts"}, True),
        ({"TERM": "screen", "TMUX": "/nowhere,1,0"}, False),  # its server has gone
    ],
)
def test_copied_is_true_or_not_said(environ: dict[str, str], copied: bool) -> None:
    sent: list[str] = []
    assert copy("tëxt", environ, sent.append) is copied
    assert bool(sent) is (copied or "TMUX" in environ)


def test_the_text_is_sent_whole_or_not_at_all() -> None:
    sent: list[str] = []
    assert copy("tëxt", XTERM, sent.append)
    assert sent == [f"\x1b]52;c;{base64.b64encode('tëxt'.encode()).decode()}\x07"]
    assert not copy("x" * 80_000, XTERM, sent.append)
    assert len(sent) == 1


def test_screen_gets_it_in_pieces_that_make_the_whole() -> None:
    sent: list[str] = []
    assert copy("x" * 900, {"TERM": "screen", "STY": "1.pts"}, sent.append)
    pieces = [piece.removeprefix("\x1bP") for piece in sent[0].split("\x1b\\")[:-1]]
    assert max(map(len, pieces)) <= 256
    coded = "".join(pieces).removeprefix("\x1b]52;c;").removesuffix("\x07")
    assert base64.b64decode(coded) == b"x" * 900


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[str]:
    """A tmux with its defaults, which takes no OSC 52; its socket."""
    if shutil.which("tmux") is None:
        pytest.skip("needs the program tmux")
    name = f"st-{uuid.uuid4().hex[:12]}"
    command = ["tmux", "-L", name, "-f", "/dev/null"]
    subprocess.run([*command, "new-session", "-d", "cat"], check=True, cwd=tmp_path)
    shown = subprocess.run(
        [*command, "display-message", "-p", "#{socket_path}"], check=True, capture_output=True
    )
    yield shown.stdout.decode().strip()
    subprocess.run([*command, "kill-server"], check=False)


def test_tmux_takes_it_with_its_defaults(tmux: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMUX", f"{tmux},1,0")
    sent: list[str] = []
    assert copy("tëxt; #{pane}", os.environ, sent.append)
    kept = subprocess.run(["tmux", "show-buffer"], check=True, capture_output=True)
    assert kept.stdout.decode() == "tëxt; #{pane}"
    assert sent == []
