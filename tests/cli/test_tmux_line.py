"""What `doctor` says of the terminal inside of a real tmux, and what the app draws there."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from tests.e2e.screen import Screen

_ASK = """
from tui.app.app import drawn_on_this_terminal as drawn
from tui.cli.doctor_command import terminal_line as line
from tui.settings import Settings
print(line()['level'], drawn(Settings()).ui.ascii, 'said')
"""


@pytest.mark.parametrize(("locale", "told"), [("", "warn True"), ("C.UTF-8", "ok False")])
def test_a_tmux_without_utf_8_is_told_and_gets_ascii(
    tmp_path: Path, locale: str, told: str
) -> None:
    inside = f"{sys.executable} -c {shlex.quote(_ASK)}; exec cat"
    command = ["tmux", "-S", str(tmp_path / "inner"), "-f", "/dev/null", "new-session", inside]
    command += [";", "set", "-g", "destroy-unattached", "on"]  # the server ends with its client
    # Inside of it the locale is one of UTF-8, as a shell's profile sets it.
    inside = f"export LC_ALL=C.UTF-8; {inside}"
    environment = {"LC_ALL": locale, "TERM": "xterm-256color", "PYTHONPATH": str(Path.cwd())}
    with Screen(command, environment, tmp_path) as screen:
        assert f"{told} said" in screen.wait(r"\w said")
