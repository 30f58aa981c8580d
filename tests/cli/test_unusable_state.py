"""A state folder that is a file, a log that is a folder, a full disk: said in words, by all."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

import pytest

from tests.app.stand_in_engine import StandInEngine
from tests.app.world import home_at, job
from tests.support import small_disk
from tui.base.job_status import JobStatus
from tui.cli import main
from tui.cli.fast_path import run_fast_path
from tui.settings import Home
from tui.store.writer import StoreWriter

ALL_LINES = [
    "terminal", "engine", "keyring", "token", "network", "proxy", "listener", "delivery", "disk",
]  # fmt: skip


def at(home: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("SIMPLETUNER_TUI_HOME", str(home))
    monkeypatch.delenv("SIMPLETUNER_TUI_API_BASE", raising=False)
    return home_at(home)


@pytest.mark.parametrize("below", ["", "deeper"])
@pytest.mark.parametrize(
    "command", ["jobs", "jobs --json", "job x", "job x --json", "logs x", "spending", "artifacts",
                "settings get ui.theme"],
)  # fmt: skip
def test_a_state_folder_that_is_a_file_is_named(
    command: str, below: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "file").write_text("in the way")
    home = at(tmp_path / "file" / below, monkeypatch)
    assert main.run(command.split()) == 1
    said = capsys.readouterr()
    assert f"The state folder {home.root} cannot be used" in said.err
    assert "is a file" in said.err
    if "--json" in command:
        assert json.loads(said.out)["message"] in said.err


@pytest.mark.parametrize("command", ["jobs", "jobs --json", "job x", "logs x"])
def test_a_database_that_is_gone_under_the_engine_is_not_an_empty_one(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    home = at(tmp_path, monkeypatch)
    engine = StandInEngine(home.socket)
    try:
        assert main.run(command.split()) == 1
    finally:
        engine.close()
    said = capsys.readouterr()
    assert f"{home.database} was deleted or moved away while the engine is running" in said.err
    assert f"Stop the engine first (kill {os.getpid()})" in said.err
    assert "No jobs yet" not in said.out


def test_doctor_has_all_its_lines_without_an_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    at(tmp_path / "file", monkeypatch)
    assert main.run(["doctor", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert [line["id"] for line in report["lines"]] == ALL_LINES
    assert "is a file" in report["lines"][1]["message"]
    assert main.run(["doctor"]) == 1
    assert len(capsys.readouterr().out.splitlines()) == len(ALL_LINES)


def test_a_log_that_is_a_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = at(tmp_path, monkeypatch)
    record = job(1, JobStatus.COMPLETED)
    writer = StoreWriter(home)
    writer.insert(record)
    writer.close()
    path = home.log_file(record.job_id)
    path.mkdir()
    assert main.run(["job", record.job_id]) == 0
    assert f"{path} is no file: move it away" in capsys.readouterr().out
    assert run_fast_path(["logs", record.job_id]) is None  # it is said by the usual command
    assert main.run(["logs", record.job_id]) == 1
    assert f"{path} cannot be used: Is a directory" in capsys.readouterr().err


def test_a_full_disk_is_said_and_what_is_there_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with small_disk(tmp_path / "disk", "600k") as disk:
        home = at(disk / "h", monkeypatch)
        record = job(1, JobStatus.RUNNING)
        writer = StoreWriter(home)
        writer.insert(record)
        writer.close()
        fill(disk)
        for command in ("jobs", "jobs --json", f"job {record.job_id}"):
            assert main.run(command.split()) == 0
            said = capsys.readouterr()
            assert record.job_id in said.out
            assert "The engine could not be started" in said.err
            assert "disk" in said.err
        assert main.run(["doctor", "--json"]) == 1
        report = json.loads(capsys.readouterr().out)
        assert [line["id"] for line in report["lines"]] == ALL_LINES
        assert report["lines"][-1]["level"] == "error"
        assert "Make room" in report["lines"][-1]["advice"]
        # A journal may not be left out.
        (disk / "fill").rename(home.database.with_name("state.db-wal"))
        assert main.run(["jobs"]) == 1
        said = capsys.readouterr()
        assert "its disk is full" in said.err
        assert "move" not in said.err


def fill(disk: Path) -> None:
    """Use up the room."""
    handle = os.open(disk / "fill", os.O_WRONLY | os.O_CREAT)
    with suppress(OSError):
        while True:
            os.write(handle, b"\0" * 4096)
    os.close(handle)
