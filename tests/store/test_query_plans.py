"""Every statement about some of the jobs is served by an index, so that ten thousand cost nothing.

The reader and the writer are driven through all their methods on a connection that records each
statement; SQLite's query planner then says how it runs them.
"""

from __future__ import annotations

import inspect
import sqlite3
from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.store.job_records import REAL, T0, done, job
from tui.base.job_status import JobStatus
from tui.settings import Home
from tui.store.masking import MaskingConnection
from tui.store.reader import StoreReader
from tui.store.records import FileRecord
from tui.store.writer import Change, StoreWriter

READ: Mapping[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "max_rev": ((), {}),
    "counts": ((), {}),
    "rows": ((["a", "b"],), {}),
    "changed_since": ((1,), {}),
    "job": (("a",), {}),
    "annotation": (("a",), {}),
    "annotations": ((["a", "b"],), {}),
    "pinned": ((), {}),
    "tags_in_use": ((), {}),
    "metric_names": (("a",), {}),
    "metric_distances": (("a",), {}),
    "metrics": (("a", "loss"), {}),
    "stages": (("a",), {}),
    "files": (("a",), {}),
    "all_files": ((), {}),
    "events": (("a",), {}),
    "fact": (("account",), {}),
    "contacts": ((), {}),
    "newest_active": ((), {}),
    "billed": ((T0,), {"sandbox": False, "borders": (T0, T0 + timedelta(days=1))}),
    "counted": ((T0, (T0,)), {"sandbox": False}),
    "lost": ((T0,), {"sandbox": False}),
    "job_with_file": (("model.safetensors",), {}),
    "destinations": ((), {}),
    "transfers": ((), {}),
    "transfer_items": (("t",), {}),
    "fetches": (("a",), {}),
    "published": (("a",), {}),
    "disk_use": ((), {}),
    "sent_unseen": (("a",), {}),
    "sweeps": ((), {}),
    "sweep_members": (("s",), {}),
}
"""Methods of the reader whose statements an index must serve."""
READ_ALL: Mapping[str, str] = {
    "job_ids": "the order of the whole list, once for each change of the list",
    "count": "the length of a filtered list, once for each page of it",
    "records": "an export of the whole list",
    "find": "a prefix of two columns or a name, once for each command of a user",
    "names": "a prefix of names, once for each submit form",
    "queue_waits": "the newest jobs that waited, in the order of an index, up to a limit",
    "past_runs": "the newest runs with their results, in the order of an index, up to a limit",
}
"""Methods of the reader that read the whole list, and why they may."""
WRITE: Mapping[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "job": (("a",), {}),
    "annotation": (("a",), {}),
    "ended_since": ((T0,), {}),
    "active": ((), {}),
    "unanswered": ((REAL,), {}),
    "by_prediction": ((REAL, "p-a"), {}),
    "was_deleted": ((REAL, "p-a"), {}),
    "known": ((REAL, ["p-a", "p-b"]), {}),
    "deleted": ((REAL, ["p-a", "p-b"]), {}),
    "set_fact": (("account", {}), {}),
    "fact": (("account",), {}),
    "insert": ((job("c"),), {}),
    "add": ((job("f"), Change()), {}),
    "apply": (
        ("a", Change(values={"status": JobStatus.RUNNING}, events=[(T0, "local", "k", "m")],
                     files=[FileRecord("f/a", 1, "0", "hub", T0)])),
        {},
    ),
    "claim": ((job("d", prediction_id=""), "p-e", Change(), "e"), {}),
    "delete": (("b",), {}),
}  # fmt: skip
"""Methods of the writer, all of which run in the engine's event loop."""
WRITE_ALL: Mapping[str, str] = dict.fromkeys(
    ("at_risk", "unconfirmed"), "once, when the engine starts"
)
"""Methods of the writer that read the whole list, and why they may."""

WITHOUT_STATEMENTS = {"batch"}
"""Methods of the writer that only hold those of others together."""

Statement = tuple[str, Any]


class RecordingConnection(MaskingConnection):
    """A connection that notes its statements, with the values of the first execution."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.statements: list[Statement] = []

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        self.statements.append((sql, parameters))
        return super().execute(sql, parameters)


def scans(database: sqlite3.Connection, statements: list[Statement]) -> list[str]:
    """The plan's lines that walk over all jobs, each with its statement."""
    found = []
    for sql, values in statements:
        if not sql.lstrip().startswith(("SELECT", "WITH", "UPDATE", "DELETE", "INSERT")):
            continue
        plan = database.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()
        found += [f"{row[3]}: {sql}" for row in plan if str(row[3]).startswith("SCAN jobs")]
    return found


@pytest.fixture
def store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[StoreWriter, StoreReader]]:
    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=RecordingConnection))
    monkeypatch.setattr("tui.store.writer.MaskingConnection", RecordingConnection)
    home = Home(tmp_path / "state", tmp_path / "outputs")
    writer = StoreWriter(home)
    writer.insert(job("a", status=JobStatus.RUNNING))
    writer.insert(done("b", 100))
    writer.insert(job("d", prediction_id=""))
    writer.insert(job("e"))
    reader = StoreReader(home.database)
    yield writer, reader
    reader.close()
    writer.close()


def public_methods(kind: type) -> set[str]:
    """The names of a class's public methods, without `close`."""
    names = {name for name, _ in inspect.getmembers(kind, inspect.isfunction)}
    return {name for name in names if not name.startswith("_")} - {"close"}


def test_no_statement_of_the_writer_scans_the_jobs(store: tuple[StoreWriter, StoreReader]) -> None:
    writer, _ = store
    driven = set(WRITE) | set(WRITE_ALL) | WITHOUT_STATEMENTS
    assert public_methods(StoreWriter) == driven, "drive the new method here"
    database = writer._db
    assert isinstance(database, RecordingConnection)
    found: dict[str, list[str]] = {}
    for name, (positional, named) in WRITE.items():
        database.statements.clear()
        getattr(writer, name)(*positional, **named)
        assert database.statements, name
        found[name] = scans(database, database.statements[:])
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_no_statement_of_the_reader_scans_the_jobs_unless_all_are_wanted(
    store: tuple[StoreWriter, StoreReader],
) -> None:
    _, reader = store
    assert public_methods(StoreReader) == set(READ) | set(READ_ALL), "drive the new method here"
    database = reader._open()
    assert isinstance(database, RecordingConnection)
    found: dict[str, list[str]] = {}
    for name, (positional, named) in READ.items():
        database.statements.clear()
        getattr(reader, name)(*positional, **named)
        assert database.statements, name
        # A sum over all jobs may walk over an index that holds all it needs.
        lines = scans(database, database.statements[:])
        found[name] = [line for line in lines if "COVERING INDEX" not in line.partition(":")[0]]
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_every_question_is_answered_where_there_is_no_database_yet(tmp_path: Path) -> None:
    reader = StoreReader(tmp_path / "none.sqlite3")
    try:
        for name, (arguments, more) in READ.items():
            getattr(reader, name)(*arguments, **more)
    finally:
        reader.close()
