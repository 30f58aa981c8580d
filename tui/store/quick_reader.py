"""Reads of the database for commands that answer at once, without the imports of `store.reader`."""

from __future__ import annotations

import sqlite3

TYPE_CHECKING = False  # `typing` takes longer to load than a short command to run
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

FORMAT = 8
"""The schema version that the quick queries are written for. A test compares it with the newest
one: importing `tui.store.schema` takes half as long as a query."""


class QuickReader:
    """A connection that only reads; every query is called with its text and its values."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __call__(self, text: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[Any]:
        """The rows of a query.

        Raises:
            sqlite3.Error: it cannot be run.
        """
        return self._connection.execute(text, values).fetchall()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def open_quickly(database: str) -> QuickReader | None:
    """Open a database; None when it is missing, unreadable or of another version.

    The caller uses the full reader then, which says what is wrong.
    """
    connection = None
    try:
        connection = sqlite3.connect(f"file:{_quoted(database)}?mode=ro", uri=True, timeout=2.0)
        if connection.execute("PRAGMA user_version").fetchone()[0] == FORMAT:
            connection.execute("PRAGMA mmap_size = 1000000000")
            return QuickReader(connection)
    except sqlite3.Error:
        pass
    if connection is not None:
        connection.close()
    return None


def query(database: str, *queries: tuple[str, Mapping[str, Any]]) -> list[list[Any]] | None:
    """The rows of each query; None when the database cannot be used."""
    reader = open_quickly(database)
    if reader is None:
        return None
    try:
        return [reader(text, values) for text, values in queries]
    except sqlite3.Error:
        return None
    finally:
        reader.close()


def _quoted(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
