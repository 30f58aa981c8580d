"""What a sum of money reads: everything that counts, once, whatever was deleted since."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.store.job_records import LOCAL, REAL, T0, done, job
from tui.base.job_status import JobStatus
from tui.engine.spending.rules import Limit, accrued
from tui.engine.spending.summary import begin_of, borders_of, standing, summary
from tui.settings import Home
from tui.store import billing
from tui.store.reader import StoreReader
from tui.store.schema import MIGRATIONS
from tui.store.writer import StoreWriter

EVERYTHING = datetime(2000, 1, 1, tzinfo=UTC)


@pytest.fixture
def home() -> Iterator[Home]:
    root = Path(tempfile.mkdtemp(prefix="st-"))
    yield Home(root / "h", root / "h" / "cloud_outputs")
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def writer(home: Home) -> Iterator[StoreWriter]:
    writer = StoreWriter(home)
    yield writer
    writer.close()


@pytest.fixture
def reader(home: Home, writer: StoreWriter) -> Iterator[StoreReader]:
    assert writer
    reader = StoreReader(home.database)
    yield reader
    reader.close()


def test_a_deleted_job_still_costs(writer: StoreWriter, reader: StoreReader) -> None:
    writer.insert(done("a", 1_000_000))
    writer.insert(done("b", 500_000))
    before = sorted(reader.billed(EVERYTHING, sandbox=False), key=repr)
    writer.delete("a")
    assert [row.job_id for row in reader.records()] == ["b"]
    assert sorted(reader.billed(EVERYTHING, sandbox=False), key=repr) == before


def test_real_and_simulated_costs_are_never_added(writer: StoreWriter, reader: StoreReader) -> None:
    writer.insert(done("a", 1))
    writer.insert(done("b", 2, api_base=LOCAL))
    writer.delete("b")
    assert [row.cost_micros for row in reader.billed(EVERYTHING, sandbox=False)] == [1]
    assert [row.cost_micros for row in reader.billed(EVERYTHING, sandbox=True)] == [2]


def test_only_jobs_that_can_count_are_read(writer: StoreWriter, reader: StoreReader) -> None:
    writer.insert(done("old", 1))
    writer.insert(done("new", 2, T0 + timedelta(days=5)))
    writer.insert(job("running", status=JobStatus.RUNNING, started_at=T0))
    writer.insert(job("queued", status=JobStatus.QUEUED, estimate_micros=7))
    jobs = reader.billed(T0 + timedelta(days=1), sandbox=False)
    assert sorted(row.status for row in jobs) == ["completed", "queued", "running"]
    assert [row.expected_micros for row in jobs if row.status == "queued"] == [7]


def test_the_expected_cost_of_a_running_job_follows_its_eta(
    writer: StoreWriter, reader: StoreReader
) -> None:
    eta = T0 + timedelta(seconds=1000)
    running = job("a", status=JobStatus.RUNNING, started_at=T0, eta_at=eta, estimate_micros=5)
    writer.insert(running)
    assert [row.expected_micros for row in reader.billed(T0, sandbox=False)] == [975_000]


@pytest.mark.parametrize("borders", [[], [T0, T0 + timedelta(days=1)]])
def test_ended_jobs_are_read_from_the_index_alone(
    home: Home, writer: StoreWriter, borders: list[datetime]
) -> None:
    assert writer
    sql, values = billing._ended(T0, borders)
    database = sqlite3.connect(home.database)
    plan = [str(row[3]) for row in database.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
    rest = [str(row[3]) for row in database.execute(f"EXPLAIN QUERY PLAN {billing._UNENDED}")]
    database.close()
    assert any("COVERING INDEX jobs_billing" in line for line in plan), plan
    assert any("ledger_ended" in line for line in plan), plan
    assert rest == ["SEARCH jobs USING INDEX jobs_billing (completed_at=?)"]


@settings(
    max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(0, 10**7)), max_size=12),
    st.lists(st.integers(0, 40), min_size=1, max_size=3),
)
def test_few_rows_give_the_same_sums_from_every_border(
    writer: StoreWriter,
    reader: StoreReader,
    jobs: list[tuple[int, int, int]],
    hours: list[int],
) -> None:
    for row in reader.records():
        writer.delete(row.job_id)
    writer._db.execute("DELETE FROM ledger")
    now = T0 + timedelta(hours=100)
    for number, (start, length, cost) in enumerate(jobs):
        begin = T0 + timedelta(hours=start)
        end = begin + timedelta(hours=length)
        writer.insert(done(f"j{number}", cost, end, started_at=begin))
    borders = [T0 + timedelta(hours=hour) for hour in hours]
    every = reader.billed(T0, sandbox=False)
    few = reader.billed(T0, sandbox=False, borders=borders)
    for border in borders:
        whole, short = (
            [sum(accrued(job, now) - accrued(job, border) for job in rows)] for rows in (every, few)
        )
        assert whole == short
    assert len(few) <= len(every)


@settings(
    max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 100), st.integers(-2, 60), st.integers(0, 10**7) | st.none(),
            st.booleans(), st.sampled_from([0, 975]), st.sampled_from(list(JobStatus)),
        ),
        max_size=12,
    ),
    st.integers(40, 130),
    st.integers(1, 4),
)  # fmt: skip
def test_few_rows_are_counted_as_all_are(
    writer: StoreWriter,
    reader: StoreReader,
    jobs: list[tuple[int, int, int | None, bool, int, JobStatus]],
    hour: int,
    days: int,
) -> None:
    for row in reader.records():
        writer.delete(row.job_id)
    writer._db.execute("DELETE FROM ledger")
    now = T0 + timedelta(hours=hour, minutes=17)  # some end in the future: the clock was set back
    with writer.batch():
        for number, (created, length, cost, ran, rate, status) in enumerate(jobs):
            at = T0 + timedelta(hours=created)
            end = at + timedelta(hours=length, seconds=number)
            writer.insert(
                job(
                    f"j{number}", status=status, created_at=at, rate_micros=rate,
                    started_at=at if ran else None, cost_micros=cost,
                    completed_at=end if status.is_terminal else None, estimate_micros=5,
                )
            )  # fmt: skip
    _, since = begin_of(days, now, UTC)
    borders = borders_of(days, now, UTC)
    every = reader.billed(since, sandbox=False)
    few = reader.counted(since, borders, sandbox=False)
    limit = Limit(True, 10**7, "weekly", "block")
    assert len(few) <= len(every)
    whole, short = (
        summary(
            standing(limit, rows, now, stop_running=False), rows, (0, 0), days, now=now, zone=UTC
        )
        for rows in (every, few)
    )
    assert whole == short


def test_a_store_of_the_former_format_keeps_its_jobs_and_gets_a_ledger(home: Home) -> None:
    home.create()
    database = sqlite3.connect(home.database)
    for script in MIGRATIONS[:2]:
        database.executescript(script)
    database.execute("PRAGMA user_version = 2")
    columns = {"job_id": "a", "api_base": REAL, "name": "a", "status": "completed",
               "created_at": 1, "started_at": 1, "completed_at": 2, "cost_micros": 5,
               "prediction_id": "p"}  # fmt: skip
    marks = ",".join("?" * len(columns))
    database.execute(
        f"INSERT INTO jobs ({','.join(columns)}) VALUES ({marks})", [*columns.values()]
    )
    database.commit()
    database.close()
    writer = StoreWriter(home)
    writer.delete("a")
    reader = StoreReader(home.database)
    jobs = reader.billed(datetime(1970, 1, 1, tzinfo=UTC), sandbox=False)
    assert [row.cost_micros for row in jobs] == [5]
    reader.close()
    writer.close()
