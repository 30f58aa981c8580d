"""One sandbox and one home for all tests of a module: starting an engine takes a second."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.shell import Shell
from tests.sandbox.background import Background


@pytest.fixture(scope="module")
def shell() -> Iterator[Shell]:
    with tempfile.TemporaryDirectory(prefix="st-", ignore_cleanup_errors=True) as root:
        world = Background(Path(root, "sandbox"), speed=40.0)
        shell = Shell(Path(root), world)
        try:
            yield shell
        finally:
            shell.close()
            world.close()


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a program that nothing else uses."""
    root = Path(tempfile.mkdtemp(prefix="st-"))
    monkeypatch.setenv("SIMPLETUNER_TUI_HOME", str(root / "h"))
    yield root / "h"
    shutil.rmtree(root, ignore_errors=True)
