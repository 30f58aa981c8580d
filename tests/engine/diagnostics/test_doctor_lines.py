"""`doctor` shows all its lines when probes of it raise."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from tests.app.world import home_at
from tui.engine.diagnostics.doctor import disk_line, examine, kept_lines
from tui.store.schema import StoreError


class Raising:
    """A service whose every call raises."""

    def __getattr__(self, name: str) -> Any:
        raise StoreError("The job database cannot be written.", "Free some disk space.")


async def _raise(*_: Any) -> Any:
    raise StoreError("The job database cannot be written.", "Free some disk space.")


def _raise_at_once() -> None:
    raise StoreError("The job database cannot be written.", "Free some disk space.")


class RaisingProbes(Raising):
    """Probes that raise when they run."""

    run = states = staticmethod(_raise)


async def test_doctor_shows_a_line_for_each_probe_that_raises(tmp_path: Path) -> None:
    broken = cast("Any", RaisingProbes())
    lines = await examine(
        "https://api.example.test", home_at(tmp_path / "home"),
        listening=cast("Any", Raising()), network=broken, tokens=broken, deliveries=broken,
        staged=cast("Any", _raise_at_once), through_public_url=_raise,
    )  # fmt: skip
    assert [line.id for line in lines] == [
        "keyring", "token", "hub-token", "network", "proxy", "listener", "delivery", "disk",
        "staged",
    ]  # fmt: skip
    assert all(line.level == "error" for line in lines)
    assert "cannot be written" in lines[0].message
    assert lines[0].advice == "Free some disk space."


def test_what_was_kept_of_a_database_is_named(tmp_path: Path) -> None:
    home = home_at(tmp_path)
    assert kept_lines(home) == []
    (tmp_path / "state.db-wal.kept-20261130-100000").touch()
    (line,) = kept_lines(home)
    assert "state.db-wal.kept-20261130-100000" in line.message
    assert "with the engine stopped" in line.advice


def test_a_log_that_is_a_folder_is_named(tmp_path: Path) -> None:
    home = home_at(tmp_path)
    home.create()
    assert "no file" not in disk_line(home, tmp_path).message
    home.log_file("abc").mkdir()
    line = disk_line(home, tmp_path)
    assert line.level == "error"
    assert f"{home.log_file('abc')} is no file" in line.message
