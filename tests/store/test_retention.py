"""What may be deleted here: old, or too much; never active, pinned, at risk, or the only copy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.app.world import NOW, home_at, job
from tui.base.job_status import JobStatus
from tui.store.annotations import Annotation
from tui.store.reader import StoreReader
from tui.store.records import JobRow
from tui.store.retention import choices, disk_use, freeable
from tui.store.writer import StoreWriter

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> JobRow:
    """A finished run's line of the list."""
    home = home_at(tmp_path_factory.mktemp("home"))
    writer = StoreWriter(home)
    record = job(1, JobStatus.COMPLETED)
    writer.insert(record)
    writer.close()
    reader = StoreReader(home.database)
    (row,) = reader.rows([record.job_id]).values()
    reader.close()
    return row


def runs(line: JobRow, *more: dict[str, Any]) -> list[JobRow]:
    """Runs of 10 bytes each that ended 1, 2, 3, … days ago."""
    return [
        replace(line, **{
            "job_id": f"{days}", "completed_at": NOW - days * DAY, "file_count": 2,
            "file_bytes": 10, **changes,
        })
        for days, changes in enumerate(more, 1)
    ]  # fmt: skip


def test_each_choice_frees_something_else_and_asks_for_files_once(line: JobRow) -> None:
    pinned = {"annotation": Annotation(pinned=True)}
    rows = runs(line, {}, {}, {"data_expires_at": NOW}, {}, pinned)
    asked: list[str] = []

    def once(job_id: str) -> Sequence[tuple[str, int]]:
        asked.append(job_id)
        return safe(job_id)

    found = [(words, [one.row.job_id for one in chosen])
             for words, chosen in choices(rows, once, NOW)]  # fmt: skip
    assert found == [
        ("of runs that ended more than 1 day ago", ["2"]),
        ("the oldest, to keep 37 B", ["2", "1"]),
    ]
    assert sorted(asked) == sorted(set(asked))
    assert choices(rows[2:], once, NOW) == []  # at risk, the only copy, pinned


def safe(job_id: str) -> Sequence[tuple[str, int]]:
    return [] if job_id == "4" else [("a", 7)]


def test_old_runs_go_and_the_oldest_until_the_rest_fits(line: JobRow) -> None:
    rows = runs(line, {}, {}, {}, {}, {})
    assert disk_use(rows) == 50
    old = freeable(rows, safe, NOW, older_than=2 * DAY)
    assert [(one.row.job_id, one.names, one.bytes) for one in old] == [
        ("5", ("a",), 7), ("3", ("a",), 7),
    ]  # fmt: skip
    assert [one.row.job_id for one in freeable(rows, safe, NOW, most_bytes=40)] == ["5", "3"]
    assert [one.row.job_id for one in freeable(rows, safe, NOW, most_bytes=43)] == ["5"]
    assert freeable(rows, safe, NOW, most_bytes=50) == freeable(rows, safe, NOW) == []
    both = freeable(rows, safe, NOW, older_than=4 * DAY, most_bytes=36)
    assert [one.row.job_id for one in both] == ["5", "3"]


@pytest.mark.parametrize(
    "kept",
    [
        {"status": JobStatus.RUNNING},
        {"completed_at": None},
        {"annotation": Annotation(pinned=True)},
        {"data_expires_at": NOW},
        {"file_count": 0},
    ],
)
def test_what_is_needed_is_never_chosen(line: JobRow, kept: dict[str, Any]) -> None:
    asked: list[str] = []

    def note(job_id: str) -> Sequence[tuple[str, int]]:
        asked.append(job_id)
        return safe(job_id)

    rows = runs(line, {}, kept)
    chosen = freeable(rows, note, NOW, older_than=timedelta(), most_bytes=0)
    assert [one.row.job_id for one in chosen] == asked == ["1"]
    rows = runs(line, {}, {})
    assert [one.row.job_id for one in freeable(rows, safe, NOW, needed={"2"}, most_bytes=0)] == [
        "1"
    ]
    assert [runs[0].row.job_id for _, runs in choices(rows, safe, NOW, {"2"})] == ["1"]
