"""An ssh server for tests on loopback, with temporary keys."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.screen import needs
from tests.support import eventually_sync, free_port

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"


@dataclass(frozen=True)
class SshServer:
    """A running ssh server.

    Attributes:
        arguments: command line of `ssh` that logs in, without the remote command.
        server: process id of the server.
    """

    arguments: tuple[str, ...]
    server: int


@contextmanager
def ssh_server(folder: Path) -> Iterator[SshServer]:
    """Run a server with its keys and log in `folder`; skip when a program is missing."""
    needs("ssh")
    needs("ssh-keygen")
    if not os.access(SSHD, os.X_OK):
        pytest.skip("needs the program sshd")
    keys = folder / "ssh"
    keys.mkdir(mode=0o700)
    for name in ("host", "user"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(keys / name)]
        subprocess.run(command, check=True)
    (keys / "authorized").write_bytes((keys / "user.pub").read_bytes())
    port = free_port()
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
    arguments = [
        argument for name, value in options.items() for argument in ("-o", f"{name}={value}")
    ]
    log = (keys / "log").open("wb")
    server = subprocess.Popen([SSHD, "-D", "-e", "-f", "/dev/null", *arguments], stderr=log)
    try:
        eventually_sync(lambda: _answers(port))
        yield SshServer(
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
