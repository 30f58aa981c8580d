"""Runs `behind_proxy.py` behind nginx and Caddy, with the configurations that `proxy` writes.

The tests run in a network namespace where an address of Replicate, a public one and a local one
all belong to this machine.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import needs_program

ADDRESSES = ("34.82.0.10/32", "8.8.4.4/32", "10.0.0.5/32")
NAME = "training.example.com"
ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(os.geteuid() != 0, reason="a network namespace needs root")
@needs_program("unshare")
@needs_program("ip")
@needs_program("openssl")
@pytest.mark.parametrize(
    "proxy",
    [
        pytest.param("nginx", marks=needs_program("nginx")),
        pytest.param("caddy", marks=needs_program("caddy")),
    ],
)
@pytest.mark.timeout(400)
def test_everything_works_behind(proxy: str, tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n34.82.0.10 {NAME}\n")
    tests = [
        sys.executable, "-m", "pytest", "-x", "-n", "0", "--basetemp", str(tmp_path / "t"),
        str(Path(__file__).with_name("behind_proxy.py")),
    ]  # fmt: skip
    script = [
        "set -e",
        "ip link set lo up",
        *(f"ip addr add {address} dev lo" for address in ADDRESSES),
        f"mount --bind {shlex.quote(str(hosts))} /etc/hosts",
        f"exec {shlex.join(tests)}",
    ]
    done = subprocess.run(
        ["unshare", "-n", "-m", "sh", "-c", "\n".join(script)],
        cwd=ROOT,
        env={**os.environ, "SIMPLETUNER_TUI_PROXY": proxy},
        capture_output=True,
        text=True,
        timeout=380,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "skipped" not in done.stdout
