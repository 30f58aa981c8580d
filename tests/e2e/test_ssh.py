"""The demo over a real ssh line: sshd on loopback, a throwaway key, a dropped connection."""

from __future__ import annotations

import getpass
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.screen import Screen, needs
from tests.support import eventually_sync

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"


@dataclass(frozen=True)
class Line:
    """A server to log in to: the arguments of `ssh` up to the command."""

    arguments: tuple[str, ...]
    server: int


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    needs("ssh")
    needs("ssh-keygen")
    if not os.access(SSHD, os.X_OK):
        pytest.skip("needs the program sshd")
    keys = tmp_path / "ssh"
    keys.mkdir(mode=0o700)
    for name in ("host", "user"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(keys / name)]
        subprocess.run(command, check=True)
    (keys / "authorized").write_bytes((keys / "user.pub").read_bytes())
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    Path("/run/sshd").mkdir(exist_ok=True)
    options = {
        "Port": port,
        "ListenAddress": "127.0.0.1",
        "HostKey": keys / "host",
        "AuthorizedKeysFile": keys / "authorized",
        "PidFile": keys / "pid",
        "StrictModes": "no",
        "UsePAM": "no",
        "PasswordAuthentication": "no",
        "PermitRootLogin": "prohibit-password",
    }
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    log = (keys / "log").open("wb")
    server = subprocess.Popen([SSHD, "-D", "-e", "-f", "/dev/null", *words], stderr=log)
    try:
        eventually_sync(lambda: _answers(port))
        yield Line(
            (
                "ssh", "-tt", "-q", "-F", "/dev/null", "-i", str(keys / "user"), "-p", str(port),
                "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                "-o", "ControlMaster=no", f"{getpass.getuser()}@127.0.0.1",
            ),
            server.pid,
        )  # fmt: skip
    finally:
        server.terminate()
        server.wait(10)
        log.close()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


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


def test_a_dropped_line_leaves_no_process_behind(line: Line, tmp_path: Path) -> None:
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
