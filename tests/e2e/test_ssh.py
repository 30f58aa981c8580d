"""The demo over a real ssh connection, and after the connection is dropped."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.screen import Screen
from tests.e2e.sshd import SshServer, ssh_server
from tests.support import eventually_sync


@pytest.fixture
def ssh(tmp_path: Path) -> Iterator[SshServer]:
    with ssh_server(tmp_path) as server:
        yield server


def test_a_job_from_first_key_to_files_over_ssh(ssh: SshServer, tmp_path: Path) -> None:
    demo = f"env HOME={tmp_path} TMPDIR={tmp_path} {sys.executable} -m tui demo"
    command = [*ssh.arguments, f"cd {tmp_path} && exec {demo}"]
    environment = {"HOME": str(tmp_path), "TERM": "xterm-256color"}
    with Screen(command, environment, tmp_path, (80, 24)) as screen:
        screen.wait("SANDBOX", within=60)
        screen.press("n")
        screen.wait("cat-lora", within=60)
        screen.press("C-s")
        screen.wait("✓ done", within=90)
        screen.press("q")
        screen.wait("Remove them")
        screen.press("Enter")
        text = screen.wait("ENDED 0")
    assert re.search(r"The demo's files are in", text)
    assert list(tmp_path.glob("simpletuner-demo-*/cloud_outputs/**/*.safetensors"))


def test_a_dropped_connection_leaves_no_process_behind(ssh: SshServer, tmp_path: Path) -> None:
    demo = f"env HOME={tmp_path} TMPDIR={tmp_path} {sys.executable} -m tui demo"
    command = [*ssh.arguments, f"cd {tmp_path} && exec {demo}"]
    with Screen(command, {"HOME": str(tmp_path), "TERM": "xterm-256color"}, tmp_path) as screen:
        screen.wait("SANDBOX", within=60)
        screen.wait("● api", within=60)
        assert _processes(tmp_path)
    eventually_sync(lambda: not _processes(tmp_path), within=30)


def _processes(folder: Path) -> list[str]:
    """Command lines of the program's processes whose environment names a folder."""
    command_lines = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command_line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            env = (process / "environ").read_bytes()
        except OSError:
            continue
        if " tui " in command_line and str(folder).encode() in env:
            command_lines.append(command_line)
    return command_lines
