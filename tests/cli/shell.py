"""A shell for the command line: the real program in processes, against a sandbox."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.sandbox.background import Background
from tui.client.client import ControlClient
from tui.sandbox.demo import write_demo_project
from tui.sandbox.faults import Fault
from tui.settings import Home

PROGRAM = [sys.executable, "-m", "tui"]


class Shell:
    """Runs commands in one home; a traceback on its screen fails the test at once."""

    def __init__(self, root: Path, world: Background) -> None:
        self.world = world
        self.root = root
        self.home = root / "state"
        self.home.mkdir()
        (self.home / "settings.toml").write_text('[listener]\nlisten = "127.0.0.1:0"\n')
        self.config = write_demo_project(root / "project")
        self.environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(root),
            "TMPDIR": str(root),
            "TERM": "dumb",
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "SIMPLETUNER_TUI_HOME": str(self.home),
            "SIMPLETUNER_TUI_API_BASE": world.sandbox.base_url,
            "REPLICATE_API_TOKEN": world.sandbox.token,
        }

    def start(self, *words: str, **environ: str) -> subprocess.Popen[str]:
        """A command that goes on."""
        return subprocess.Popen(
            [*PROGRAM, *words], env=self.environ | environ, cwd=self.root, errors="replace",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(
        self, *words: str, status: int | None = 0, given: str = "", **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """A command to its end; `status` is the exit code it must have."""
        done = subprocess.run(
            [*PROGRAM, *words], env=self.environ | environ, cwd=self.root, input=given,
            capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip
        assert "Traceback" not in done.stdout + done.stderr, done.stderr
        if status is not None:
            assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
        return done

    def json(self, *words: str, status: int | None = 0, **environ: str) -> Any:
        """What a command prints as JSON."""
        return json.loads(self.run(*words, "--json", status=status, **environ).stdout)

    def submit(self, *words: str, status: int | None = 0, **environ: str) -> Any:
        """A short job on the example project."""
        return self.json(
            "submit", str(self.config), "--steps", "8", "--rank", "2", "--delivery", "local",
            "--yes", *words, status=status, **environ,
        )  # fmt: skip

    @contextlib.contextmanager
    def faults(self, *texts: str) -> Any:
        """Faults of the sandbox while the context is open."""
        box = self.world.sandbox.core.faults
        for text in texts:
            box.add(Fault.parse(text))
        try:
            yield
        finally:
            box.clear()

    def engine_pid(self) -> int | None:
        """The engine that runs in this home."""
        return engine_of(self.home)

    def close(self) -> None:
        """End the engine."""
        end_engine(self.home)


def engine_of(state: Path) -> int | None:
    """Process id of the engine whose folder this is."""
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            here = entry.name.isdecimal() and (entry / "cwd").resolve() == state.resolve()
            if here and b"\0engine\0" in (entry / "cmdline").read_bytes():
                return int(entry.name)
    return None


def end_engine(state: Path) -> None:
    """Ask it to end, if there is one."""
    if (pid := engine_of(state)) is not None:
        os.kill(pid, signal.SIGTERM)


def tui(*arguments: str, ok: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "tui", *arguments],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert not ok or done.returncode == 0, done.stderr
    return done


def tui_json(*arguments: str) -> Any:
    return json.loads(tui(*arguments, "--json").stdout)


def client(home: Path) -> ControlClient:
    return ControlClient(Home(home, home / "cloud_outputs").socket)
