"""The tables of the store and the migrations between versions.

`PRAGMA user_version` is the version. Each entry of `MIGRATIONS` raises it by one; an entry is never
edited after its release.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path


class StoreError(Exception):
    """The store cannot be used.

    Attributes:
        message: what is wrong.
        advice: what the user can do.
    """

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice


class DuplicateError(Exception):
    """A row that must be unique is in the store already.

    Not a `StoreError`, which callers retry: writing the same row again would fail again.

    Attributes:
        message: what is wrong.
        advice: what to do about it.
    """

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice


MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE jobs (
        job_id TEXT PRIMARY KEY,
        api_base TEXT NOT NULL,
        prediction_id TEXT NOT NULL DEFAULT '',
        name TEXT NOT NULL,
        config_name TEXT NOT NULL DEFAULT '',
        config_path TEXT NOT NULL DEFAULT '',
        model TEXT NOT NULL DEFAULT '',
        version TEXT NOT NULL DEFAULT '',
        model_family TEXT NOT NULL DEFAULT '',
        model_flavour TEXT NOT NULL DEFAULT '',
        model_type TEXT NOT NULL DEFAULT '',
        lora_type TEXT NOT NULL DEFAULT '',
        hardware TEXT NOT NULL DEFAULT '',
        rate_micros INTEGER NOT NULL DEFAULT 0,
        delivery TEXT NOT NULL DEFAULT '',
        status TEXT NOT NULL,
        provider_status TEXT NOT NULL DEFAULT '',
        stage TEXT NOT NULL DEFAULT '',
        step INTEGER,
        total_steps INTEGER,
        epoch INTEGER,
        epochs INTEGER,
        percent REAL,
        seconds_per_step REAL,
        eta_at INTEGER,
        loss REAL,
        learning_rate REAL,
        cost_micros INTEGER,
        estimate_micros INTEGER,
        created_at INTEGER NOT NULL,
        queued_at INTEGER,
        started_at INTEGER,
        completed_at INTEGER,
        predict_seconds REAL,
        error TEXT NOT NULL DEFAULT '',
        diagnosis TEXT NOT NULL DEFAULT '{}',
        output TEXT NOT NULL DEFAULT 'null',
        output_url TEXT NOT NULL DEFAULT '',
        web_url TEXT NOT NULL DEFAULT '',
        data_removed INTEGER NOT NULL DEFAULT 0,
        data_expires_at INTEGER,
        cancel_requested INTEGER NOT NULL DEFAULT 0,
        log_bytes INTEGER NOT NULL DEFAULT 0,
        log_replaced INTEGER NOT NULL DEFAULT 0,
        file_count INTEGER NOT NULL DEFAULT 0,
        file_bytes INTEGER NOT NULL DEFAULT 0,
        submit TEXT NOT NULL DEFAULT '{}',
        inputs TEXT NOT NULL DEFAULT '{}',
        config TEXT NOT NULL DEFAULT '{}',
        dataloader TEXT NOT NULL DEFAULT '[]',
        parser TEXT NOT NULL DEFAULT '{}',
        rev INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID;
    CREATE INDEX jobs_created ON jobs (created_at);
    CREATE INDEX jobs_status ON jobs (status, created_at);
    CREATE INDEX jobs_rev ON jobs (rev);
    CREATE UNIQUE INDEX jobs_prediction ON jobs (api_base, prediction_id) WHERE prediction_id <> '';

    CREATE TABLE metrics (
        job_id TEXT NOT NULL,
        name TEXT NOT NULL,
        step INTEGER NOT NULL,
        value REAL,
        PRIMARY KEY (job_id, name, step)
    ) WITHOUT ROWID;

    CREATE TABLE stages (
        job_id TEXT NOT NULL,
        seq INTEGER NOT NULL,
        key TEXT NOT NULL,
        label TEXT NOT NULL,
        state TEXT NOT NULL,
        started_at INTEGER,
        ended_at INTEGER,
        detail TEXT NOT NULL DEFAULT '',
        percent REAL,
        PRIMARY KEY (job_id, seq)
    ) WITHOUT ROWID;

    CREATE TABLE files (
        job_id TEXT NOT NULL,
        path TEXT NOT NULL,
        size INTEGER NOT NULL,
        sha256 TEXT NOT NULL,
        source TEXT NOT NULL,
        received_at INTEGER NOT NULL,
        missing TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (job_id, path)
    ) WITHOUT ROWID;

    CREATE TABLE events (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        job_id TEXT NOT NULL,
        at INTEGER NOT NULL,
        source TEXT NOT NULL,
        kind TEXT NOT NULL,
        message TEXT NOT NULL
    );
    CREATE INDEX events_job ON events (job_id, seq);

    CREATE TABLE facts (
        name TEXT PRIMARY KEY,
        value TEXT NOT NULL,
        at INTEGER NOT NULL
    ) WITHOUT ROWID;

    CREATE TABLE deleted (
        api_base TEXT NOT NULL,
        prediction_id TEXT NOT NULL,
        PRIMARY KEY (api_base, prediction_id)
    ) WITHOUT ROWID;
    """,
    # Spending is read at every change of a job: an index spares reading every job's whole record.
    "CREATE INDEX jobs_ended ON jobs (completed_at, cost_micros);",
    # The cost of a deleted job stays in sums: its line moves to the ledger. The index holds all
    # columns that a sum over ended jobs needs, so that SQLite reads no records for it.
    """
    CREATE TABLE ledger (
        job_id TEXT PRIMARY KEY,
        api_base TEXT NOT NULL,
        prediction_id TEXT NOT NULL,
        name TEXT NOT NULL,
        hardware TEXT NOT NULL,
        status TEXT NOT NULL,
        started_at INTEGER,
        completed_at INTEGER,
        cost_micros INTEGER,
        rate_micros INTEGER NOT NULL,
        created_at INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX ledger_ended ON ledger (completed_at);
    DROP INDEX jobs_ended;
    CREATE INDEX jobs_billing ON jobs
        (completed_at, api_base, status, started_at, cost_micros, rate_micros, created_at);
    """,
    # Publishing: destinations without their keys, transfers, and the transfers' files.
    """
    CREATE TABLE destinations (
        name TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        options TEXT NOT NULL,
        created_at INTEGER NOT NULL
    ) WITHOUT ROWID;

    CREATE TABLE transfers (
        transfer_id TEXT PRIMARY KEY,
        job_id TEXT NOT NULL,
        api_base TEXT NOT NULL,
        target TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        place TEXT NOT NULL,
        options TEXT NOT NULL,
        state TEXT NOT NULL,
        done_bytes INTEGER NOT NULL,
        total_bytes INTEGER NOT NULL,
        message TEXT NOT NULL,
        advice TEXT NOT NULL,
        kind TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        retry_at INTEGER,
        link TEXT NOT NULL,
        notes TEXT NOT NULL,
        started_at INTEGER,
        ended_at INTEGER
    ) WITHOUT ROWID;
    CREATE INDEX transfers_job ON transfers (job_id);

    CREATE TABLE transfer_items (
        transfer_id TEXT NOT NULL,
        seq INTEGER NOT NULL,
        name TEXT NOT NULL,
        source TEXT NOT NULL,
        size INTEGER NOT NULL,
        sha256 TEXT NOT NULL,
        plan TEXT NOT NULL,
        resume TEXT NOT NULL,
        state TEXT NOT NULL,
        link TEXT NOT NULL,
        proof TEXT NOT NULL,
        PRIMARY KEY (transfer_id, seq)
    ) WITHOUT ROWID;
    """,
    # The order of the queue, and results that are fetched from elsewhere.
    """
    ALTER TABLE transfers ADD COLUMN position INTEGER NOT NULL DEFAULT 0;

    CREATE TABLE fetches (
        job_id TEXT NOT NULL,
        name TEXT NOT NULL,
        origin TEXT NOT NULL,
        size INTEGER,
        done_bytes INTEGER NOT NULL,
        state TEXT NOT NULL,
        message TEXT NOT NULL,
        advice TEXT NOT NULL,
        until INTEGER,
        notes TEXT NOT NULL,
        PRIMARY KEY (job_id, name)
    ) WITHOUT ROWID;
    """,
    # What the points of a run say, kept with the row: the list sorts by it and reads no series.
    """
    ALTER TABLE jobs ADD COLUMN loss_smoothed REAL;
    ALTER TABLE jobs ADD COLUMN loss_best REAL;
    ALTER TABLE jobs ADD COLUMN best_step INTEGER;
    ALTER TABLE jobs ADD COLUMN warnings TEXT NOT NULL DEFAULT '[]';
    """,
    # What users write about jobs. A table of its own with the note last, so that a note of a
    # megabyte costs the list nothing; it is NULL where there is none, which is seen unread.
    """
    CREATE TABLE annotations (
        job_id TEXT PRIMARY KEY,
        pinned INTEGER NOT NULL DEFAULT 0,
        tags TEXT NOT NULL DEFAULT '[]',
        note TEXT
    );
    CREATE INDEX annotations_pinned ON annotations (job_id) WHERE pinned;
    """,
    # Sweeps: groups of jobs, and whose turn has come.
    """
    CREATE TABLE sweeps (
        name TEXT PRIMARY KEY,
        api_base TEXT NOT NULL,
        state TEXT NOT NULL,
        reason TEXT NOT NULL,
        advice TEXT NOT NULL,
        at_once INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        resumed_at INTEGER NOT NULL
    ) WITHOUT ROWID;

    CREATE TABLE sweep_members (
        job_id TEXT PRIMARY KEY,
        sweep TEXT NOT NULL,
        position INTEGER NOT NULL,
        released_at INTEGER,
        changes TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX sweep_members_order ON sweep_members (sweep, position);
    CREATE INDEX sweep_members_waiting ON sweep_members (sweep) WHERE released_at IS NULL;
    """,
    # The JSON text of jobs that have ended, which lists read by the thousand. Whatever it is made
    # from deletes it when it changes, whoever changes it: no text can be out of date. A new job has
    # none; a trigger that looked for it would make each insert a quarter slower.
    """
    CREATE TABLE job_texts (
        job_id TEXT PRIMARY KEY,
        form INTEGER NOT NULL,
        text TEXT NOT NULL
    );
    CREATE TRIGGER job_texts_jobs_update AFTER UPDATE ON jobs BEGIN
        DELETE FROM job_texts WHERE job_id IN (OLD.job_id, NEW.job_id);
    END;
    CREATE TRIGGER job_texts_jobs_delete AFTER DELETE ON jobs BEGIN
        DELETE FROM job_texts WHERE job_id = OLD.job_id;
    END;
    CREATE TRIGGER job_texts_files_insert AFTER INSERT ON files BEGIN
        DELETE FROM job_texts WHERE job_id = NEW.job_id;
    END;
    CREATE TRIGGER job_texts_files_update AFTER UPDATE ON files BEGIN
        DELETE FROM job_texts WHERE job_id IN (OLD.job_id, NEW.job_id);
    END;
    CREATE TRIGGER job_texts_files_delete AFTER DELETE ON files BEGIN
        DELETE FROM job_texts WHERE job_id = OLD.job_id;
    END;
    CREATE TRIGGER job_texts_annotations_insert AFTER INSERT ON annotations BEGIN
        DELETE FROM job_texts WHERE job_id = NEW.job_id;
    END;
    CREATE TRIGGER job_texts_annotations_update AFTER UPDATE ON annotations BEGIN
        DELETE FROM job_texts WHERE job_id IN (OLD.job_id, NEW.job_id);
    END;
    CREATE TRIGGER job_texts_annotations_delete AFTER DELETE ON annotations BEGIN
        DELETE FROM job_texts WHERE job_id = OLD.job_id;
    END;
    """,
)


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Migrate the schema to the newest version, one transaction for each step.

    Raises:
        StoreError: the file was written by a newer program.
    """
    version = schema_version(connection)
    if version > len(MIGRATIONS):
        raise newer_error(path, version)
    for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
        connection.executescript(
            f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;"
        )


def schema_version(connection: sqlite3.Connection) -> int:
    """Return the schema version of a database; 0 for a new one."""
    row = connection.execute("PRAGMA user_version").fetchone()
    return int(row[0])


def newer_error(path: Path, version: int) -> StoreError:
    """Return the error for a database of a newer program."""
    return StoreError(
        f"{path} was written by a newer simpletuner-tui "
        f"(format {version}; this one knows {len(MIGRATIONS)}).",
        "Upgrade simpletuner-tui, or set SIMPLETUNER_TUI_HOME to another folder.",
    )


def earlier_error(path: Path) -> StoreError:
    """Return the error for a database of an earlier program that no engine has migrated yet."""
    return StoreError(
        f"{path} was written by an earlier simpletuner-tui. Its jobs are all there.",
        "The engine brings it up to date when it starts: open the app, or run "
        "`simpletuner-tui engine restart`.",
    )
