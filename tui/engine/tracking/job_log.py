"""The log of one job on disk, and what has been read from it.

The file is written first and the database afterwards, and the parser's notes say up to which byte
the database knows the file. So after a crash between the two the rest is read again from the file:
no hole and, as a metric point keeps its first value, no double. A checksum of the part that has
been read tells a log that was replaced between the two.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import count, takewhile
from pathlib import Path
from typing import Any

from tui.engine.tracking.reconcile import reconcile_log
from tui.simpletuner.log.model import Progress, Update
from tui.simpletuner.log.parser import LogParser


class LogWriteError(Exception):
    """The log could not be written; what was on disk before is unharmed.

    Attributes:
        message: why, in words.
        advice: what to do.
    """

    def __init__(self, path: Path, error: OSError) -> None:
        self.message = f"The log {path.name} cannot be written: {error.strerror or error}."
        self.advice = "Free some disk space: the log goes on by itself while Replicate keeps it."
        super().__init__(self.message)


def former_logs(path: Path) -> list[Path]:
    """What a log was before it was rewritten, oldest first."""
    return list(takewhile(Path.exists, former_paths(path)))


def former_paths(path: Path) -> Iterator[Path]:
    """Where a log is kept each time that it is rewritten, first time first; endless."""
    return (_former(path, number) for number in count(1))


def _former(path: Path, number: int) -> Path:
    return path.with_suffix(f".before-rewrite-{number}.log")


@dataclass(frozen=True, slots=True)
class LogFacts:
    """What one telling of the log added.

    Attributes:
        update: new facts.
        progress: where the run is now.
        size: bytes in the file.
        notes: the parser's state, to be stored with the facts.
        replaced: whether the log was rewritten and read anew from its beginning.
    """

    update: Update
    progress: Progress
    size: int
    notes: dict[str, Any]
    replaced: bool


class JobLog:
    """Owner of one log file and its parser."""

    def __init__(self, path: Path, notes: dict[str, Any]) -> None:
        """Take up the log where `notes` (see `LogFacts.notes`) say it was left."""
        self._path = path
        self._finished = False
        self._crc = 0
        try:
            self._parser = LogParser.restore(notes["parser"]) if notes else LogParser()
            self._crc = int(notes["crc32"]) if notes else 0
        except (
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
        ):  # another version's notes: read it all again
            self._parser = LogParser()
        self._checked = False

    def take(self, told: str | None, at: datetime, *, final: bool) -> LogFacts | None:
        """Bring the file up to what was told, and read what is new in it.

        Args:
            told: the complete log as somebody tells it; None and "" mean “not said”.
            at: when it was told.
            final: whether the job has ended, so that a last line without newline counts.

        Returns:
            None when nothing is new.

        Raises:
            LogWriteError: the disk is full, or the file cannot be written.
        """
        old = self._read()
        change = reconcile_log(old, told)
        replaced = change.replacement is not None
        if change.replacement is not None:
            self._replace(change.replacement)
            content = change.replacement
        else:
            content = old + change.append
            self._append(change.append, len(old))
        replaced |= self._is_other(content)
        if replaced or self._parser.offset > len(content):
            # Cut short by somebody, it grows back; what was read from it before stays.
            self._parser = LogParser()
            self._crc = 0
        fresh = content[self._parser.offset :]
        self._crc = zlib.crc32(fresh, self._crc)
        ends = final and not self._finished
        if not fresh and not ends and not replaced:
            return None
        update = self._parser.feed(fresh, at)
        if ends:
            self._finished = True
            update.extend(self._parser.finish(at))
        notes = {"parser": self._parser.dump(), "crc32": self._crc}
        return LogFacts(update, self._parser.progress, len(content), notes, replaced)

    def _is_other(self, content: bytes) -> bool:
        """Whether the file is not the one the notes are about; looked at once.

        So it is when we died between replacing a rewritten log and writing down what it says.
        """
        checked, self._checked = self._checked, True
        offset = self._parser.offset
        if checked or offset > len(content):
            return False
        return zlib.crc32(content[:offset]) != self._crc

    def _read(self) -> bytes:
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise LogWriteError(self._path, error) from error

    def _append(self, data: bytes, size: int) -> None:
        if not data:
            return
        handle = -1
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            view = memoryview(data)
            position = size
            while view:
                count = os.pwrite(handle, view, position)
                position += count
                view = view[count:]
        except OSError as error:
            if handle >= 0:
                with suppress(OSError):
                    os.ftruncate(handle, size)  # half a line is worse than none: it comes again
            raise LogWriteError(self._path, error) from error
        finally:
            if handle >= 0:
                os.close(handle)

    def _replace(self, data: bytes) -> None:
        """Keep the former text beside the new one: nothing that was seen is thrown away."""
        fresh = self._path.with_suffix(".new")
        try:
            fresh.write_bytes(data)
            fresh.chmod(0o600)
            if self._path.exists():
                self._path.replace(_former(self._path, len(former_logs(self._path)) + 1))
            fresh.replace(self._path)
        except OSError as error:
            fresh.unlink(missing_ok=True)
            raise LogWriteError(self._path, error) from error
