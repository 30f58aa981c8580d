"""Replicate's official clients, each in an environment that is created once per test run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandbox.background import Background

HERE = Path(__file__).parent
Report = dict[str, str]
"""The error of each scenario of a client; an empty text for a success."""

QUICK = {"speed": 50.0, "past_predictions": 230, "boot_seconds": 0.1}


@pytest.fixture(scope="session")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clients")


def install(command: list[str], folder: Path) -> None:
    """Run an installer; skip the client's tests when it or its registry is not available."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"needs {Path(command[0]).name}")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{' '.join(command[:4])} failed: {done.stderr.strip()[-300:]}")


def python_client(environments: Path, release: str) -> Path:
    """The interpreter of a new environment with one release of `replicate`."""
    folder = environments / f"python-{release}"
    # Without pip in the environment, because installing pip takes longer than all the rest.
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin/python"
    # What the client builds on is installed here already: pip finds it, and fetches the client.
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "shared.pth").write_text("\n".join(site_folders()) + "\n")
    pip = [sys.executable, "-m", "pip", "--python", str(python)]
    install([*pip, "install", "-q", "--no-compile", f"replicate=={release}"], environments)
    return python


def site_folders() -> list[str]:
    """The folders that this interpreter finds installed packages in."""
    return [path for path in sys.path if Path(path).name == "site-packages"]


def node_client(environments: Path, release: str) -> Path:
    """A folder in which Node.js finds one release of `replicate`."""
    folder = environments / f"node-{release}"
    folder.mkdir()
    (folder / "package.json").write_text("{}")
    install(
        ["npm", "install", "--silent", "--no-audit", "--no-fund", f"replicate@{release}"], folder
    )
    return folder


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Background]:
    world = Background(tmp_path_factory.mktemp("sandbox"), **QUICK)
    yield world
    world.close()


@pytest.fixture(scope="session")
def odd_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Background]:
    """A sandbox that answers in the `django` style."""
    world = Background(tmp_path_factory.mktemp("sandbox"), **QUICK, style="django")
    yield world
    world.close()


def play(world: Background, *command: str | Path, only: str = "") -> Report:
    """Run a client's script against a sandbox and read its report, one line per scenario."""
    environment = {
        "PATH": os.environ["PATH"],
        "SANDBOX": world.sandbox.base_url.removesuffix("/v1"),
        "SCENARIOS": only,
        "REPLICATE_API_TOKEN": world.sandbox.token,
        "REPLICATE_POLL_INTERVAL": "0.02",
        "NO_PROXY": "127.0.0.1",
    }
    done = subprocess.run(
        [str(part) for part in command],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(line) for line in done.stdout.splitlines() if line.startswith("["))
