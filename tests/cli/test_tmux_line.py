"""What `doctor` says of the terminal inside of a real tmux."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.e2e.screen import Screen

_ASK = "from tui.cli.doctor_command import terminal_line as line; print(line()['level'], 'said')"


@pytest.mark.parametrize(("locale", "level"), [("", "warn"), ("C.UTF-8", "ok")])
def test_a_tmux_without_utf_8_is_told(tmp_path: Path, locale: str, level: str) -> None:
    inside = f'{sys.executable} -c "{_ASK}"; exec cat'
    command = ["tmux", "-S", str(tmp_path / "inner"), "-f", "/dev/null", "new-session", inside]
    command += [";", "set", "-g", "destroy-unattached", "on"]  # the server ends with its client
    environment = {"LC_ALL": locale, "TERM": "xterm-256color", "PYTHONPATH": str(Path.cwd())}
    with Screen(command, environment, tmp_path) as screen:
        assert f"{level} said" in screen.wait(r"\w said")
