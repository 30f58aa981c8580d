"""The only writer of the store.

One engine owns it at a time, by a lock file beside the database. Every change of a job is one
transaction and gives the job the next revision number, so that a window can query the changes since
the revision that it knows.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from tui.base.job_status import DELIVERY_NOT_KNOWN_YET, JobStatus
from tui.settings import Home, SettingsError
from tui.store.annotations import (
    Annotation,
    merge_annotations,
    put_annotation,
    read_annotation,
)
from tui.store.columns import JOB_COLUMNS, encode, encoded_job, job_record
from tui.store.database_file import DatabaseFile, set_aside_foreign_journal
from tui.store.job_texts import JobTextTable
from tui.store.masking import MaskingConnection
from tui.store.moments import to_micros
from tui.store.records import FileRecord, JobRecord, StageRecord
from tui.store.schema import DuplicateError, StoreError, migrate
from tui.store.sweeps import SweepTables
from tui.store.transfers import TransferTables
from tui.store.unfetched_files import FetchTable

_DUPLICATE: Final = (sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
_INSERT_JOB: Final = (
    f"INSERT INTO jobs ({','.join(JOB_COLUMNS)}) VALUES ({','.join('?' * len(JOB_COLUMNS))})"  # noqa: S608  constants
)
MOST_IDS: Final = 500
"""Predictions that one query may name; SQLite allows 999 values in a statement."""
_OF_A_JOB: Final = ("metrics", "stages", "files", "fetches", "events", "transfers")
"""Tables whose rows belong to a job by `job_id`."""
_WITH_A_RECORD: Final = (
    "metrics", "stages", "files", "fetches", "events", "annotations", "sweep_members", "jobs",
)  # fmt: skip
"""Tables whose rows go with a job's record; transfers stay."""


class StoreBusyError(StoreError):
    """Another engine owns the store."""


@dataclass(frozen=True, slots=True)
class Change:
    """The changes of a transaction to a job.

    Attributes:
        values: fields of `JobRecord` to set.
        forget_log_facts: delete metrics and stages first, as the log is parsed anew.
        metrics: (name, step, value) points; an existing step keeps its value.
        stages: stages to insert or replace by number.
        files: files to insert or replace by path.
        events: (time, source, kind, message), appended to the history.
        annotation: what the user wrote about it, with its note; None leaves it as it is.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    forget_log_facts: bool = False
    metrics: Iterable[tuple[str, int, float]] = ()
    stages: Iterable[StageRecord] = ()
    files: Iterable[FileRecord] = ()
    events: Iterable[tuple[datetime, str, str, str]] = ()
    annotation: Annotation | None = None


class StoreWriter:
    """Owns the database file for writing. Use it from one thread.

    Attributes:
        transfers: the tables of destinations and transfers.
        fetches: the table of results that have to be fetched.
        sweeps: the tables of sweeps.
        job_texts: the table of JSON texts.
    """

    def __init__(self, home: Home) -> None:
        """Open, lock and migrate the store.

        Raises:
            StoreBusyError: another engine owns it.
            StoreError: it cannot be used.
        """
        try:
            home.create()
            self._lock = _take_lock(_lock_file(home), home.database)
        except SettingsError as error:
            raise StoreError(error.message, error.advice) from error
        except OSError as error:
            raise StoreError(
                f"The state folder {home.root} cannot be used: {error.strerror or error}.",
                "Check that it is a folder of yours and that its disk is neither full nor "
                "read-only, or set SIMPLETUNER_TUI_HOME to another one.",
            ) from error
        try:
            set_aside_foreign_journal(home.database)
            self._db, self._rev = _open(home.database)
        except BaseException:
            os.close(self._lock)
            raise
        self._file = DatabaseFile(home.database, self._db)
        self._in_batch = False
        access = (self._db.execute, self._transaction, self._query)
        self.transfers = TransferTables(*access)
        self.fetches = FetchTable(*access)
        self.sweeps = SweepTables(*access)
        self.job_texts = JobTextTable(*access)

    def close(self) -> None:
        """Write the journal into the database file and release the lock."""
        self._file.release()
        with suppress(sqlite3.Error):
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._db.close()
        self._file.close()
        os.close(self._lock)

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Make one transaction of all that is written inside; an error undoes all of it.

        Each transaction waits for the disk, which is most of the time of a small change. Nothing
        may be awaited inside, or changes of others would become part of it.

        Raises:
            StoreError: nothing of the batch is stored.
        """
        if self._in_batch:  # part of the larger one
            yield
            return
        with self._transaction():
            self._in_batch = True
            try:
                yield
            finally:
                self._in_batch = False

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            if self._in_batch:
                self._require_whole()
                yield
                return
            self._file.check()
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._require_whole()
            self._file.check()  # it may have been taken away meanwhile
            self._db.execute("COMMIT")
            self._file.written()
        except sqlite3.Error as error:
            self._rollback()
            if getattr(error, "sqlite_errorcode", None) in _DUPLICATE:
                raise DuplicateError(
                    f"The job database has this already: {error}.",
                    "Nothing was changed. Look at replicate.com/predictions for what runs.",
                ) from error
            raise StoreError(
                f"The job database cannot be written: {error}.",
                "Free some disk space, or check that the folder is writable; nothing recorded "
                "so far is lost.",
            ) from error
        except BaseException:
            self._rollback()  # in a batch: all of it, as a part must not become whole with it
            raise

    def _require_whole(self) -> None:
        """Refuse to go on with a batch of which an earlier part has failed.

        Raises:
            StoreError: the transaction has been undone.
        """
        if not self._db.in_transaction:
            raise StoreError(
                "A change of the job database was undone, as an earlier one of its batch failed.",
                "Nothing recorded before is lost; the engine tries it again.",
            )

    def _rollback(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    # -- jobs ---------------------------------------------------------------------------------

    def insert(
        self,
        record: JobRecord,
        change: Change | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> JobRecord:
        """Insert a job, with facts that must not exist without it; returns the stored record."""
        self.add(record, change or Change(), facts)
        return self.job(record.job_id)

    def add(
        self, record: JobRecord, change: Change, facts: Mapping[str, Any] | None = None
    ) -> JobRecord:
        """Insert a job as `insert`; returns the record as given, with the change and revision."""
        record = replace(record, **change.values, rev=self._rev + 1)
        with self._transaction():
            self._rev += 1
            self._db.execute(_INSERT_JOB, encoded_job(record))
            self._add_rows(record.job_id, change)
            for name, value in (facts or {}).items():
                self._put_fact(name, value)
        return record

    def apply(self, job_id: str, change: Change) -> None:
        """Apply a change to a job in one transaction.

        Raises:
            DuplicateError: another job has the prediction that `change` sets.
        """
        with self._transaction():
            self._apply(job_id, change)

    def _apply(self, job_id: str, change: Change) -> None:
        self._rev += 1
        values = {**change.values, "rev": self._rev}
        assignments = ", ".join(f"{name} = ?" for name in values)
        unknown = set(values) - set(JOB_COLUMNS)
        if unknown:
            raise ValueError(f"not fields of a job: {', '.join(sorted(unknown))}")
        self._db.execute(
            f"UPDATE jobs SET {assignments} WHERE job_id = ?",  # noqa: S608  names checked above
            (*(encode(name, value) for name, value in values.items()), job_id),
        )
        if change.forget_log_facts:
            self._db.execute("DELETE FROM metrics WHERE job_id = ?", (job_id,))
            self._db.execute("DELETE FROM stages WHERE job_id = ?", (job_id,))
        self._add_rows(job_id, change)

    def _add_rows(self, job_id: str, change: Change) -> None:
        if change.metrics:
            self._db.executemany(
                "INSERT OR IGNORE INTO metrics (job_id, name, step, value) VALUES (?, ?, ?, ?)",
                ((job_id, name, step, _finite(value)) for name, step, value in change.metrics),
            )
        if change.stages:
            self._db.executemany(
                "INSERT OR REPLACE INTO stages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    (
                        job_id, stage.seq, stage.key, stage.label, stage.state,
                        encode("at", stage.started_at), encode("at", stage.ended_at),
                        stage.detail, stage.percent,
                    )
                    for stage in change.stages
                ),
            )  # fmt: skip
        files = [
            (job_id, item.path, item.size, item.sha256, item.source, to_micros(item.received_at),
             item.missing)
            for item in change.files
        ]  # fmt: skip
        if files:
            self._db.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?)", files)
            self._count_files(job_id)
        self._db.executemany(
            "INSERT INTO events (job_id, at, source, kind, message) VALUES (?, ?, ?, ?, ?)",
            (
                (job_id, to_micros(at), source, kind, message)
                for at, source, kind, message in change.events
            ),
        )
        if change.annotation is not None:
            put_annotation(self._db.execute, job_id, change.annotation)

    def _count_files(self, job_id: str) -> None:
        self._db.execute(
            "UPDATE jobs SET (file_count, file_bytes) = (SELECT COUNT(*), "
            "COALESCE(SUM(size), 0) FROM files WHERE job_id = ?1 AND missing = '') "
            "WHERE job_id = ?1",
            (job_id,),
        )

    def claim(self, job: JobRecord, prediction_id: str, change: Change, other_id: str = "") -> None:
        """Assign a prediction to the job that started it, in one transaction.

        Args:
            job: the job.
            prediction_id: the prediction.
            change: further changes of the job.
            other_id: a second record of the same prediction. Its rows move to the job and it is
                deleted; where both have a row of the same key, the job's stays.

        A ledger line of the prediction is deleted, so that its cost does not count twice.

        Raises:
            DuplicateError: a job that is not `other_id` has the prediction.
        """
        with self._transaction():
            if other_id:
                for table in _OF_A_JOB:
                    self._db.execute(
                        f"UPDATE OR IGNORE {table} SET job_id = ? WHERE job_id = ?",  # noqa: S608
                        (job.job_id, other_id),
                    )
                    self._db.execute(
                        f"DELETE FROM {table} WHERE job_id = ?",  # noqa: S608  constants
                        (other_id,),
                    )
                merge_annotations(self._db.execute, self._query, job.job_id, other_id)
                self._db.execute("DELETE FROM jobs WHERE job_id = ?", (other_id,))
                self._count_files(job.job_id)
            for table in ("ledger", "deleted"):
                self._db.execute(
                    f"DELETE FROM {table} WHERE api_base = ? AND prediction_id = ?",  # noqa: S608
                    (job.api_base, prediction_id),
                )
            values = {**change.values, "prediction_id": prediction_id}
            self._apply(job.job_id, replace(change, values=values))

    def delete(self, job_id: str) -> None:
        """Delete a job's record.

        Its prediction is noted, so that a sync does not import it again, and its cost is kept.
        """
        with self._transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO ledger SELECT job_id, api_base, prediction_id, name, "
                "hardware, status, started_at, completed_at, cost_micros, rate_micros, created_at "
                "FROM jobs WHERE job_id = ? AND prediction_id <> ''",
                (job_id,),
            )
            self._db.execute(
                "INSERT OR IGNORE INTO deleted SELECT api_base, prediction_id FROM jobs "
                "WHERE job_id = ? AND prediction_id <> ''",
                (job_id,),
            )
            for table in _WITH_A_RECORD:
                self._db.execute(f"DELETE FROM {table} WHERE job_id = ?", (job_id,))  # noqa: S608

    # -- reading inside the engine ------------------------------------------------------------

    def job(self, job_id: str) -> JobRecord:
        """Return a record.

        Raises:
            KeyError: there is none.
        """
        rows = self._read(
            f"SELECT {', '.join(JOB_COLUMNS)} FROM jobs WHERE job_id = ?",  # noqa: S608  constants
            job_id,
        )
        if not rows:
            raise KeyError(job_id)
        return job_record(rows[0])

    def annotation(self, job_id: str) -> Annotation:
        """Return what the user wrote about a job, with its note."""
        return read_annotation(self._query, job_id)

    def at_risk(self, now: datetime) -> list[JobRecord]:
        """Return ended jobs whose results Replicate still has and that may not be fetched yet."""
        rows = self._read(
            f"SELECT {', '.join(JOB_COLUMNS)} FROM jobs "  # noqa: S608  constants
            "WHERE status NOT IN ('pending', 'uploading', 'queued', 'running') "
            "AND data_expires_at > ? ORDER BY data_expires_at",
            to_micros(now),
        )
        return [job_record(row) for row in rows]

    def unconfirmed(self) -> list[str]:
        """Return the ids of completed jobs of whose delivery nothing is known yet."""
        rows = self._read(
            "SELECT job_id FROM jobs WHERE status = 'completed' AND stage = ?",
            DELIVERY_NOT_KNOWN_YET,
        )
        return [str(row[0]) for row in rows]

    def ended_since(self, since: datetime) -> list[JobRecord]:
        """Return jobs that ended at or after a time, oldest first."""
        rows = self._read(
            f"SELECT {', '.join(JOB_COLUMNS)} FROM jobs "  # noqa: S608  constants
            "WHERE status NOT IN ('pending', 'uploading', 'queued', 'running') "
            "AND completed_at >= ? ORDER BY completed_at",
            to_micros(since),
        )
        return [job_record(row) for row in rows]

    def active(self) -> list[JobRecord]:
        """Return jobs that have not ended, oldest first."""
        rows = self._read(
            f"SELECT {', '.join(JOB_COLUMNS)} FROM jobs WHERE status IN "  # noqa: S608  constants
            "('pending', 'uploading', 'queued', 'running') ORDER BY created_at"
        )
        return [job_record(row) for row in rows]

    def unanswered(self, api_base: str) -> list[JobRecord]:
        """Return active jobs of an API base that have no prediction yet, oldest first."""
        rows = self._read(
            f"SELECT {', '.join(JOB_COLUMNS)} FROM jobs WHERE status IN "  # noqa: S608  constants
            "('pending', 'uploading', 'queued', 'running') AND prediction_id = '' "
            "AND api_base = ? ORDER BY created_at",
            api_base,
        )
        return [job_record(row) for row in rows]

    def by_prediction(self, api_base: str, prediction_id: str) -> JobRecord | None:
        """Return the job of a prediction, or None."""
        rows = self._read(
            f"SELECT {', '.join(JOB_COLUMNS)} FROM jobs "  # noqa: S608  constants
            # SQLite uses the index jobs_prediction only if its own condition is repeated.
            "WHERE api_base = ? AND prediction_id = ? AND prediction_id <> ''",
            api_base,
            prediction_id,
        )
        return job_record(rows[0]) if rows else None

    def known(
        self, api_base: str, prediction_ids: Sequence[str]
    ) -> dict[str, tuple[str, JobStatus, str]]:
        """Return those of some predictions that have a job: its id, status and provider's status.

        Args:
            api_base: address of the API.
            prediction_ids: at most `MOST_IDS`.
        """
        rows = self._read(
            "SELECT prediction_id, job_id, status, provider_status FROM jobs WHERE api_base = ? "  # noqa: S608
            f"AND prediction_id IN ({_marks(prediction_ids)}) AND prediction_id <> ''",
            api_base,
            *prediction_ids,
        )
        return {row[0]: (row[1], JobStatus(row[2]), row[3]) for row in rows}

    def deleted(self, api_base: str, prediction_ids: Sequence[str]) -> set[str]:
        """Return those of some predictions (at most `MOST_IDS`) whose jobs the user deleted."""
        rows = self._read(
            "SELECT prediction_id FROM deleted "  # noqa: S608  question marks
            f"WHERE api_base = ? AND prediction_id IN ({_marks(prediction_ids)})",
            api_base,
            *prediction_ids,
        )
        return {row[0] for row in rows}

    def was_deleted(self, api_base: str, prediction_id: str) -> bool:
        """Whether the user deleted the job of a prediction."""
        sql = "SELECT 1 FROM deleted WHERE api_base = ? AND prediction_id = ?"
        return bool(self._read(sql, api_base, prediction_id))

    # -- facts --------------------------------------------------------------------------------

    def set_fact(self, name: str, value: Any) -> None:
        """Store the current value of something outside the store."""
        with self._transaction():
            self._put_fact(name, value)

    def _put_fact(self, name: str, value: Any) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO facts VALUES (?, ?, ?)",
            (name, json.dumps(value, ensure_ascii=False), to_micros(datetime.now(UTC))),
        )

    def fact(self, name: str) -> Any:
        """Return the stored value of a fact, or None."""
        rows = self._read("SELECT value FROM facts WHERE name = ?", name)
        return json.loads(rows[0][0]) if rows else None

    def _query(self, sql: str, values: Sequence[Any]) -> list[Any]:
        return self._read(sql, *values)

    def _read(self, sql: str, *parameters: Any) -> list[Any]:
        try:
            return self._db.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise StoreError(
                f"The job database cannot be read: {error}.",
                "Is its disk still there? The engine goes on when it can be read again.",
            ) from error


def _open(path: Path) -> tuple[sqlite3.Connection, int]:
    """Open and migrate the database; returns it with its last revision."""
    try:
        database = sqlite3.connect(
            path, timeout=10.0, isolation_level=None, factory=MaskingConnection
        )
    except sqlite3.Error as error:
        raise _cannot_open(path, error) from error
    try:
        path.chmod(0o600)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        migrate(database, path)
        row = database.execute("SELECT COALESCE(MAX(rev), 0) FROM jobs").fetchone()
    except (sqlite3.Error, OSError) as error:
        database.close()
        raise _cannot_open(path, error) from error
    except StoreError:
        database.close()
        raise
    return database, int(row[0])


def _marks(values: Sequence[str]) -> str:
    return ",".join("?" * len(values))


def _cannot_open(path: Path, error: Exception) -> StoreError:
    return StoreError(
        f"The job database {path} cannot be opened: {error}.",
        "Is the disk full or read-only? If the file is damaged, stop the engine first, then move "
        "the file away: logs and delivered files are kept, and a sync brings the jobs back.",
    )


def _finite(value: float) -> float | None:
    """Replace NaN by NULL, as SQLite would; infinities are stored."""
    return None if math.isnan(value) else value


def check_free(home: Home) -> None:
    """Check, without opening the store, that no engine owns it.

    Raises:
        StoreBusyError: one owns it.
    """
    path = _lock_file(home)
    if path.exists():
        with suppress(OSError):
            os.close(_take_lock(path, home.database))


def _lock_file(home: Home) -> Path:
    return home.root / "engine.lock"


def _take_lock(path: Path, database: Path) -> int:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise StoreBusyError(
            f"Another engine is using {database}.",
            "Attach to it with simpletuner-tui, or stop it first.",
        ) from error
    except OSError:
        os.close(handle)
        raise
    return handle
