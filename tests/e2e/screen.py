"""Runs a program on a real terminal in tmux: it sends keys and reads the screen."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tests.canary import assert_clean
from tests.support import eventually_sync


def needs(program: str) -> None:
    """Skip the test when a system program is not installed."""
    if shutil.which(program) is None:
        pytest.skip(f"needs the program {program}")


class Screen:
    """A tmux server with one window; a context manager that stops it."""

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        folder: Path,
        size: tuple[int, int] = (120, 40),
    ) -> None:
        self._socket = f"st-{uuid.uuid4().hex[:12]}"
        self._command = command
        self._env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **env}
        self._folder = folder
        self._size = size

    def __enter__(self) -> Screen:
        needs("tmux")
        width, height = self._size
        pairs = [f"{name}={value}" for name, value in self._env.items()]
        # The shell outlives the program, so that its last output can be read.
        line = f"{shlex.join(['env', '-i', *pairs, *self._command])}; echo ENDED $?; exec cat"
        self._tmux("new-session", "-d", "-x", str(width), "-y", str(height), "sh", "-c", line)
        return self

    def __exit__(self, *_: object) -> None:
        self._tmux("kill-server", check=False)

    def _tmux(self, *arguments: str, check: bool = True) -> str:
        done = subprocess.run(
            ["tmux", "-L", self._socket, "-f", "/dev/null", *arguments],
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"tmux {arguments[0]}: {done.stderr}")
        return done.stdout

    def press(self, *keys: str) -> None:
        """Send keys by tmux's names (`n`, `C-s`, `Enter`, `Escape`)."""
        self._tmux("send-keys", *keys)

    def resize(self, width: int, height: int) -> None:
        """Resize the window."""
        self._tmux("resize-window", "-x", str(width), "-y", str(height))

    def text(self) -> str:
        """The text of the screen; fails if it contains a secret."""
        text = self._tmux("capture-pane", "-p")
        assert_clean([text])
        return text

    def wait(self, pattern: str, within: float = 30.0) -> str:
        """Wait until a pattern is on the screen; return the screen's text."""

        def matching_screen() -> str:
            text = self.text()
            return text if re.search(pattern, text) else ""

        try:
            return eventually_sync(matching_screen, within=within)
        except AssertionError:
            raise AssertionError(f"no {pattern!r} after {within:g} s:\n{self.text()}") from None
