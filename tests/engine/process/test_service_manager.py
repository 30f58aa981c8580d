"""The line to systemd, and the unit that it is given."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from tui.engine.process.service_manager import ServiceManager, user_unit

ODD = "/a folder/100% of $HOME/it's"


def test_without_a_manager_nothing_is_told() -> None:
    manager = ServiceManager({"WATCHDOG_USEC": "1000"})
    manager.tell("READY=1")
    assert manager.watchdog_seconds == 0.0


def test_a_manager_that_has_gone_is_no_failure(tmp_path: Path) -> None:
    ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")}).tell("READY=1")


def test_an_abstract_socket_is_understood() -> None:
    name = f"st-{uuid.uuid4().hex}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(f"\0{name}")
        ServiceManager({"NOTIFY_SOCKET": f"@{name}"}).tell("READY=1")
        assert line.recv(100) == b"READY=1"


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, 0.0),  # meant for another process
        ({"WATCHDOG_USEC": "soon"}, 0.0),
        ({"WATCHDOG_USEC": "-5"}, 0.0),
        ({}, 0.0),
    ],
)
def test_the_watchdog_is_this_process_s(environ: dict[str, str], seconds: float) -> None:
    assert ServiceManager({"NOTIFY_SOCKET": "/x", **environ}).watchdog_seconds == seconds


def test_systemd_takes_the_unit_as_it_is(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs the program systemd-analyze")
    unit = tmp_path / "simpletuner-tui.service"
    unit.write_text(user_unit([sys.executable, "-m", "tui", "serve", ODD], {"A": ODD}))
    environ = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", "--man=no", str(unit)],
        capture_output=True, text=True, check=False, env=environ,
    )  # fmt: skip
    assert (done.returncode, "simpletuner-tui.service" in done.stderr) == (0, False), done.stderr
    assert 'serve "/a folder/100%% of $$HOME/it\'s"' in unit.read_text()
    assert 'Environment="A=/a folder/100%% of $HOME/it\'s"' in unit.read_text()
