"""A database that is deleted, moved, replaced or overwritten while the engine has it open."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
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


def working(home: Home) -> StoreWriter:
    """A writer with a backup of its file from before, and content in file and journal."""
    opened = StoreWriter(home)
    shutil.copy(home.database, home.database.with_name("backup.db"))
    opened.insert(job(1, JobStatus.RUNNING))
    opened._db.execute("PRAGMA wal_checkpoint(PASSIVE)")
    opened.set_fact("since the checkpoint", 1)
    return opened


@pytest.fixture
def writer(home: Home) -> Iterator[StoreWriter]:
    opened = working(home)
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
    path.write_bytes(path.with_name("backup.db").read_bytes())


def truncate(path: Path) -> None:
    os.truncate(path, 0)


def remove_journal(path: Path) -> None:
    path.with_name(f"{path.name}-wal").unlink()


def remove_index(path: Path) -> None:
    path.with_name(f"{path.name}-shm").unlink()


@pytest.mark.parametrize(
    "attack", [delete, move, replace, restore_in_place, truncate, remove_journal, remove_index]
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


def kept_files(home: Home) -> list[str]:
    return sorted(path.name for path in home.root.iterdir() if ".kept-" in path.name)


@pytest.mark.parametrize("noticed", [True, False])
def test_a_restored_file_stays_as_it_was_restored_and_the_journal_is_kept(
    home: Home, noticed: bool
) -> None:
    writer = working(home)
    backup = home.database.with_name("backup.db").read_bytes()
    journal = home.database.with_name("state.db-wal").read_bytes()
    home.database.write_bytes(backup)
    if noticed:
        with pytest.raises(DatabaseChangedError) as caught:
            writer.set_fact("a", 1)
    writer.close()
    (name,) = kept_files(home)
    assert name.startswith("state.db-wal.kept-")
    assert home.database.with_name(name).read_bytes() == journal
    if noticed:
        assert name in caught.value.advice
    assert home.database.read_bytes() == backup
    assert not home.database.with_name("state.db-wal").exists()
    again = StoreWriter(home)
    assert again.active() == []
    again.insert(job(2, JobStatus.RUNNING))
    again.close()


def test_a_journal_that_a_killed_engine_left_is_not_written_into_a_restored_backup(
    home: Home, tmp_path: Path
) -> None:
    writer = working(home)
    files = [home.database, home.database.with_name("state.db-wal")]
    left = {path: path.read_bytes() for path in files}  # as a kill leaves them
    backup = home.database.with_name("backup.db").read_bytes()
    writer.close()
    for path, content in left.items():
        path.write_bytes(content)
    home.database.write_bytes(backup)
    restored = StoreWriter(home)
    assert restored.active() == []
    (name,) = kept_files(home)
    assert home.database.with_name(name).read_bytes() == left[files[1]]
    restored.close()
    for path, content in left.items():  # with its own journal it is whole
        path.write_bytes(content)
    whole = StoreWriter(home)
    assert whole.fact("since the checkpoint") == 1
    whole.set_fact("after", 1)
    whole.close()
    assert kept_files(home) == [name]


@pytest.mark.parametrize("attack", [delete, replace])
def test_what_the_engine_knew_is_kept_when_its_file_is_gone(
    home: Home, attack: Callable[[Path], None]
) -> None:
    writer = working(home)
    attack(home.database)
    with pytest.raises(DatabaseChangedError) as caught:
        writer.set_fact("a", 1)
    writer.close()
    (name,) = kept_files(home)
    assert name in caught.value.advice
    with closing(sqlite3.connect(home.database.with_name(name))) as kept:
        assert kept.execute("SELECT COUNT(*) FROM jobs").fetchone() == (1,)
        assert kept.execute("SELECT name FROM facts").fetchall() == [("since the checkpoint",)]


def test_a_touched_file_and_a_copy_of_its_content_are_no_change(home: Home) -> None:
    writer = working(home)
    for _ in range(2):
        os.utime(home.database, (1, 1))
        home.database.chmod(0o600)
        writer.set_fact("a", 1)
        home.database.write_bytes(copied(home.database).read_bytes())
        writer.set_fact("a", 2)
    other = sqlite3.connect(home.database)
    other.execute("PRAGMA wal_checkpoint(PASSIVE)")  # it writes the file, and no transaction
    other.close()
    writer.set_fact("a", 3)
    writer.close()
    assert not kept_files(home)


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


def test_a_program_that_reads_it_meanwhile_takes_no_journal_away(home: Home) -> None:
    """The last of all connections removes the journal: locks say whether it is, and each process
    loses all its locks on a file when it closes any handle of it (sqlite.org/howtocorrupt.html).
    """
    writer = StoreWriter(home)
    look = f"import sqlite3; d = sqlite3.connect({str(home.database)!r}); "
    look += "assert d.execute('SELECT count(*) FROM facts').fetchone() == (1,); d.close()"
    for number in range(2):
        writer.set_fact("a", number)
        subprocess.run([sys.executable, "-c", look], check=True)
    writer.set_fact("a", 2)
    assert writer.fact("a") == 2
    writer.close()
