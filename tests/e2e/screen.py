"""A program on a real terminal: tmux holds it, keys go in, the screen comes out."""

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
    """Skip, by name, where a system program is missing."""
    if shutil.which(program) is None:
        pytest.skip(f"needs the program {program}")


class Screen:
    """One tmux server with one window, gone when the context ends."""

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
        # The shell stays behind the program, so that its last words can be read.
        line = f"{shlex.join(['env', '-i', *pairs, *self._command])}; echo ENDED $?; exec cat"
        self._tmux("new-session", "-d", "-x", str(width), "-y", str(height), "sh", "-c", line)
        return self

    def __exit__(self, *_: object) -> None:
        self._tmux("kill-server", check=False)

    def _tmux(self, *words: str, check: bool = True) -> str:
        done = subprocess.run(
            ["tmux", "-L", self._socket, "-f", "/dev/null", *words],
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"tmux {words[0]}: {done.stderr}")
        return done.stdout

    def press(self, *keys: str) -> None:
        """Keys by tmux's names (`n`, `C-s`, `Enter`, `Escape`)."""
        self._tmux("send-keys", *keys)

    def resize(self, width: int, height: int) -> None:
        """Another size of window."""
        self._tmux("resize-window", "-x", str(width), "-y", str(height))

    def text(self) -> str:
        """What is on the screen now; never a secret."""
        text = self._tmux("capture-pane", "-p")
        assert_clean([text])
        return text

    def wait(self, pattern: str, within: float = 30.0) -> str:
        """Wait until a pattern is on the screen; returns the screen."""

        def found() -> str:
            text = self.text()
            return text if re.search(pattern, text) else ""

        try:
            return eventually_sync(found, within=within)
        except AssertionError:
            raise AssertionError(f"no {pattern!r} after {within:g} s:\n{self.text()}") from None
