"""What the app says when an error ends it."""

from __future__ import annotations

from pathlib import Path

from tui.app.terminal.control import crash_message
from tui.settings import Home


def _crash(home: Home) -> str:
    return crash_message(home, "ValueError: a fault").plain


def test_the_traceback_goes_to_a_file_of_the_user(tmp_path: Path) -> None:
    home = Home(tmp_path / "home", tmp_path / "outputs")
    assert f"Details are in {home.root / 'app.log'}." in _crash(home)
    assert "ValueError: a fault" in (home.root / "app.log").read_text("utf-8")


def test_reports_do_not_grow_without_end(tmp_path: Path) -> None:
    home = Home(tmp_path / "home", tmp_path / "outputs")
    crash_message(home, "first " + "x" * 300_000)
    assert (home.root / "app.log").read_text("utf-8").count("first") == 1
    crash_message(home, "second")
    crash_message(home, "third")
    text = (home.root / "app.log").read_text("utf-8")
    assert [text.count(word) for word in ("first", "second", "third")] == [0, 1, 1]


def test_a_refused_state_folder_does_not_hide_the_message(tmp_path: Path) -> None:
    home = Home(tmp_path / "home", tmp_path / "outputs")
    home.root.mkdir()
    (home.root / "something").touch()
    home.root.chmod(0o777)
    message = _crash(home)
    assert "The details could not be written" in message
    assert "Jobs and transfers go on." in message
