"""A database that is deleted, moved, replaced or overwritten while the engine has it open."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.app.world import home_at, job
from tui.base.job_status import JobStatus
from tui.settings import Home
from tui.store.database_file import DatabaseChangedError
from tui.store.writer import StoreWriter


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return home_at(tmp_path / "home")


@pytest.fixture
def writer(home: Home) -> Iterator[StoreWriter]:
    opened = StoreWriter(home)
    opened.insert(job(1, JobStatus.RUNNING))
    yield opened
    opened.close()


def copied(path: Path) -> Path:
    return Path(shutil.copy(path, path.with_name("copy.db")))


def delete(path: Path) -> None:
    path.unlink()


def move(path: Path) -> None:
    path.rename(path.with_name("elsewhere.db"))


def replace(path: Path) -> None:
    copied(path).rename(path)


def restore_in_place(path: Path) -> None:
    path.write_bytes(copied(path).read_bytes())


def remove_journal(path: Path) -> None:
    path.with_name(f"{path.name}-wal").unlink()


def remove_index(path: Path) -> None:
    path.with_name(f"{path.name}-shm").unlink()


@pytest.mark.parametrize(
    "attack", [delete, move, replace, restore_in_place, remove_journal, remove_index]
)
def test_a_changed_file_is_noticed_before_the_next_commit(
    home: Home, writer: StoreWriter, attack: Callable[[Path], None]
) -> None:
    attack(home.database)
    for _ in range(2):  # a refused commit does not make the next one pass
        with pytest.raises(DatabaseChangedError) as caught:
            writer.insert(job(2, JobStatus.RUNNING))
        assert "while the engine is running" in caught.value.message
        assert caught.value.advice.startswith("Stop the engine first")
    assert [known.job_id for known in writer.active()] == [job(1, JobStatus.RUNNING).job_id]


def test_a_file_that_is_put_back_is_written_again(home: Home, writer: StoreWriter) -> None:
    away = home.database.with_name("away.db")
    home.database.rename(away)
    with pytest.raises(DatabaseChangedError):
        writer.set_fact("a", 1)
    away.rename(home.database)
    writer.set_fact("a", 1)
    assert writer.fact("a") == 1


def test_our_own_checkpoints_and_other_programs_that_use_sqlite_are_no_change(
    home: Home, writer: StoreWriter
) -> None:
    for number in range(3):
        writer.set_fact("large", "x" * 3_000_000)  # more than SQLite keeps before a checkpoint
        other = sqlite3.connect(home.database)
        with other:
            other.execute("DELETE FROM facts WHERE name = 'other'")
            other.execute("INSERT INTO facts VALUES ('other', ?, 0)", (str(number),))
        other.close()
    writer.set_fact("a", 1)
    assert writer.fact("other") == 2
