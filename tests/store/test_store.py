"""One writer, many readers, and files that are not as they should be."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.app.world import NOW, home_at, job
from tui.base.job_status import JobStatus
from tui.settings import Home
from tui.store import schema
from tui.store.comparison import pictures_of
from tui.store.reader import StoreReader, UnknownJobError
from tui.store.records import FileRecord, StageRecord
from tui.store.schema import MIGRATIONS, DuplicateError, StoreError, schema_version
from tui.store.writer import Change, StoreBusyError, StoreWriter, check_free


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return home_at(tmp_path / "home")


@contextlib.contextmanager
def writing(home: Home) -> Iterator[StoreWriter]:
    writer = StoreWriter(home)
    try:
        yield writer
    finally:
        writer.close()


def test_written_records_are_read_back(home: Home) -> None:
    record = replace(
        job(1, JobStatus.RUNNING), diagnosis={"kind": "ü"}, output=["a", None], loss=float("inf"),
        submit={"phase": "new"}, cancel_requested=True,
    )  # fmt: skip
    stage = StageRecord(1, "load", "Loading", "done", NOW, None, "", 50.0)
    file = FileRecord("checkpoint-50/b.safetensors", 5, "0" * 64, "delivered", NOW)
    later = replace(file, path="checkpoint-200/b.safetensors")
    media = [
        replace(file, path=f"x/{name}")
        for name in ("validation_images/step_5_a_0_8x8.PNG", "checkpoint-5/assets/image_0_0.jpg",
                     "validation_images/step_5_a_0_8x8.mp4", "sample.png", "assets/image.txt")
    ]  # fmt: skip
    with writing(home) as writer:
        stored = writer.insert(record)
        writer.apply(
            record.job_id,
            Change(
                metrics=[("loss", 1, 0.5), ("loss", 2, float("nan"))],
                stages=[stage],
                files=[later, file, *media],
                events=[(NOW, "poll", "state", "words")],
            ),
        )
        reader = StoreReader(home.database)
        assert reader.job(record.job_id) == replace(
            stored, rev=stored.rev + 1, file_count=7, file_bytes=35
        )
        steps, values = reader.metrics(record.job_id, "loss")
        assert list(steps) == [1, 2]
        assert values[0] == 0.5
        assert values[1] != values[1]
        assert reader.stages(record.job_id) == [stage]
        assert reader.files(record.job_id)[:2] == [file, later]
        assert len(reader.all_files()[record.job_id]) == 7
        (row,) = reader.rows([record.job_id]).values()
        assert row.pictures == pictures_of(reader.files(record.job_id)) == 1, "copies are no more"
        copies = [replace(file, path=f"{folder}assets/image_{number}_0.png")
                  for folder in ("", "x/", "x/checkpoint-5/") for number in range(2)]  # fmt: skip
        writer.insert(replace(record, job_id="hub", prediction_id="hub"))
        writer.apply("hub", Change(files=copies))
        assert reader.rows(["hub"])["hub"].pictures == pictures_of(reader.files("hub")) == 2
        assert [event.message for event in reader.events(record.job_id)] == ["words"]
        changed = [row.job_id for row in reader.changed_since(stored.rev)]
        assert changed == [record.job_id, "hub"]
        reader.close()


def test_a_point_keeps_its_first_value_and_a_new_reading_starts_anew(home: Home) -> None:
    with writing(home) as writer:
        writer.insert(job(1, JobStatus.RUNNING))
        job_id = job(1, JobStatus.RUNNING).job_id
        writer.apply(job_id, Change(metrics=[("loss", 1, 0.5)]))
        writer.apply(job_id, Change(metrics=[("loss", 1, 0.7), ("loss", 2, 0.4)]))
        reader = StoreReader(home.database)
        assert list(reader.metrics(job_id, "loss")[1]) == [0.5, 0.4]
        writer.apply(job_id, Change(forget_log_facts=True, metrics=[("loss", 9, 0.1)]))
        assert list(reader.metrics(job_id, "loss")[0]) == [9]
        reader.close()


def test_a_change_is_atomic(home: Home) -> None:
    with writing(home) as writer:
        writer.insert(job(1, JobStatus.RUNNING))
        job_id = job(1, JobStatus.RUNNING).job_id
        before = writer.job(job_id)
        with pytest.raises(ValueError, match="nonsense"):
            writer.apply(job_id, Change(values={"nonsense": 1}))
        with pytest.raises(StoreError):
            writer.apply(job_id, Change(values={"name": "x"}, metrics=[("loss", [1], 1.0)]))  # type: ignore[list-item]
        assert writer.job(job_id) == before
        with pytest.raises(DuplicateError):
            writer.insert(job(1, JobStatus.RUNNING), facts={"key": 1})
        assert writer.fact("key") is None


def test_a_prediction_that_another_job_has_is_no_failure_of_the_disk(home: Home) -> None:
    """What counts as a full disk is tried again, and a job that is tried again is paid again."""
    with writing(home) as writer:
        for number in (1, 2):
            writer.insert(job(number, JobStatus.RUNNING))
        taken, before = writer.job(job(1, JobStatus.RUNNING).job_id), job(2, JobStatus.RUNNING)
        with pytest.raises(DuplicateError) as caught:
            writer.apply(before.job_id, Change(values={"prediction_id": taken.prediction_id}))
        assert not isinstance(caught.value, StoreError)
        assert caught.value.message
        assert caught.value.advice
        assert writer.job(before.job_id).prediction_id == before.prediction_id
        with pytest.raises(DuplicateError):
            writer.claim(writer.job(before.job_id), taken.prediction_id, Change())


def test_jobs_are_found_by_prefix(home: Home) -> None:
    with writing(home) as writer:
        for number in (1, 2, 12345):
            writer.insert(job(number, JobStatus.COMPLETED))
    reader = StoreReader(home.database)
    assert reader.find(" job12345 ").job_id == "job12345"
    assert reader.find("job1").job_id == "job12345"
    assert reader.find(f"p{2:025d}").job_id == "job00002"
    for text in ("job0000", "", "nobody", "%", "job_0001"):
        with pytest.raises(UnknownJobError) as caught:
            reader.find(text)
        assert caught.value.message
        assert caught.value.advice
    reader.close()


def test_a_job_is_found_by_its_name_where_one_job_has_it(home: Home) -> None:
    with writing(home) as writer:
        for number, name in enumerate(["cat", "dog", "dog", "job00000", "100%"]):
            writer.insert(replace(job(number, JobStatus.COMPLETED), name=name))
    reader = StoreReader(home.database)
    assert reader.find("cat").job_id == "job00000"
    assert reader.find("100%").job_id == "job00004"
    assert reader.find("job00000").name == "cat"  # an id is an id, whatever others are called
    with pytest.raises(UnknownJobError, match=r"job0000[12] \(dog\), job0000[12]"):
        reader.find("dog")
    with pytest.raises(UnknownJobError, match="could be any"):
        reader.find("job0000")
    for text in ("c", "ca", "1_0%"):
        with pytest.raises(UnknownJobError, match="no job"):
            reader.find(text)
    with pytest.raises(UnknownJobError) as caught:
        reader.find("dgo")
    assert "Did you mean dog?" in caught.value.advice
    reader.close()


# -- migrations and odd files -----------------------------------------------------------------


def test_each_older_format_is_migrated(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    for version in range(1, len(MIGRATIONS)):
        monkeypatch.setattr(schema, "MIGRATIONS", MIGRATIONS[:version])
        with writing(home):
            pass
        assert schema_version(sqlite3.connect(home.database)) == version
        monkeypatch.setattr(schema, "MIGRATIONS", MIGRATIONS)
        reader = StoreReader(home.database)
        with pytest.raises(StoreError, match="earlier"):  # that there are no jobs is not known
            reader.records()
        with writing(home) as writer:
            writer.insert(job(1, JobStatus.RUNNING))
            assert len(reader.records()) == 1
        reader.close()
        home.database.unlink()


def test_a_migration_that_fails_leaves_the_old_format(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    with writing(home) as writer:
        writer.insert(job(1, JobStatus.RUNNING))
    broken = (*MIGRATIONS, "CREATE TABLE half (x); SELECT nonsense;")
    monkeypatch.setattr(schema, "MIGRATIONS", broken)
    with pytest.raises(StoreError):
        StoreWriter(home)
    monkeypatch.undo()
    with writing(home) as writer:
        assert writer.job("job00001")
    tables = sqlite3.connect(home.database).execute("SELECT name FROM sqlite_master").fetchall()
    assert ("half",) not in tables


def test_a_newer_format_is_reported_and_unchanged(home: Home) -> None:
    with writing(home):
        pass
    database = sqlite3.connect(home.database)
    database.execute("PRAGMA user_version = 99")
    database.close()
    before = home.database.read_bytes()
    for attempt in (lambda: StoreWriter(home), lambda: StoreReader(home.database).records()):
        with pytest.raises(StoreError) as caught:
            attempt()
        assert "newer" in caught.value.message
        assert "99" in caught.value.message
        assert "Upgrade" in caught.value.advice
    assert home.database.read_bytes() == before
    check_free(home)  # and no lock is left behind


def test_a_corrupt_database_is_reported_and_unchanged(home: Home) -> None:
    home.create()
    home.database.write_bytes(b"SQLite format 3\0" + os.urandom(8192))
    before = home.database.read_bytes()
    for attempt in (lambda: StoreWriter(home), lambda: StoreReader(home.database).records()):
        with pytest.raises(StoreError) as caught:
            attempt()
        assert str(home.database) in caught.value.message
        assert "move" in caught.value.advice
    assert home.database.read_bytes() == before
    check_free(home)


def test_a_second_writer_is_refused(home: Home) -> None:
    with writing(home):
        with pytest.raises(StoreBusyError) as caught:
            StoreWriter(home)
        assert caught.value.advice
        with pytest.raises(StoreBusyError):
            check_free(home)
    check_free(home)
    with writing(home):
        pass


def test_a_writer_that_is_killed_leaves_no_lock(home: Home) -> None:
    script = (
        "import sys, os\n"
        "from pathlib import Path\n"
        "from tui.settings import Home\n"
        "from tui.store.writer import StoreWriter\n"
        "w = StoreWriter(Home(Path(sys.argv[1]), Path(sys.argv[1])))\n"
        "w.set_fact('there', 1)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(home.root)], check=False)
    assert done.returncode == -9
    with writing(home) as writer:
        assert writer.fact("there") == 1


@contextlib.contextmanager
def as_somebody(folder: Path) -> Iterator[None]:
    """Rights of a plain user, where the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    for parent in [folder, *folder.parents]:
        if parent.stat().st_uid == 0 and str(parent).startswith("/tmp/"):
            parent.chmod(0o755)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_read_only_folder_is_reported(tmp_path: Path) -> None:
    home = home_at(tmp_path / "home")
    with writing(home) as writer:
        writer.insert(job(1, JobStatus.RUNNING))
    for path in [*home.root.rglob("*"), home.root]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    with as_somebody(home.root):
        with pytest.raises(StoreError) as caught:
            StoreWriter(home)
        assert str(home.root) in caught.value.message
        assert caught.value.advice
        assert len(StoreReader(home.database).records()) == 1
    home.root.chmod(0o755)


def test_a_home_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError) as caught:
        StoreWriter(home_at(tmp_path / "file" / "home"))
    assert "cannot be used" in caught.value.message


def test_a_full_disk_loses_nothing_and_writing_resumes_later(home: Home) -> None:
    """A limit on file sizes stands in for the full disk; it is met in the journal."""
    script = f"""
import resource, signal, sys
from pathlib import Path
from datetime import UTC, datetime
sys.path.insert(0, {str(Path.cwd())!r})
from tests.app.world import job, home_at
from tui.store.records import JobStatus
from tui.store.schema import StoreError
from tui.store.writer import StoreWriter, Change
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
writer = StoreWriter(home_at(Path({str(home.root)!r})))
writer.insert(job(1, JobStatus.RUNNING))
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
journal = Path({str(home.root)!r}, "state.db-wal")
resource.setrlimit(resource.RLIMIT_FSIZE, (journal.stat().st_size + 20000, hard))
done = 0
try:
    for number in range(10_000):
        writer.apply("job00001", Change(metrics=[("loss", number, 0.5)], values={{"step": number}}))
        done = number
except StoreError as error:
    print("refused", "disk" in error.advice)
assert writer.job("job00001").step == done
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
writer.apply("job00001", Change(values={{"step": 77}}))
print(writer.job("job00001").step, done)
writer.close()
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()
    assert done[:3] == ["refused", "True", "77"]
    reader = StoreReader(home.database)
    assert len(reader.metrics("job00001", "loss")[0]) == int(done[3]) + 1
    reader.close()


def test_readers_and_writer_do_not_wait_for_each_other(home: Home) -> None:
    with writing(home) as writer:
        writer.insert(job(1, JobStatus.RUNNING))
        reader = StoreReader(home.database)
        seen = []
        for number in range(50):
            writer.apply("job00001", Change(values={"step": number}))
            record = reader.job("job00001")
            assert record is not None
            seen.append(record.step)
        assert seen == list(range(50))
        reader.close()


def test_results_at_risk_are_those_replicate_still_has(home: Home) -> None:
    with writing(home) as writer:
        now = datetime.now(UTC)
        writer.insert(replace(job(1, JobStatus.COMPLETED), data_expires_at=now.replace(year=2090)))
        writer.insert(replace(job(2, JobStatus.COMPLETED), data_expires_at=now.replace(year=2020)))
        writer.insert(replace(job(3, JobStatus.RUNNING), data_expires_at=now.replace(year=2090)))
        assert [job.job_id for job in writer.at_risk(now)] == ["job00001"]
