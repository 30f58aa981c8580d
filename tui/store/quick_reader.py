"""Reads of the database for commands that answer at once, without the imports of `store.reader`."""

from __future__ import annotations

try:
    # What `sqlite3` is made of. That also loads `datetime`, for values that are none of ours, which
    # takes as long as a query.
    from _sqlite3 import Error, connect
except ImportError:  # another Python than CPython
    from sqlite3 import Error, connect

TYPE_CHECKING = False  # `typing` takes longer to load than a short command to run
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from sqlite3 import Connection
    from typing import Any, TypeAlias

    Values: TypeAlias = Sequence[Any] | Mapping[str, Any]

QuickError = Error
"""`sqlite3.Error`."""

FORMAT = 9
"""The schema version that the quick queries are written for. A test compares it with the newest
one: importing `tui.store.schema` takes half as long as a query."""


class QuickReader:
    """A connection that only reads; every query is called with its text and its values."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __call__(self, text: str, values: Values = ()) -> list[Any]:
        """The rows of a query.

        Raises:
            QuickError: it cannot be run.
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
        connection = connect(f"file:{_quoted(database)}?mode=ro", uri=True, timeout=2.0)
        if connection.execute("PRAGMA user_version").fetchone()[0] == FORMAT:
            connection.execute("PRAGMA mmap_size = 1000000000")
            return QuickReader(connection)
    except QuickError:
        pass
    if connection is not None:
        connection.close()
    return None


def query(database: str, *queries: tuple[str, Values]) -> list[list[Any]] | None:
    """The rows of each query; None when the database cannot be used."""
    reader = open_quickly(database)
    if reader is None:
        return None
    try:
        return [reader(text, values) for text, values in queries]
    except QuickError:
        return None
    finally:
        reader.close()


def _quoted(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
