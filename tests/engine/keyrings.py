"""Real keyrings for tests: a private D-Bus with a gnome-keyring on it, open, locked or hung."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import eventually_sync


@dataclass
class Keyring:
    """A running Secret Service.

    Attributes:
        address: address of its D-Bus.
        daemon: the process of gnome-keyring.
        home: folder with its files.
        bus: process id of the D-Bus daemon.
    """

    address: str
    daemon: subprocess.Popen[bytes]
    home: Path
    bus: int

    def wait_for_service(self) -> None:
        """Wait until a daemon has the name, without asking for the service.

        A question while nobody has it makes D-Bus start a daemon of its own, without a password.
        """
        _wait_for_name(self.address)

    def hang(self) -> None:
        """Stop the process, so that it does not answer any more."""
        self.daemon.send_signal(signal.SIGSTOP)


@contextmanager
def secret_service(*, unlock: bool = True, made: bool = True) -> Iterator[Keyring]:
    """Run a private keyring; without `unlock` its default collection exists and is locked.

    Without `made` there is no collection yet, as on a server where nobody has logged in.
    """
    for program in ("dbus-daemon", "gnome-keyring-daemon"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    home = Path(tempfile.mkdtemp(prefix="kr-"))
    bus = subprocess.Popen(
        ["dbus-daemon", "--session", "--nofork", "--print-address=1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    started = []
    try:
        assert bus.stdout is not None
        address = bus.stdout.readline().decode().strip()
        daemon = _daemon(address, home, password="pw" if made else None)
        started.append(daemon)
        _wait_for_name(address)
        if made and not unlock:  # made by the first daemon, closed to the second
            daemon.terminate()
            daemon.wait()
            daemon = _daemon(address, home, password=None)
            started.append(daemon)
            _wait_for_name(address)
        yield Keyring(address, daemon, home, bus.pid)
    finally:
        for process in (*started, bus):
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()
        shutil.rmtree(home, ignore_errors=True)


def limit_calls(monkeypatch: pytest.MonkeyPatch, seconds: float = 1.0) -> None:
    """Shorten the timeout of keyring calls, for a keyring that does not answer."""
    monkeypatch.setattr("tui.secrets.keyring._LIMIT", seconds)


def _daemon(address: str, home: Path, password: str | None = "pw") -> subprocess.Popen[bytes]:
    env = {
        **os.environ,
        "DBUS_SESSION_BUS_ADDRESS": address,
        "HOME": str(home),
        "XDG_DATA_HOME": str(home / "data"),
        "XDG_RUNTIME_DIR": str(home),
    }
    command = ["gnome-keyring-daemon", "--foreground", "--components=secrets"]
    process = subprocess.Popen(
        [*command, *(["--unlock"] if password is not None else [])],
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    if password is not None:
        process.stdin.write(password.encode())
    process.stdin.close()
    return process


def _wait_for_name(address: str) -> None:
    def there() -> bool:
        answer = subprocess.run(
            ["dbus-send", f"--bus={address}", "--dest=org.freedesktop.DBus", "--print-reply",
             "/org/freedesktop/DBus", "org.freedesktop.DBus.NameHasOwner",
             "string:org.freedesktop.secrets"],
            capture_output=True, check=False,
        )  # fmt: skip
        return b"boolean true" in answer.stdout

    eventually_sync(there)
