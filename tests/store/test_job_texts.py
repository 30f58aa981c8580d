"""A kept JSON text is what would be made now, whatever was written since it was kept."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.store.job_records import T0, done, job
from tests.support import eventually
from tui.base.job_status import JobStatus
from tui.engine.runtime.event_bus import EventBus
from tui.engine.tracking import job_texts as engine_job_texts
from tui.engine.tracking.job_texts import JobTexts
from tui.settings import Home
from tui.store import job_json_query, job_texts
from tui.store.annotations import Annotation
from tui.store.job_json_query import FOLDER, FORM, jobs_json
from tui.store.job_texts import AT_ONCE, NEWEST, Position
from tui.store.records import FileRecord
from tui.store.writer import Change, StoreWriter

TEXT = st.text(max_size=8)
MARK = '\x01\\u0001"\\ ü'
"""What stands for the folder in a kept text, and what looks like it; quotes; two bytes."""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "h", tmp_path / "h" / "cloud_outputs")


@pytest.fixture
def writer(home: Home) -> Iterator[StoreWriter]:
    writer = StoreWriter(home)
    yield writer
    writer.close()


def keep_all(writer: StoreWriter) -> int:
    """Keep every text; returns in how many transactions."""
    position: Position | None = NEWEST
    bites = 0
    while position is not None:
        position = writer.job_texts.keep(position)
        bites += 1
    return bites


def kept(home: Home) -> set[str]:
    """The jobs whose texts are kept."""
    with sqlite3.connect(home.database) as database:
        rows = database.execute("SELECT job_id FROM job_texts").fetchall()
    database.close()
    return {row[0] for row in rows}


def listed(home: Home, monkeypatch: pytest.MonkeyPatch, outputs: str = MARK) -> bytes:
    """The list, after comparing it with the one that is made anew."""
    clock = time.time_ns()
    texts = []
    for query in (job_json_query._KEPT, job_json_query._KEPT.replace(f"form = {FORM}", "0")):
        with monkeypatch.context() as patch:
            patch.setattr(job_json_query, "_KEPT", query)
            patch.setattr("time.time_ns", lambda: clock)
            found = jobs_json(str(home.database), outputs)
            assert found is not None
            texts.append((b"".join(found[0]), found[1]))
    assert texts[0] == texts[1]
    return texts[0][0]


def fill(writer: StoreWriter) -> None:
    """Jobs that ended, with whatever a text is made from, one that runs and one that is lost."""
    files = [FileRecord(f"x/{MARK}", 1, "1" * 64, "hub", T0), FileRecord("b", 2, MARK, "hub", T0)]
    note = Annotation(("face", MARK), pinned=True).with_note(MARK)
    writer.insert(done("a", 5, name=MARK), Change(files=files, annotation=note))
    writer.insert(done("b", 7, T0 + timedelta(days=1)))
    writer.insert(job("r", status=JobStatus.RUNNING, started_at=T0))
    writer.insert(job("u", status=JobStatus.FAILED, started_at=T0, provider_status="lost"))


CHANGES: dict[str, Callable[[StoreWriter], object]] = {
    "nothing": lambda writer: None,
    "a field": lambda writer: writer.apply("a", Change(values={"name": "other"})),
    "no field": lambda writer: writer.apply("a", Change()),
    "a file": lambda writer: writer.apply(
        "a", Change(files=[FileRecord("c", 3, "0", "hub", T0)])
    ),
    "a file again": lambda writer: writer.apply(
        "a", Change(files=[FileRecord("b", 9, "0", "hub", T0, missing="gone")])
    ),
    "a note": lambda writer: writer.apply("b", Change(annotation=Annotation().with_note("n"))),
    "no note": lambda writer: writer.apply("a", Change(annotation=Annotation().with_note(""))),
    "a new job": lambda writer: writer.insert(done("n", 1)),
    "a job that goes": lambda writer: writer.delete("a"),
    "two that become one": lambda writer: writer.claim(
        writer.job("b"), "p-a", Change(values={"name": "joined"}), "a"
    ),
    "one that runs again": lambda writer: writer.apply(
        "a", Change(values={"status": JobStatus.RUNNING, "completed_at": None})
    ),
    "one that ends": lambda writer: writer.apply(
        "r", Change(values={"status": JobStatus.CANCELLED, "completed_at": T0})
    ),
    "files written around the writer": lambda writer: writer._db.execute(
        "UPDATE files SET job_id = 'b' WHERE job_id = 'a'"
    ),
    "a file written around the writer": lambda writer: writer._db.execute(
        "INSERT OR REPLACE INTO files VALUES ('a', 'b', 9, '2', 'hub', 1, '')"
    ),
    "a note written around the writer": lambda writer: writer._db.execute(
        "INSERT OR REPLACE INTO annotations VALUES ('a', 0, '[]', NULL)"
    ),
    "notes deleted around the writer": lambda writer: writer._db.execute(
        "DELETE FROM annotations"
    ),
    "files deleted around the writer": lambda writer: writer._db.execute("DELETE FROM files"),
    "notes written around the writer": lambda writer: writer._db.execute(
        "UPDATE annotations SET job_id = 'b' WHERE job_id = 'a'"
    ),
    "jobs written around the writer": lambda writer: writer._db.execute(
        "UPDATE jobs SET job_id = 'z' WHERE job_id = 'a'"
    ),
    "a limit that ends running jobs": lambda writer: writer.set_fact(
        "spending", {"enabled": True, "stop_running": True}
    ),
}  # fmt: skip


def test_after_every_change_the_list_is_what_would_be_made_now(
    writer: StoreWriter, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    for what, change in CHANGES.items():
        for table in ("jobs", "files", "annotations"):
            writer._db.execute(f"DELETE FROM {table}")
        assert kept(home) == set()
        fill(writer)
        keep_all(writer)
        # How long the lost job ran follows from the present.
        assert kept(home) == {"a", "b"}, what
        listed(home, monkeypatch)
        change(writer)
        listed(home, monkeypatch)
        keep_all(writer)
        text = listed(home, monkeypatch)
        ids = {row["job_id"]: row["is_terminal"] for row in json.loads(text)}
        assert kept(home) == {name for name, ended in ids.items() if ended} - {"u"}, what
    assert json.loads(text)[0]["files"][0]["path"] == f"{MARK}/b"


@settings(
    max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "c"]),
            st.sampled_from(["name", "error", "file", "tag", "end", "go on", "delete", "keep"]),
            TEXT.filter(lambda text: text.isprintable() or text in MARK),
        ),
        max_size=12,
    )
)
def test_any_changes_in_any_order_leave_no_stale_text(
    writer: StoreWriter,
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
    changes: list[tuple[str, str, str]],
) -> None:
    writer._db.execute("DELETE FROM jobs")
    for job_id, what, text in changes:
        known = {row.job_id for row in (*writer.active(), *writer.ended_since(T0))}
        if what == "keep":
            keep_all(writer)
        elif what == "delete":
            writer.delete(job_id)
        elif job_id not in known:
            writer.insert(done(job_id, len(text), name=text))
        elif what in ("name", "error"):
            writer.apply(job_id, Change(values={what: text}))
        elif what == "file":
            writer.apply(job_id, Change(files=[FileRecord(text, 1, text, "hub", T0)]))
        elif what == "tag":
            writer.apply(job_id, Change(annotation=Annotation((text,)).with_note(text)))
        else:
            status = JobStatus.RUNNING if what == "go on" else JobStatus.FAILED
            ended = None if what == "go on" else T0
            writer.apply(job_id, Change(values={"status": status, "completed_at": ended}))
        listed(home, monkeypatch)


def test_every_table_that_a_text_is_made_from_has_its_triggers(
    writer: StoreWriter, home: Home
) -> None:
    """A statement that reads another table needs triggers on it."""
    fill(writer)
    read: set[str] = set()
    database = sqlite3.connect(home.database)

    def note(action: int, table: str | None, *_: object) -> int:
        if action == sqlite3.SQLITE_READ:
            read.add(str(table))
        return sqlite3.SQLITE_OK

    database.set_authorizer(note)
    job_json_query.job_texts(lambda sql, values: database.execute(sql, values).fetchall(), ["a"])
    database.set_authorizer(None)
    triggers = database.execute("SELECT tbl_name FROM sqlite_master WHERE type = 'trigger'")
    names = [row[0] for row in triggers]
    database.close()
    assert "annotations" in read
    # The facts say what may happen to running jobs alone, whose texts are not kept; a job that is
    # new has no text.
    assert {table: names.count(table) for table in read - {"facts"}} == {
        "jobs": 2, "files": 3, "annotations": 3
    }  # fmt: skip


def test_a_text_of_another_form_is_made_anew(
    writer: StoreWriter, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(writer)
    keep_all(writer)
    writer._db.execute("UPDATE job_texts SET text = 'old', form = ?", (FORM + 1,))
    listed(home, monkeypatch)
    keep_all(writer)
    assert (
        writer._db.execute("SELECT COUNT(*) FROM job_texts WHERE text = 'old'").fetchone()[0] == 0
    )


def test_the_form_has_another_number_when_the_text_has() -> None:
    made = (
        job_json_query._JOBS, job_json_query._FILES, job_json_query._WRITTEN,
        job_json_query._NO_MARKS, job_json_query._WHOLE, FOLDER,
    )  # fmt: skip
    known = hashlib.sha256("\n".join(made).encode()).hexdigest()[:16]
    assert (FORM, known) == (1, "a8bdcb0e19e6ac9e"), "raise FORM; put its number and the hash here"


def test_a_bite_makes_few_texts_and_looks_at_few_jobs(
    writer: StoreWriter, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_texts, "AT_ONCE", 3)
    monkeypatch.setattr(job_texts, "PAGE", 4)
    with writer.batch():
        for number in range(9):  # most end at the same moment
            ended = T0 + timedelta(seconds=number // 7)
            writer.insert(done(f"j{number}", 1, ended))
    position = writer.job_texts.keep()
    assert kept(home) == {"j8", "j7", "j6"}  # the newest first
    assert position is not None
    assert keep_all(writer) == 3
    assert len(kept(home)) == 9
    assert keep_all(writer) == 3
    plan = [
        str(row[3])
        for row in writer._db.execute(f"EXPLAIN QUERY PLAN {job_texts.LOOK}", (1, *NEWEST, 9))
    ]
    assert any("COVERING INDEX jobs_billing" in line for line in plan), plan
    assert not any(line.startswith("SCAN") for line in plan), plan
    assert AT_ONCE <= 32


async def test_the_engine_keeps_the_texts_after_its_start_and_after_each_change(
    writer: StoreWriter, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_job_texts, "_SOON", 0.0)
    fill(writer)
    bus = EventBus()
    texts = JobTexts(bus, writer)
    texts.start()
    await eventually(lambda: kept(home) == {"a", "b"})
    for _ in range(2):
        writer.apply("r", Change(values={"status": JobStatus.FAILED, "completed_at": T0}))
        writer.delete("b")
        bus.publish("job", job_id="r", rev=9, status="failed")
        await eventually(lambda: kept(home) == {"a", "r"})
    await texts.aclose()
