"""Read-only access to the store, for windows and the command line.

Readers never wait for the writer (WAL) and never write. A store that does not exist yet reads as
an empty one.
"""

from __future__ import annotations

import json
import os
import sqlite3
from array import array
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from tui.base.hosts import is_loopback
from tui.base.job_status import ACTIVE, JobStatus
from tui.base.natural_order import natural_order
from tui.base.similar import did_you_mean
from tui.store.annotations import (
    Annotation,
    read_annotation,
    read_annotations,
    read_pinned,
    read_tags_in_use,
)
from tui.store.billed import Billed
from tui.store.billing import read_billed, read_counted, read_lost
from tui.store.columns import (
    JOB_COLUMNS,
    ROW_COLUMNS,
    event_record,
    file_record,
    further_sql,
    job_record,
    job_row,
    stage_record,
)
from tui.store.filter import JobFilter
from tui.store.lost_contact import FACT, SIGNS_OF_LIFE, Contacts, read_unheard
from tui.store.moments import from_micros
from tui.store.past_runs import PastRun, read_past_runs
from tui.store.records import EventRecord, Fact, FileRecord, JobRecord, JobRow, StageRecord
from tui.store.schema import MIGRATIONS, StoreError, earlier_error, newer_error, schema_version
from tui.store.sweeps import MemberRecord, SweepRecord, read_members, read_sweeps
from tui.store.transfer_records import (
    DestinationRecord,
    FetchRecord,
    PublishedFile,
    TransferItem,
    TransferRecord,
)
from tui.store.transfers import (
    read_destinations,
    read_disk_use,
    read_items,
    read_published,
    read_transfers,
)
from tui.store.unfetched_files import read_fetches

SORT_COLUMNS: Final = {
    "created": "created_at",
    "name": "name COLLATE NOCASE",
    "model": "model_family || model_flavour",
    "state": "status",
    "progress": "COALESCE(percent, -1)",
    "step": "COALESCE(step, -1)",
    "hw": "hardware",
    "loss": "COALESCE(loss_smoothed, loss, 1e300)",
    "best": "COALESCE(loss_best, 1e300)",
    "eta": "COALESCE(eta_at, 9e18)",
    "cost": "COALESCE(cost_micros, estimate_micros, -1)",
}
"""The sort keys of the Jobs list, with their SQL expressions."""


_NAMES_COMPARED: Final = 1000
"""Names of the newest jobs among which a mistyped one is looked for."""
_INDEX_BYTES: Final = 32 * 1024


class UnknownJobError(Exception):
    """No job, or more than one, matches an id.

    Attributes:
        message: the id and the matches.
        advice: what the user can do.
    """

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice


class StoreReader:
    """Queries over a store file. Use it from one thread at a time."""

    def __init__(self, database: Path) -> None:
        self._path = database
        self._connection: sqlite3.Connection | None = None

    def close(self) -> None:
        """Close the database."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> sqlite3.Connection | None:
        if self._connection is not None:
            return self._connection
        if not _is_there(self._path):
            return None
        try:
            connection = sqlite3.connect(
                f"{self._path.as_uri()}?mode=ro", uri=True, timeout=2.0, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise _unreadable(self._path, error) from error
        try:
            version = schema_version(connection)
        except sqlite3.Error as error:
            connection.close()
            connection, version = self._open_unchanging(error)
        if version > len(MIGRATIONS):
            connection.close()
            raise newer_error(self._path, version)
        if version < len(MIGRATIONS):
            connection.close()
            if not version:  # an engine has begun it in this moment
                return None
            raise earlier_error(self._path)
        self._connection = connection
        return connection

    def _open_unchanging(self, reason: sqlite3.Error) -> tuple[sqlite3.Connection, int]:
        """Open a store where SQLite cannot create its WAL index: read-only folder, full disk.

        Only without a journal: `immutable` ignores one, so its transactions would be missing.
        """
        journal = self._path.with_name(f"{self._path.name}-wal")
        writable = os.access(self._path.parent, os.W_OK, effective_ids=True)
        if (writable and not _is_full(self._path.parent)) or (
            journal.exists() and journal.stat().st_size > 0
        ):
            raise _unreadable(self._path, reason) from reason
        uri = f"{self._path.as_uri()}?mode=ro&immutable=1"
        connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
        try:
            return connection, schema_version(connection)
        except sqlite3.Error as error:
            connection.close()
            raise _unreadable(self._path, error) from error

    def _all(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        connection = self._open()
        if connection is None:
            return []
        try:
            return connection.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            self.close()
            raise _unreadable(self._path, error) from error

    # -- jobs ---------------------------------------------------------------------------------

    def max_rev(self) -> int:
        """Return the revision of the newest change to any job."""
        rows = self._all("SELECT MAX(rev) FROM jobs")
        return int(rows[0][0] or 0) if rows else 0

    def counts(self) -> dict[JobStatus, int]:
        """Return the number of jobs in each state."""
        rows = self._all("SELECT status, COUNT(*) FROM jobs GROUP BY status")
        return {JobStatus(status): count for status, count in rows}

    def job_ids(
        self, sort: str = "created", descending: bool = True, where: JobFilter | None = None
    ) -> list[str]:
        """Return job ids in list order.

        Args:
            sort: a key of `SORT_COLUMNS`.
            descending: largest or newest first.
            where: a parsed filter.
        """
        condition = where or JobFilter()
        direction = "DESC" if descending else "ASC"
        rows = self._all(
            f"SELECT job_id FROM jobs WHERE {condition.where} "  # noqa: S608  built from constants
            f"ORDER BY {SORT_COLUMNS[sort]} {direction}, created_at DESC, job_id",
            condition.parameters,
        )
        return [row[0] for row in rows]

    def rows(self, job_ids: Sequence[str], *further: str) -> dict[str, JobRow]:
        """Return list lines by id, for the ids that exist; in batches, as SQLite limits values.

        Args:
            job_ids: the jobs.
            further: those of `FURTHER` that are shown.
        """
        rows_by_id: dict[str, JobRow] = {}
        columns = ", ".join((*ROW_COLUMNS, *further_sql(further)))
        for start in range(0, len(job_ids), 500):
            part = list(job_ids[start : start + 500])
            marks = ",".join("?" * len(part))
            sql = f"SELECT {columns} FROM jobs WHERE job_id IN ({marks})"  # noqa: S608  constants
            for row in self._all(sql, part):
                rows_by_id[row[0]] = job_row(row, is_loopback(row[23]))
        return rows_by_id

    def changed_since(self, rev: int, *further: str) -> list[JobRow]:
        """Return list lines of the jobs that changed after revision `rev`, as `rows` does."""
        columns = ", ".join((*ROW_COLUMNS, *further_sql(further)))
        sql = f"SELECT {columns} FROM jobs WHERE rev > ? ORDER BY rev"  # noqa: S608  constants
        return [job_row(row, is_loopback(row[23])) for row in self._all(sql, (rev,))]

    def records(
        self, where: JobFilter | None = None, limit: int = -1, offset: int = 0
    ) -> list[JobRecord]:
        """Return whole records, newest first."""
        condition = where or JobFilter()
        rows = self._all(
            f"SELECT {', '.join(JOB_COLUMNS)} FROM jobs WHERE {condition.where} "  # noqa: S608
            "ORDER BY created_at DESC, job_id LIMIT ? OFFSET ?",
            (*condition.parameters, limit, offset),
        )
        return [job_record(row) for row in rows]

    def count(self, where: JobFilter) -> int:
        """Return how many jobs match a filter."""
        sql = f"SELECT COUNT(*) FROM jobs WHERE {where.where}"  # noqa: S608  built from constants
        rows = self._all(sql, where.parameters)
        return int(rows[0][0]) if rows else 0

    def job(self, job_id: str) -> JobRecord | None:
        """Return a record by its exact id."""
        columns = ", ".join(JOB_COLUMNS)
        rows = self._all(f"SELECT {columns} FROM jobs WHERE job_id = ?", (job_id,))  # noqa: S608
        return job_record(rows[0]) if rows else None

    def find(self, text: str) -> JobRecord:
        """Return the job of an id, a prediction id, the start of either, or a name.

        A name is whole, and counts where one job has it. A text that means several jobs means
        none: the wrong one could be cancelled or deleted.

        Raises:
            UnknownJobError: none or several match.
        """
        columns = ", ".join(JOB_COLUMNS)
        pattern = text.strip().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        rows = self._all(
            f"SELECT {columns} FROM jobs WHERE job_id = ?1 OR prediction_id = ?1 "  # noqa: S608
            "OR job_id LIKE ?2 ESCAPE '\\' OR prediction_id LIKE ?2 ESCAPE '\\' OR name = ?1 "
            "ORDER BY created_at DESC LIMIT 20",
            (text.strip(), pattern),
        )
        matches = [job_record(row) for row in rows] if text.strip() else []
        exact = [job for job in matches if text.strip() in (job.job_id, job.prediction_id)]
        if len(exact) == 1 or len(matches) == 1:
            return (exact or matches)[0]
        if not matches:
            near = did_you_mean(text.strip(), self._newest_names())
            advice = "List the jobs with: simpletuner-tui jobs"
            raise UnknownJobError(f"There is no job “{text}”.", f"{near} {advice}".lstrip())
        names = ", ".join(f"{job.job_id} ({job.name})" for job in matches[:5])
        more = "" if len(matches) <= 5 else " or more"
        raise UnknownJobError(
            f"“{text}” could be any of {names}{more}.", "Type the id, or more of it."
        )

    def _newest_names(self) -> list[str]:
        rows = self._all(
            "SELECT name FROM jobs ORDER BY created_at DESC LIMIT ?", (_NAMES_COMPARED,)
        )
        return [row[0] for row in rows]

    def names(self, beginning: str) -> set[str]:
        """Return names of jobs that start with a text."""
        pattern = beginning.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        rows = self._all("SELECT DISTINCT name FROM jobs WHERE name LIKE ? ESCAPE '\\'", (pattern,))
        return {row[0] for row in rows}

    # -- what belongs to a job ----------------------------------------------------------------

    def metric_names(self, job_id: str) -> list[str]:
        """Return the names of a job's series, `loss` and `lr` first."""
        rows = self._all("SELECT DISTINCT name FROM metrics WHERE job_id = ?", (job_id,))
        names = [row[0] for row in rows]
        return sorted(names, key=lambda name: (name != "loss", name != "lr", name))

    def metric_distances(self, job_id: str) -> dict[str, float]:
        """Return how many steps lie between two points of each series; 0 of one with one point."""
        rows = self._all(
            "SELECT name, MAX(step) - MIN(step), COUNT(*) - 1 FROM metrics WHERE job_id = ? "
            "GROUP BY name",
            (job_id,),
        )
        return {name: steps / others if others else 0.0 for name, steps, others in rows}

    def metrics(
        self, job_id: str, name: str, after_step: int = -1
    ) -> tuple[array[int], array[float]]:
        """Return a series as steps and values, in step order; values may be NaN or infinite."""
        rows = self._all(
            "SELECT step, value FROM metrics WHERE job_id = ? AND name = ? AND step > ? "
            "ORDER BY step",
            (job_id, name, after_step),
        )
        steps, values = array("q"), array("d")
        for step, value in rows:
            steps.append(step)
            values.append(float("nan") if value is None else value)
        return steps, values

    def stages(self, job_id: str) -> list[StageRecord]:
        """Return the stages of a job, in order."""
        rows = self._all(
            "SELECT seq, key, label, state, started_at, ended_at, detail, percent "
            "FROM stages WHERE job_id = ? ORDER BY seq",
            (job_id,),
        )
        return [stage_record(row) for row in rows]

    def files(self, job_id: str) -> list[FileRecord]:
        """Return the files of a job, by path, `checkpoint-50` before `checkpoint-200`."""
        rows = self._all(
            "SELECT path, size, sha256, source, received_at, missing FROM files WHERE job_id = ?",
            (job_id,),
        )
        return sorted(map(file_record, rows), key=lambda file: natural_order(file.path))

    def all_files(self) -> dict[str, list[FileRecord]]:
        """Return the files of all jobs by job id, each list by path."""
        rows = self._all(
            "SELECT job_id, path, size, sha256, source, received_at, missing "
            "FROM files ORDER BY job_id, path"
        )
        files_by_job: dict[str, list[FileRecord]] = {}
        for row in rows:
            files_by_job.setdefault(row[0], []).append(file_record(row[1:]))
        return files_by_job

    def events(self, job_id: str, after_seq: int = 0) -> list[EventRecord]:
        """Return the events of a job after number `after_seq`, oldest first."""
        rows = self._all(
            "SELECT seq, at, source, kind, message FROM events "
            "WHERE job_id = ? AND seq > ? ORDER BY seq",
            (job_id, after_seq),
        )
        return [event_record(row) for row in rows]

    def annotation(self, job_id: str) -> Annotation:
        """Return what the user wrote about a job, with its note."""
        return read_annotation(self._all, job_id)

    def annotations(self, job_ids: Sequence[str] | None = None) -> dict[str, Annotation]:
        """Return what the user wrote about jobs, without the notes; None for all jobs."""
        return read_annotations(self._all, job_ids)

    def pinned(self) -> frozenset[str]:
        """Return the ids of pinned jobs."""
        return read_pinned(self._all)

    def tags_in_use(self) -> list[str]:
        """Return the tags of all jobs, those of most jobs first."""
        return read_tags_in_use(self._all)

    # -- facts and costs ----------------------------------------------------------------------

    def fact(self, name: str) -> Fact | None:
        """Return the last known value of something outside the store, such as `account`."""
        rows = self._all("SELECT value, at FROM facts WHERE name = ?", (name,))
        return Fact(json.loads(rows[0][0]), from_micros(rows[0][1])) if rows else None

    def contacts(self) -> Contacts:
        """Return which jobs are not heard of."""
        names = (FACT, *SIGNS_OF_LIFE)
        marks = ",".join("?" * len(names))
        sql = f"SELECT name, value, at FROM facts WHERE name IN ({marks})"  # noqa: S608  constants
        rows = {row[0]: row for row in self._all(sql, names)}
        unheard = json.loads(rows.pop(FACT)[1]) if FACT in rows else None
        last = max((row[2] for row in rows.values()), default=None)
        return Contacts(read_unheard(unheard), None if last is None else from_micros(last))

    def newest_active(self) -> datetime | None:
        """Return when the newest active job was made; None while there is none."""
        marks = ",".join("?" * len(ACTIVE))
        rows = self._all(
            f"SELECT MAX(created_at) FROM jobs WHERE completed_at IS NULL AND status IN ({marks})",  # noqa: S608  constants
            tuple(ACTIVE),
        )
        newest = rows[0][0] if rows else None  # no row where there is no database yet
        return None if newest is None else from_micros(newest)

    def queue_waits(self, api_base: str, most: int = 200) -> list[float]:
        """Return the seconds that the latest jobs of an API waited in the queue."""
        rows = self._all(
            "SELECT (started_at - queued_at) / 1e6 FROM jobs WHERE api_base = ? "
            "AND queued_at IS NOT NULL AND started_at >= queued_at "
            "ORDER BY created_at DESC LIMIT ?",
            (api_base, most),
        )
        return [float(row[0]) for row in rows]

    def billed(
        self,
        since: datetime,
        *,
        sandbox: bool,
        borders: Sequence[datetime] = (),
        contacts: Contacts | None = None,
    ) -> list[Billed]:
        """Return jobs that count for a sum of costs from `since` on, deleted ones included.

        Args:
            since: jobs that ended before are left out; active ones never are.
            sandbox: jobs of servers on this machine (simulated money) or all others (real money).
            borders: moments from which the caller sums; jobs between two are merged into one row.
            contacts: which active jobs are not heard of; None for none.
        """
        return read_billed(
            self._all, since, lambda base: is_loopback(base) is sandbox, borders, contacts
        )

    def counted(
        self,
        since: datetime,
        borders: Sequence[datetime],
        *,
        sandbox: bool,
        contacts: Contacts | None = None,
    ) -> list[Billed]:
        """Return the same in few rows, of which jobs can be counted too; see `billed`."""
        return read_counted(
            self._all, since, lambda base: is_loopback(base) is sandbox, borders, contacts
        )

    def lost(self, since: datetime, *, sandbox: bool) -> tuple[int, int]:
        """Return the number of jobs lost since a moment, and their highest cost (micro-dollars)."""
        return read_lost(self._all, since, lambda base: is_loopback(base) is sandbox)

    # -- publishing ---------------------------------------------------------------------------

    def job_with_file(self, key: str) -> str | None:
        """Return the id of the newest job that has a file below its folder, by the file's key."""
        rows = self._all(
            "SELECT job_id FROM files WHERE substr(path, instr(path, '/') + 1) = ? "
            "AND missing = '' ORDER BY received_at DESC LIMIT 1",
            (key,),
        )
        return rows[0][0] if rows else None

    def past_runs(self, *, sandbox: bool) -> list[PastRun]:
        """Return the newest jobs that started, the newest first; see `store.past_runs`."""
        return read_past_runs(self._all, sandbox=sandbox)

    def destinations(self) -> list[DestinationRecord]:
        """Return all destinations, by name."""
        return read_destinations(self._all)

    def transfers(self, transfer_id: str | None = None) -> list[TransferRecord]:
        """Return transfers in queue order; with an id, only that one."""
        return read_transfers(self._all, transfer_id)

    def transfer_items(self, transfer_id: str) -> list[TransferItem]:
        """Return a transfer's files in order."""
        return read_items(self._all, transfer_id)

    def sweeps(self) -> list[SweepRecord]:
        """Return all sweeps, the newest first."""
        return read_sweeps(self._all)

    def sweep_members(self, name: str | None = None) -> list[MemberRecord]:
        """Return the members of a sweep, or of all sweeps, in their order."""
        return read_members(self._all, name)

    def fetches(self, job_id: str) -> list[FetchRecord]:
        """Return a job's files that are not here, by name."""
        return read_fetches(self._all, job_id)

    def published(self, job_id: str) -> list[PublishedFile]:
        """Return where a job's files were published, oldest first."""
        return read_published(self._all, job_id)

    def disk_use(self) -> tuple[int, int]:
        """Return the bytes of all results that are here, and of those elsewhere as well."""
        return read_disk_use(self._all)

    def sent_unseen(self, job_id: str) -> list[PublishedFile]:
        """Return where a job's files were sent and nobody may look, oldest first."""
        return read_published(self._all, job_id, "unverified", "unverified")


def _is_there(path: Path) -> bool:
    """Whether there is a store; one that nobody can have is none.

    Raises:
        StoreError: the folder that it would be in cannot be used.
    """
    try:
        path.stat()
    except FileNotFoundError:
        return False
    except NotADirectoryError as error:
        raise StoreError(
            f"The state folder {path.parent} cannot be used: it, or a part of its path, is a file.",
            "Move the file away, or set SIMPLETUNER_TUI_HOME to a folder of yours.",
        ) from error
    except OSError as error:
        raise StoreError(
            f"The state folder {path.parent} cannot be used: {error.strerror or error}.",
            "Correct its permissions, or set SIMPLETUNER_TUI_HOME to a folder of yours.",
        ) from error
    return True


def _is_full(folder: Path) -> bool:
    """Whether a folder's disk has no room for the index that SQLite needs to read (32 KiB)."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize < _INDEX_BYTES or found.f_favail == 0 < found.f_files


def _unreadable(path: Path, error: sqlite3.Error) -> StoreError:
    if _is_full(path.parent):
        return StoreError(
            f"The job database {path} cannot be read: its disk is full.",
            "Free some disk space; nothing recorded so far is lost.",
        )
    return StoreError(
        f"The job database {path} cannot be read: {error}.",
        "Close other programs that use it; if it stays so, stop the engine first, then move the "
        "file away and run again "
        "(logs and delivered files are kept, jobs come back with a sync).",
    )
