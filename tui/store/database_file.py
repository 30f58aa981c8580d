"""Whether the database file that is open is still the one at its path, with what we wrote to it.

SQLite goes on writing a file that was deleted, moved or replaced: its transactions succeed and are
gone when the process ends (sqlite.org/howtocorrupt.html, "Unlinking or renaming a database file
while in use"). A file that was overwritten in place gets the journal of the one before.

The file itself changes only when the journal is written into it (sqlite.org/wal.html), and its own
change counter stays the same meanwhile. Therefore the first transaction after each such change sets
a new random number, the stamp, as the file's application id (sqlite.org/fileformat2.html, offset
68): any other content has another stamp, and a file that was only touched has the same one. Half of
a stamp is made from the one before, so that a journal tells which file it goes with.
"""

from __future__ import annotations

import binascii
import logging
import os
import secrets
import shutil
import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tui.store.schema import StoreError

LOG = logging.getLogger(__name__)

_STAMP_OFFSET: Final = 68
_STAMP_BYTES: Final = 4
_WAL_HEADER: Final = 32
_FRAME_HEADER: Final = 24

ADVICE: Final = (
    "Stop the engine first (kill {pid}). Then put the file back with its -wal file and start "
    "again; without it, logs and delivered files are kept, and a sync brings the jobs back. What "
    "the engine knew is kept as {kept} when it ends."
)
OVERWRITTEN_ADVICE: Final = (
    "Stop the engine first (kill {pid}) and start it again: it goes on with the file as it is now. "
    "What was recorded last in the one before is not written into it, but kept as {kept}."
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
        # It stays open as long as the connection: a process that closes any handle of the file
        # loses SQLite's locks on it, and then the next program to close it deletes the journal
        # (sqlite.org/howtocorrupt.html, 2.2).
        self._handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        if not self._stamp():  # a new file, or one of an earlier version
            with suppress(sqlite3.Error):  # a full disk: the first transaction says so
                connection.execute(f"PRAGMA application_id = {_stamp_after(0)}")
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        self._identities = {name: _identity(name) for name in (path, self._journal, self._index)}
        self._in_file = self._committed = self._stamp()
        self._pending: int | None = None
        self._noticed_at: datetime | None = None

    def check(self) -> None:
        """Compare the file with the one that was opened; in a transaction, stamp it if need be.

        Raises:
            DatabaseChangedError: it is another one, or was written around SQLite.
        """
        for path, known in self._identities.items():
            found = _identity(path)
            if found is None and known is not None:
                raise self._changed(path, "was deleted or moved away")
            if found != known:
                raise self._changed(path, "was replaced by another file")
        stamp = self._stamp()
        if stamp not in (self._in_file, self._committed):
            raise self._changed(self._path, "was overwritten", OVERWRITTEN_ADVICE)
        self._in_file = stamp
        if self._connection.in_transaction and stamp == self._committed:
            self._pending = _stamp_after(stamp)
            self._connection.execute(f"PRAGMA application_id = {self._pending}")

    def written(self) -> None:
        """Note that a transaction of our own was committed."""
        if self._pending is not None:
            self._committed, self._pending = self._pending, None

    def _stamp(self) -> int:
        """The stamp in the open file; -1 where it is too short."""
        return _stamp_of(os.pread(self._handle, _STAMP_BYTES, _STAMP_OFFSET))

    def close(self) -> None:
        """Close the file, after the connection."""
        os.close(self._handle)

    def release(self) -> None:
        """Make sure that closing the connection neither loses its content nor spoils another file.

        SQLite writes the journal into the open file when the last connection closes, whatever
        stands in that file now.
        """
        try:
            self.check()
        except DatabaseChangedError:
            with suppress(OSError, sqlite3.Error):  # nothing more can be done where this fails
                self._keep()

    def _keep(self) -> None:
        kept = self._kept(self._path)
        if _identity(self._path) != self._identities[self._path]:
            # The open file is nowhere else, but complete.
            with closing(sqlite3.connect(kept)) as copy:
                self._connection.backup(copy)
        elif self._stamp() not in (self._in_file, self._committed):
            shutil.copyfile(self._journal, self._kept(self._journal))
            # The path gets a file of its own, with the content that it has now; the open one, which
            # has no name any more, may take the journal.
            own = self._path.with_name(f"{self._path.name}.restored")
            shutil.copy2(self._path, own)
            _flush(own)
            own.replace(self._path)
        else:
            return
        # SQLite leaves them behind where the file has moved, and the next one to open the file at
        # the path would take the journal for its own.
        for path in (self._journal, self._index):
            if _identity(path) == self._identities[path]:
                path.unlink(missing_ok=True)

    def _kept(self, path: Path) -> Path:
        return _kept_name(path, self._noticed_at or datetime.now(UTC))

    def _changed(self, path: Path, what: str, advice: str = ADVICE) -> DatabaseChangedError:
        self._noticed_at = self._noticed_at or datetime.now(UTC)
        kept = self._kept(self._journal if advice is OVERWRITTEN_ADVICE else self._path)
        return DatabaseChangedError(
            f"The job database {path} {what} while the engine is running: "
            "nothing more is recorded or submitted.",
            advice.format(pid=os.getpid(), kept=kept.name),
        )


def set_aside_foreign_journal(path: Path) -> Path | None:
    """Rename a journal that was left by another file than the one at the path, before it is opened.

    An engine that was killed leaves its journal, and SQLite would write it into whatever file
    stands there next: a backup that was copied back.

    Returns:
        Where the journal is now; None where there is none, or it is the file's own.

    Raises:
        OSError: it cannot be renamed.
    """
    journal = path.with_name(f"{path.name}-wal")
    known, stamps = _stamp_in(path), _stamps_in_journal(journal)
    if not stamps or known in stamps or _follows(stamps[0], known):
        return None
    kept = _kept_name(journal, datetime.now(UTC))
    journal.rename(kept)
    path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
    LOG.warning("%s was not written for %s as it is now; kept as %s", journal, path, kept)
    return kept


def _stamps_in_journal(journal: Path) -> list[int]:
    """The stamps that a journal holds, the oldest first (sqlite.org/fileformat2.html, 4.1)."""
    stamps: list[int] = []
    try:
        with journal.open("rb") as file:
            header = file.read(_WAL_HEADER)
            page_size = int.from_bytes(header[8:12], "big")
            while len(frame := file.read(_FRAME_HEADER)) == _FRAME_HEADER:
                if frame[8:16] != header[16:24]:  # the salts: left from before the last restart
                    break
                page = file.tell()
                if int.from_bytes(frame[:4], "big") == 1:
                    file.seek(page + _STAMP_OFFSET)
                    stamps.append(int.from_bytes(file.read(_STAMP_BYTES), "big"))
                file.seek(page + page_size)
    except OSError:
        return []
    return stamps


def _stamp_after(stamp: int) -> int:
    """A new stamp, for the file that has this one; SQLite takes 32 bits, with a sign."""
    return (secrets.randbelow(2**15 - 1) + 1) << 16 | _mark_of(stamp)


def _follows(stamp: int, before: int) -> bool:
    return stamp & 0xFFFF == _mark_of(before)


def _mark_of(stamp: int) -> int:
    return binascii.crc_hqx(stamp.to_bytes(8, "big", signed=True), 0)


def _kept_name(path: Path, moment: datetime) -> Path:
    return path.with_name(f"{path.name}.kept-{moment:%Y%m%d-%H%M%S}")


def _stamp_in(path: Path) -> int:
    """The stamp in a file that is not open; 0 without one, -1 where it is too short or gone."""
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(_STAMP_OFFSET)
            return _stamp_of(file.read(_STAMP_BYTES))
    except OSError:
        return -1


def _stamp_of(data: bytes) -> int:
    return int.from_bytes(data, "big") if len(data) == _STAMP_BYTES else -1


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and inode of a file; None when there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
