"""A sync stores what it finds in batches, each whole or not at all."""

from __future__ import annotations

import math
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.wished import wished
from tui.base.clock import utc_now
from tui.base.job_status import JobStatus
from tui.engine.credentials.storage_keys import StorageKeys
from tui.engine.runtime.event_bus import EventBus
from tui.engine.tracking.monitor import snapshot_of
from tui.engine.tracking.prediction_claims import PredictionClaims
from tui.engine.tracking.recorder import JobRecorder
from tui.engine.tracking.sync import (
    BATCH,
    LOG_CHARACTERS,
    import_batch,
    import_prediction,
    import_predictions,
    in_batches,
)
from tui.replicate.client import ReplicateClient
from tui.replicate.models import Prediction
from tui.replicate.secret import Secret
from tui.sandbox.server import serve
from tui.settings import Home, Settings
from tui.store.masking import MaskingConnection
from tui.store.records import JobRecord
from tui.store.schema import StoreError
from tui.store.writer import Change, StoreWriter

HISTORY = 300
BASE = "https://api.replicate.com/v1"
KILLED, FAILED = 9, 1
LOG = "".join(
    f"[TRAINING] Step {n}/9 (8.3%) loss=0.{n:02d} lr=1e-04 epoch=1 (0.5s/step)\n"
    for n in range(1, 9)
)


class Parts:
    """A store with what imports into it, without an engine."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.bus = EventBus()
        self.writer = StoreWriter(home)
        self.recorder = JobRecorder(self.writer, home, self.bus)
        keys = StorageKeys(home.root / "receiver.key", self.writer, utc_now)
        self.claims = PredictionClaims(self.recorder, keys, lambda _: timedelta())

    async def sync(self, client: ReplicateClient, api_base: str) -> list[JobRecord]:
        found = import_predictions(client, api_base, self.recorder, Settings(), self.claims)
        return [job async for job in found]

    def take(self, rows: list[Prediction]) -> list[JobRecord]:
        return import_batch(rows, BASE, self.recorder, Settings(), self.claims)

    def take_one(self, row: Prediction) -> JobRecord | None:
        return import_prediction(
            row, BASE, self.recorder, Settings(), self.claims, source="webhook"
        )

    def all(self) -> list[JobRecord]:
        ids = [row[0] for row in self.writer._read("SELECT job_id FROM jobs ORDER BY job_id")]
        return [self.writer.job(job_id) for job_id in ids]

    def metrics(self, job_id: str) -> list[tuple[int, float]]:
        sql = "SELECT step, value FROM metrics WHERE job_id = ? AND name = 'loss' ORDER BY step"
        return self.writer._read(sql, job_id)

    def kinds(self, job_id: str) -> list[str]:
        sql = "SELECT kind FROM events WHERE job_id = ? ORDER BY seq"
        return [row[0] for row in self.writer._read(sql, job_id)]

    @contextmanager
    def transactions(self) -> Iterator[list[str]]:
        """Collect the commits of the store."""
        commits: list[str] = []
        self.writer._db.set_trace_callback(
            lambda sql: commits.append(sql) if sql.startswith("COMMIT") else None
        )
        try:
            yield commits
        finally:
            self.writer._db.set_trace_callback(None)


@pytest.fixture
def parts(home: Home) -> Iterator[Parts]:
    made = Parts(home)
    yield made
    made.writer.close()


@pytest.fixture
async def account(tmp_path: Path) -> AsyncIterator[tuple[ReplicateClient, str]]:
    """A client of an account with a long history, and the API's address."""
    sandbox = await serve(wished(past_predictions=HISTORY, work_dir=tmp_path / "sandbox"))
    async with ReplicateClient(Secret(sandbox.token), base_url=sandbox.base_url) as client:
        yield client, sandbox.base_url
    await sandbox.aclose()


def prediction(number: int, status: str = "processing", logs: str = LOG) -> Prediction:
    return Prediction.read(
        {
            "id": f"p{number}", "model": "simpletuner/advanced-trainer", "version": "v",
            "status": status, "created_at": "2026-11-01T10:00:00Z",
            "started_at": "2026-11-01T10:01:00Z", "logs": logs, "input": {},
        }
    )  # fmt: skip


async def test_a_sync_makes_one_transaction_of_many_jobs(
    parts: Parts, account: tuple[ReplicateClient, str]
) -> None:
    most = math.ceil(HISTORY / BATCH)
    with parts.transactions() as commits, parts.bus.subscribe() as queue:
        found = await parts.sync(*account)
    assert len(found) > HISTORY / 2  # the rest are of other models
    assert len(commits) <= most
    told = [str(queue.get_nowait()[1]["job_id"]) for _ in range(queue.qsize())]
    assert sorted(told) == sorted(job.job_id for job in found), "each job is published once"
    assert sorted(found, key=lambda job: job.job_id) == parts.all(), "as stored"
    with parts.transactions() as commits:
        assert await parts.sync(*account) == []
    assert len(commits) <= most


def test_what_has_not_ended_is_brought_up_to_date_in_one_transaction(parts: Parts) -> None:
    rows = [prediction(number, "starting", "") for number in range(30)]
    jobs = parts.take(rows)
    assert {job.status for job in jobs} == {JobStatus.QUEUED}
    later = [prediction(number) for number in range(30)]
    with parts.transactions() as commits:
        assert parts.take([*later, *later]) == []  # rows move to the next page meanwhile
    assert len(commits) == 1
    assert {job.status for job in parts.all()} == {JobStatus.RUNNING}
    assert len(parts.metrics(jobs[0].job_id)) == 7  # the newest step comes with the next one


def test_a_row_counts_once_and_a_deleted_job_stays_deleted(parts: Parts) -> None:
    first, other = parts.take([prediction(1, "failed"), prediction(2), prediction(1, "failed")])
    assert [first.prediction_id, other.prediction_id] == ["p1", "p2"]
    parts.recorder.delete(first.job_id)
    assert parts.take([prediction(1, "failed"), prediction(2)]) == []
    assert parts.all() == [other]
    assert parts.take_one(prediction(1, "failed")) is None


@pytest.mark.parametrize("as_a_batch", [True, False])
def test_an_engine_that_is_killed_between_two_writes_leaves_jobs_with_their_state(
    home: Home, monkeypatch: pytest.MonkeyPatch, *, as_a_batch: bool
) -> None:
    rows = [prediction(1), prediction(2, "succeeded"), prediction(3, "starting", "")]

    def import_all(parts: Parts) -> None:
        if as_a_batch:
            parts.take(rows)
        else:
            for row in rows:
                parts.take_one(row)

    monkeypatch.setattr("tui.store.writer.MaskingConnection", MortalConnection)
    seen: set[int] = set()
    for write in range(1, 100):
        place = Home(home.root / str(write), home.root / "out")
        killed = killed_at(write, place, import_all)
        parts = Parts(place)  # the next engine
        seen.add(len(parts.all()))
        for job in parts.all():
            assert job.provider_status, f"killed at write {write}: a job without its state"
            assert "state" in parts.kinds(job.job_id)
        parts.take(rows)
        jobs = {job.prediction_id: job for job in parts.all()}
        assert sorted(jobs) == ["p1", "p2", "p3"]
        assert [len(parts.metrics(jobs[name].job_id)) for name in ("p1", "p2", "p3")] == [7, 8, 0]
        logs = {path.stem for path in place.logs.glob("*.log")}
        assert logs == {jobs["p1"].job_id, jobs["p2"].job_id}, "a log without a job"
        parts.writer.close()
        if not killed:
            break
    assert seen == ({0, 3} if as_a_batch else {0, 1, 2, 3})


class MortalConnection(MaskingConnection):
    """A connection that ends the process at one of its writes."""

    left: float = math.inf

    def _count(self, sql: str) -> None:
        if sql.startswith(("INSERT", "UPDATE", "DELETE", "COMMIT")):
            self.left -= 1
            if self.left <= 0:
                os._exit(KILLED)

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        self._count(sql)
        return super().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Any, /) -> sqlite3.Cursor:
        self._count(sql)
        return super().executemany(sql, parameters)


def killed_at(write: int, home: Home, work: Callable[[Parts], None]) -> bool:
    """Work in a process that ends right before one of its writes; returns whether it came to it."""
    child = os.fork()
    if not child:
        status = FAILED
        try:
            parts = Parts(home)
            database = parts.writer._db
            assert isinstance(database, MortalConnection)
            database.left = write
            work(parts)
            status = 0
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, KILLED)
    return status == KILLED


def test_a_batch_that_fails_leaves_nothing_and_says_nothing(parts: Parts) -> None:
    known = parts.take([prediction(1, "starting", "")])[0]
    ended: list[JobRecord] = []
    parts.recorder.on_end = ended.append

    def half() -> None:
        with parts.recorder.batch():
            parts.recorder.apply_snapshot(known.job_id, snapshot_of(prediction(1)), "sync")
            parts.take_one(prediction(2, "succeeded"))
            raise StoreError("The disk is full.", "")

    with parts.bus.subscribe() as queue:
        with pytest.raises(StoreError):
            half()
        assert queue.empty()
    assert parts.all() == [known]
    assert ended == []
    assert list(parts.home.logs.glob("*.log")) == [parts.home.log_file(known.job_id)]
    # The parser that had read the log is not ahead of the store.
    parts.recorder.apply_snapshot(known.job_id, snapshot_of(prediction(1)), "sync")
    assert len(parts.metrics(known.job_id)) == 7


@pytest.mark.parametrize("first", [True, False])
def test_a_swallowed_failure_does_not_make_a_batch_whole(parts: Parts, *, first: bool) -> None:
    """What was written before or after it must not be stored without it."""
    known = parts.take([prediction(1), prediction(2)])

    def half() -> None:
        with parts.writer.batch():
            if first:
                parts.writer.apply(known[0].job_id, Change(values={"stage": "half"}))
            with suppress(ValueError):
                parts.writer.apply(known[1].job_id, Change(values={"no such field": 1}))
            if not first:
                parts.writer.apply(known[0].job_id, Change(values={"stage": "half"}))

    with pytest.raises(StoreError, match="undone"):
        half()
    assert parts.writer.job(known[0].job_id).stage != "half"
    parts.writer.apply(known[0].job_id, Change(values={"stage": "whole"}))
    assert parts.writer.job(known[0].job_id).stage == "whole"


async def test_long_logs_make_small_batches() -> None:
    """The engine answers nobody while a batch is stored."""
    lengths = [*[LOG_CHARACTERS // 2] * 5, *[0] * (2 * BATCH)]

    async def rows() -> AsyncIterator[Prediction]:
        for number, length in enumerate(lengths):
            yield prediction(number, logs="x" * length)

    batches = [[int(row.id[1:]) for row in batch] async for batch in in_batches(rows())]
    assert [number for batch in batches for number in batch] == list(range(len(lengths)))
    assert [len(batch) for batch in batches] == [2, 2, BATCH, BATCH, 1]
