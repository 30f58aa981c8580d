"""Paths that anybody may have written are followed as far as a system follows them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from tui.base.real_paths import real_path

ROOT = Path(__file__).parents[2] / "tui"
SHORT: Final = {
    "app/terminal/styles.py", "base/real_paths.py",  # our own folder, and the rule
    "app/terminal/handover.py",  # a program of the PATH
    "engine/http_api/caller.py", "settings/writing.py",  # folders and files of the settings
    "engine/diagnostics/git_state.py",  # a folder in which a config was found
    "engine/http_api/stored_files.py",  # of a request line, which has a limit
    "simpletuner/datasets/safety.py",  # the user's home
    "simpletuner/datasets/walk.py",  # listed by the system
}  # fmt: skip
"""Modules that follow paths which cannot be longer than a system's."""


@pytest.mark.parametrize("parts", [3000, 100_000, 1_000_000])  # the last would take minutes
def test_a_path_that_is_too_long_is_not_followed(parts: int) -> None:
    with pytest.raises(OSError, match="too long"):
        real_path(Path("a/" * parts))


def test_links_are_followed_but_not_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert real_path(tmp_path / "link") == (tmp_path / "file").resolve()
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(OSError, match="symbolic links"):
        real_path(tmp_path / "circle")


def test_no_other_module_follows_a_path_that_anybody_may_have_written() -> None:
    follows = re.compile(r"(?<!Home)\.resolve\(\)|realpath\(")
    found = {
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*.py")
        if follows.search(path.read_text("utf-8"))
    }
    assert {name for name in found if not name.startswith("sandbox/")} == SHORT
