"""A connection to the database that writes no secret which this process knows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from tui.replicate.known_secrets import KNOWN

_WRITES: Final = ("INSERT", "UPDATE", "REPLACE")


class MaskingConnection(sqlite3.Connection):
    """Masks known secrets in the texts that are written; what is looked up stays as it is."""

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """Run a statement; see `sqlite3.Connection.execute`."""
        if sql.lstrip()[:7].upper().startswith(_WRITES):
            parameters = _masked(parameters)
        return super().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> sqlite3.Cursor:
        """Run a statement for many rows; see `sqlite3.Connection.executemany`."""
        return super().executemany(sql, (_masked(row) for row in parameters))


def _masked(parameters: Sequence[Any] | Mapping[str, Any]) -> Sequence[Any] | Mapping[str, Any]:
    if isinstance(parameters, Mapping):
        return {name: _mask(value) for name, value in parameters.items()}
    return [_mask(value) for value in parameters]


def _mask(value: Any) -> Any:
    return KNOWN.redact_data(value) if isinstance(value, str) and value else value
