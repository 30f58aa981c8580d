"""Converts between records and rows, and the base class of tables.

Times are stored as integer microseconds since 1970, structured fields as JSON text.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import fields
from datetime import datetime
from operator import attrgetter
from typing import Any, Final

from tui.base.job_status import LOST, JobStatus
from tui.store.annotations import IN_ROWS, read_in_row
from tui.store.config_filter import number_of
from tui.store.moments import from_micros, to_micros
from tui.store.records import EventRecord, FileRecord, JobRecord, JobRow, StageRecord

TIME_COLUMNS: Final = frozenset(
    {
        "eta_at", "created_at", "queued_at", "started_at", "completed_at", "data_expires_at",
        "received_at", "ended_at", "at",
    }
)  # fmt: skip
JSON_COLUMNS: Final = frozenset(
    {"diagnosis", "output", "submit", "inputs", "config", "dataloader", "parser", "warnings"}
)
BOOL_COLUMNS: Final = frozenset({"data_removed", "cancel_requested", "log_replaced"})

_TO_JSON: Final = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), default=str
).encode  # `json.dumps` would make an encoder for each value

_EMPTY: Final = {dict: "{}", list: "[]", type(None): "null"}

JOB_COLUMNS: Final = tuple(item.name for item in fields(JobRecord))
_FIELDS: Final = attrgetter(*JOB_COLUMNS)
_ENCODED: Final = TIME_COLUMNS | JSON_COLUMNS | BOOL_COLUMNS | {"status"}

_PICTURES: Final = (
    "CASE WHEN file_count THEN (SELECT COALESCE("
    "NULLIF(SUM(path LIKE '%/validation_images/step%'), 0), "
    "NULLIF(SUM(path LIKE '%/checkpoint-%/assets/image%'), 0), COUNT(*)) "
    "FROM files WHERE files.job_id = jobs.job_id "
    "AND missing = '' AND (path LIKE '%/validation_images/step%' OR path LIKE '%/assets/image%') "
    "AND (path LIKE '%.png' OR path LIKE '%.webp' OR path LIKE '%.jpg' OR path LIKE '%.jpeg')) "
    "ELSE 0 END"
)
"""As `comparison.pictures_of` counts them."""
ROW_COLUMNS: Final = (
    "job_id", "name", "model_family", "model_flavour", "status", "stage", "percent", "step",
    "total_steps", "loss", "seconds_per_step", "eta_at", "hardware", "rate_micros", "cost_micros",
    "estimate_micros", "created_at", "queued_at", "started_at", "completed_at", "file_count",
    "file_bytes", "data_expires_at", "api_base", "rev",
    """CASE WHEN instr(submit, '"not_finite"') THEN json_extract(submit, '$.not_finite') END""",
    "provider_status", "loss_smoothed", "loss_best", "best_step", "warnings", IN_ROWS, _PICTURES,
)  # fmt: skip


FURTHER: Final = ("rank", "lr", "curve")
"""Columns of the list that are read where somebody has chosen them."""


def further_sql(wanted: Collection[str]) -> list[str]:
    """Return the SQL of `FURTHER`, NULL for those that nobody wants."""
    known: dict[str, Callable[[], str]] = {
        "rank": lambda: (
            "CASE WHEN model_type = 'lora' AND lora_type <> 'lycoris' "
            f"THEN {number_of('lora_rank')} END"
        ),
        "lr": lambda: number_of("learning_rate"),
        # Kept with the state of the run when points arrive: the list reads no series.
        "curve": lambda: "json_extract(parser, '$.health.outline.values')",
    }
    return [known[name]() if name in wanted else "NULL" for name in FURTHER]


def _moment(value: int | None) -> datetime | None:
    return None if value is None else from_micros(value)


def encode(name: str, value: Any) -> Any:
    """Return the SQLite value of a field."""
    if name in JSON_COLUMNS:
        return _EMPTY[type(value)] if not value and type(value) in _EMPTY else _TO_JSON(value)
    if value is None:
        return None
    if name in TIME_COLUMNS:
        return to_micros(value)
    if name in BOOL_COLUMNS:
        return int(value)
    if isinstance(value, JobStatus):
        return value.value
    return value


def encoded_job(job: JobRecord) -> list[Any]:
    """Return the SQLite values of `JOB_COLUMNS`."""
    return [
        encode(name, value) if name in _ENCODED else value
        for name, value in zip(JOB_COLUMNS, _FIELDS(job), strict=True)
    ]


def decode(name: str, value: Any) -> Any:
    """Return the field of an SQLite value."""
    if name in JSON_COLUMNS:
        return json.loads(value)
    if name in TIME_COLUMNS:
        return _moment(value)
    if name in BOOL_COLUMNS:
        return bool(value)
    if name == "status":
        return JobStatus(value)
    return value


def job_record(row: sqlite3.Row | tuple[Any, ...]) -> JobRecord:
    """Return the record of a row of `SELECT <JOB_COLUMNS>`."""
    values = {name: decode(name, value) for name, value in zip(JOB_COLUMNS, row, strict=True)}
    return JobRecord(**values)


def job_row(row: tuple[Any, ...], sandbox: bool) -> JobRow:
    """Return the list line of a row of `SELECT <ROW_COLUMNS>, <further_sql>`."""
    return JobRow(
        job_id=row[0], name=row[1], model_family=row[2], model_flavour=row[3],
        status=JobStatus(row[4]), stage=row[5], percent=row[6], step=row[7], total_steps=row[8],
        loss=row[9], seconds_per_step=row[10], eta_at=_moment(row[11]), hardware=row[12],
        rate_micros=row[13], cost_micros=row[14], estimate_micros=row[15],
        created_at=from_micros(row[16]), queued_at=_moment(row[17]), started_at=_moment(row[18]),
        completed_at=_moment(row[19]), file_count=row[20], file_bytes=row[21],
        data_expires_at=_moment(row[22]), sandbox=sandbox, rev=row[24], not_finite=_names(row[25]),
        is_lost=row[26] == LOST, loss_smoothed=row[27], loss_best=row[28], best_step=row[29],
        warnings=() if row[30] == "[]" else tuple(json.loads(row[30])),
        annotation=read_in_row(row[31]), pictures=row[32], rank=row[33], learning_rate=row[34],
        curve=() if row[35] is None else tuple(json.loads(row[35])),
    )  # fmt: skip


def _names(marks: str | None) -> tuple[str, ...]:
    return tuple(str(mark["name"]) for mark in json.loads(marks)) if marks else ()


def file_record(row: tuple[Any, ...]) -> FileRecord:
    """Return the file of a row `path, size, sha256, source, received_at, missing`."""
    return FileRecord(row[0], row[1], row[2], row[3], from_micros(row[4]), row[5])


def event_record(row: tuple[Any, ...]) -> EventRecord:
    """Return the event of a row `seq, at, source, kind, message`."""
    return EventRecord(row[0], from_micros(row[1]), row[2], row[3], row[4])


def stage_record(row: tuple[Any, ...]) -> StageRecord:
    """Return the stage of a row `seq, key, label, state, started_at, ended_at, detail, percent`."""
    return StageRecord(
        row[0], row[1], row[2], row[3], _moment(row[4]), _moment(row[5]), row[6], row[7]
    )


Query = Callable[[str, Sequence[Any]], list[Any]]
"""Runs a statement with its values and returns its rows."""


class Tables:
    """Base class for the tables that `StoreWriter` hands out as attributes."""

    def __init__(
        self,
        execute: Callable[[str, Sequence[Any]], object],
        transaction: Callable[[], AbstractContextManager[None]],
        query: Query,
    ) -> None:
        """Use a database.

        Args:
            execute: runs a statement with its values.
            transaction: a context in which statements take effect together.
            query: runs a statement and returns its rows.
        """
        self._execute = execute
        self._transaction = transaction
        self._query = query
