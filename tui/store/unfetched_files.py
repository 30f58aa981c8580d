"""The table of results that are still elsewhere and have to be fetched."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from tui.store.columns import Query, Tables
from tui.store.moments import from_micros, to_micros
from tui.store.transfer_records import FetchRecord

_NAMES: Final = tuple(FetchRecord.__dataclass_fields__)


class FetchTable(Tables):
    """Writes and reads the table."""

    def put(self, records: Iterable[FetchRecord]) -> None:
        """Insert records, or replace those of the same job and name."""
        marks = ",".join("?" * len(_NAMES))
        with self._transaction():
            for record in records:
                self._execute(
                    f"INSERT OR REPLACE INTO fetches ({','.join(_NAMES)}) "  # noqa: S608  our names
                    f"VALUES ({marks})",
                    tuple(_encode(name, getattr(record, name)) for name in _NAMES),
                )

    def drop(self, job_id: str, names: Iterable[str]) -> None:
        """Delete records of fetched files, or of files that no longer exist."""
        with self._transaction():
            for name in names:
                self._execute("DELETE FROM fetches WHERE job_id = ? AND name = ?", (job_id, name))

    def of(self, job_id: str) -> list[FetchRecord]:
        """Return a job's files that are not here, by name."""
        return read_fetches(self._query, job_id)

    def unfinished(self) -> list[str]:
        """Return jobs with files that are still fetched automatically."""
        rows = self._query("SELECT DISTINCT job_id FROM fetches WHERE state <> 'failed'", ())
        return [str(row[0]) for row in rows]


def read_fetches(query: Query, job_id: str) -> list[FetchRecord]:
    """Return a job's files that are not here, by name."""
    rows = query(
        f"SELECT {','.join(_NAMES)} FROM fetches WHERE job_id = ? ORDER BY name",  # noqa: S608
        (job_id,),
    )
    return [
        FetchRecord(**{name: _decode(name, value) for name, value in zip(_NAMES, row, strict=True)})
        for row in rows
    ]


def _encode(name: str, value: Any) -> Any:
    if name == "until":
        return None if value is None else to_micros(value)
    return json.dumps(value, ensure_ascii=False) if name == "notes" else value


def _decode(name: str, value: Any) -> Any:
    if name == "until":
        return None if value is None else from_micros(value)
    return json.loads(value) if name == "notes" else value
