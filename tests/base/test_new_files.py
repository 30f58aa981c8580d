"""A file that the user names is written in no other place, and nothing there is waited for."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

import pytest

from tui.base.new_files import create, replace

ROOT = Path(__file__).parents[2]
OWN: Final = {
    # Below the state folder, which is the user's alone.
    "app/terminal/control.py", "cli/settings_command.py", "client/engine_process.py",
    "engine/process/engine_log.py", "engine/staging/records.py", "engine/tracking/job_log.py",
    "engine/tracking/job_logs.py", "engine/transfers/card.py", "listener/storage/staged.py",
    "settings/home.py", "settings/writing.py", "simpletuner/datasets/pack.py",
    "simpletuner/datasets/scan_cache.py", "simpletuner/staging/digests.py",
    "store/database_file.py", "store/rescue_files.py", "store/writer.py",
    # Below a job's folder among the results, which the engine has made for its user alone.
    "engine/results/download.py", "listener/storage/completion.py", "listener/storage/folder.py",
    "listener/storage/writes.py",
    # A temporary name that nobody can guess.
    "app/terminal/handover.py", "cli/demo.py", "cli/failures.py",
    "destinations/hub/staged_dataset.py", "engine/staging/bucket_objects.py", "settings/network.py",
    # No files: the terminal, and /dev/null.
    "cli/output.py", "cli/terminal_probe.py",
    # The code's own data, by a maintainer.
    "simpletuner/facts/update.py",
}  # fmt: skip
"""Modules that write files which the user has not named."""
NAMED: Final = {"base/new_files.py", "destinations/folder.py"}
"""Modules that write where the user says; a folder as a destination resumes what it has begun."""
_WRITES: Final = {
    "write_text", "write_bytes", "copyfile", "copy2", "copytree", "mkstemp", "NamedTemporaryFile",
    "O_WRONLY", "O_RDWR",
}  # fmt: skip
_MODE: Final = re.compile(r"[rbt]*[wax+][bt+]*")


@pytest.fixture(params=["file", "link", "dangling link", "pipe", "folder", "device"])
def taken(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """What somebody has put at a name in a shared folder; afterwards, another file is as it was."""
    other, path = tmp_path / "other", tmp_path / "name"
    other.write_text("theirs")
    make: dict[str, Callable[[], object]] = {
        "file": lambda: path.write_text("first"),
        "link": lambda: path.symlink_to(other),
        "dangling link": lambda: path.symlink_to(tmp_path / "nowhere"),
        "pipe": lambda: os.mkfifo(path),
        "folder": lambda: (path / "inside").mkdir(parents=True),
        "device": lambda: path.symlink_to("/dev/full"),
    }
    make[request.param]()
    yield path
    assert other.read_text() == "theirs"
    assert {item.name for item in tmp_path.iterdir()} == {"name", "other"}


def text(file: BinaryIO) -> int:
    return file.write(b"new")


def test_a_new_file_is_none_of_those_that_are_there(taken: Path) -> None:
    before = taken.lstat()
    with pytest.raises(FileExistsError, match="there already"):
        create(taken, text)
    assert taken.lstat() == before


def test_a_file_takes_the_place_of_what_is_there(taken: Path) -> None:
    if taken.is_dir():
        with pytest.raises(OSError, match="directory"):
            replace(taken, text)
        return
    replace(taken, text)
    assert (taken.is_symlink(), taken.read_bytes()) == (False, b"new")


@pytest.mark.parametrize("write", [create, replace])
def test_an_unfinished_file_is_not_left(
    tmp_path: Path, write: Callable[[Path, Callable[[BinaryIO], object]], object]
) -> None:
    def fail(file: BinaryIO) -> None:
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "name", fail)
    assert list(tmp_path.iterdir()) == []


def test_no_other_module_writes_where_the_user_says() -> None:
    """A module that opens a file for writing is in one of the lists above, with the reason."""
    found = set()
    hints = re.compile("|".join((r"open\(", *_WRITES)))
    for path in (ROOT / "tui").rglob("*.py"):
        name, code = path.relative_to(ROOT / "tui").as_posix(), path.read_text("utf-8")
        if name.startswith("sandbox/") or not hints.search(code):
            continue
        if any(map(_writes, ast.walk(ast.parse(code)))):
            found.add(name)
    assert found == OWN | NAMED


def _writes(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute | ast.Name):
        return (node.attr if isinstance(node, ast.Attribute) else node.id) in _WRITES
    if not isinstance(node, ast.Call):
        return False
    called = node.func
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    given = (*node.args, *(word.value for word in node.keywords))
    modes = [str(value.value) for value in given if isinstance(value, ast.Constant)]
    return name in ("open", "fdopen") and any(map(_MODE.fullmatch, modes))
