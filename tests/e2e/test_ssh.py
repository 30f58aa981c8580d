"""The demo over a real ssh line: sshd on loopback, a throwaway key, a dropped connection."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.screen import Screen
from tests.e2e.sshd import Line, ssh_line
from tests.support import eventually_sync


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    with ssh_line(tmp_path) as found:
        yield found


def test_a_job_from_first_key_to_files_over_ssh(line: Line, tmp_path: Path) -> None:
    demo = f"env HOME={tmp_path} TMPDIR={tmp_path} {sys.executable} -m tui demo"
    command = [*line.arguments, f"cd {tmp_path} && exec {demo}"]
    with Screen(command, {"HOME": str(tmp_path), "TERM": "xterm-256color"}, tmp_path) as screen:
        screen.wait("SANDBOX", within=60)
        screen.press("n")
        screen.wait("cat-lora", within=60)
        screen.press("C-s")
        screen.wait("✓ done", within=90)
        screen.press("q")
        text = screen.wait("ENDED 0")
    assert re.search(r"The demo's files are in", text)
    assert list(tmp_path.glob("simpletuner-demo-*/cloud_outputs/**/*.safetensors"))


def test_a_dropped_connection_leaves_no_process_behind(line: Line, tmp_path: Path) -> None:
    demo = f"env HOME={tmp_path} TMPDIR={tmp_path} {sys.executable} -m tui demo"
    command = [*line.arguments, f"cd {tmp_path} && exec {demo}"]
    with Screen(command, {"HOME": str(tmp_path), "TERM": "xterm-256color"}, tmp_path) as screen:
        screen.wait("SANDBOX", within=60)
        screen.wait("● api", within=60)
        assert _processes(tmp_path)
    eventually_sync(lambda: not _processes(tmp_path), within=30)


def _processes(folder: Path) -> list[str]:
    """Command lines of processes that work in a folder or name it."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            words = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            env = (place / "environ").read_bytes()
        except OSError:
            continue
        if " tui " in words and str(folder).encode() in env:
            found.append(words)
    return found
