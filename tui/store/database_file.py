"""Whether the database file that is open is still the one at its path.

SQLite goes on writing a file that was deleted, moved or replaced: its transactions succeed and are
gone when the process ends (sqlite.org/howtocorrupt.html, "Unlinking or renaming a database file
while in use").
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Final

from tui.store.schema import StoreError

ADVICE: Final = (
    "Stop the engine first (kill {pid}). Then put the file back with its -wal file and start "
    "again; without it, logs and delivered files are kept, and a sync brings the jobs back."
)


class DatabaseChangedError(StoreError):
    """The database was deleted, moved, replaced or overwritten while it is open."""


class DatabaseFile:
    """Compares the open database with the file at its path.

    Args:
        path: the database.
        connection: the only connection that writes it, in WAL mode.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection
        self._journal = path.with_name(f"{path.name}-wal")
        self._index = path.with_name(f"{path.name}-shm")
        self._identities = {name: _identity(name) for name in (path, self._journal, self._index)}
        self.written()

    def written(self) -> None:
        """Note the file's state after a transaction of our own, which may be a checkpoint."""
        self._modified, self._version = _modified(self._path), self._data_version()

    def check(self) -> None:
        """Compare the file with the one that was opened.

        Raises:
            DatabaseChangedError: it is another one, or was written around SQLite.
        """
        for path, known in self._identities.items():
            found = _identity(path)
            if found is None and known is not None:
                raise self._changed(path, "was deleted or moved away")
            if found != known:
                raise self._changed(path, "was replaced by another file")
        version = self._data_version()
        if version != self._version:  # another program wrote it through SQLite, which is safe
            self.written()
        elif _modified(self._path) != self._modified:
            raise self._changed(self._path, "was overwritten")

    def _data_version(self) -> int:
        """SQLite's number that changes when another connection commits."""
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def _changed(self, path: Path, what: str) -> DatabaseChangedError:
        return DatabaseChangedError(
            f"The job database {path} {what} while the engine is running: "
            "nothing more is recorded or submitted.",
            ADVICE.format(pid=os.getpid()),
        )


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and inode of a file; None when there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _modified(path: Path) -> int | None:
    """Time of the last modification in nanoseconds; None when there is no file."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None
