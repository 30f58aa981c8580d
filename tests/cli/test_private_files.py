"""What the engine writes is its user's alone, with any umask of the shell that started it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

import pytest

from tests.cli.shell import Shell


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
def test_nothing_of_a_whole_job_can_be_read_by_others(shell: Shell) -> None:
    shell.run("settings", "set", "ui.theme", "light")
    shell.run("submit", str(shell.config), "--steps", "4", "--delivery", "local", "--yes",
              "--wait", "--data", "staged:here", status=None)  # fmt: skip
    shell.run("storage-key", "create")
    # The folder itself is made by the test; every path below it by the program.
    paths = [path for path in shell.home.rglob("*") if path.name != "settings.toml"]
    kinds = {path.relative_to(shell.home).parts[0] for path in paths}
    assert {"cloud_outputs", "logs", "staged-data", "state.db"} <= kinds
    seen = {str(path): stat.S_IMODE(path.lstat().st_mode) for path in paths}
    assert {path: oct(mode) for path, mode in seen.items() if mode & 0o077} == {}
