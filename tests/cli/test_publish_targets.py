"""Where `publish` sends files: what is meant, what is refused, what is never replaced."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.shelf import put_job
from tests.cli.shell import Shell

FIRST = {"a.safetensors": b"one" * 999, "b.txt": b"same"}
SECOND = {"a.safetensors": b"two" * 999, "b.txt": b"same"}


@pytest.fixture(scope="module", autouse=True)
def jobs(shell: Shell) -> tuple[str, str]:
    return put_job(shell, 1, FIRST, "first"), put_job(shell, 2, SECOND, "second")


@pytest.mark.parametrize(
    ("to", "told"),
    [
        ("dir:", "needs a folder"),
        ("dir:  ", "needs a folder"),
        ("", "--to says nothing"),
        ("{tmp}/x", "dir:{tmp}/x"),
        ("{tmp}/a:b", "dir:{tmp}/a:b"),
        ("you/cat", "hub:you/cat"),
        ("nowhere", "no destination"),
    ],
)
def test_a_place_that_is_none_is_refused_with_what_was_meant(
    shell: Shell, jobs: tuple[str, str], tmp_path: Path, to: str, told: str
) -> None:
    before = shell.json("transfers")["transfers"]
    answer = shell.run("publish", jobs[0], "--to", to.format(tmp=tmp_path), status=2)
    assert told.format(tmp=tmp_path) in answer.stderr
    assert shell.json("transfers")["transfers"] == before
    assert not (shell.root / "a.safetensors").exists(), "not into the folder of the shell"


def test_two_spellings_of_a_folder_are_one_place(
    shell: Shell, jobs: tuple[str, str], tmp_path: Path
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    odd = f"~/../../..//../../../../..{tmp_path}/gone/../link/"
    row = shell.json("publish", jobs[0], "--to", f"dir:{odd}", "--wait")
    assert row["target"] == f"dir:{tmp_path}/link", "a link is not followed"
    added = shell.json("destinations", "add", "odd", "--kind", "folder", "--path", odd)
    assert added["options"]["path"] == f"{tmp_path}/link"
