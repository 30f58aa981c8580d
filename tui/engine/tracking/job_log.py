"""The log file of one job, and the incremental parser that reads it.

The file is written before the database. The parser's notes, stored in the database, say up to which
byte the file has been parsed. After a crash between the two writes the rest is parsed again from
the file: nothing is missed, and nothing is counted twice because a metric point keeps its first
value. A checksum of the parsed part detects a log that was replaced between the two writes.
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

from tui.engine.tracking.reconcile import carry_masks, reconcile_log
from tui.simpletuner.log.model import Progress, Update
from tui.simpletuner.log.parser import LogParser
from tui.simpletuner.log.run_health import RunHealth, Thresholds
from tui.store.run_state import LogNotes


class LogWriteError(Exception):
    """The log could not be written; its former content is unchanged.

    Attributes:
        message: the reason, for the user.
        advice: what the user can do.
    """

    def __init__(self, path: Path, error: OSError) -> None:
        self.message = f"The log {path.name} cannot be written: {error.strerror or error}."
        self.advice = "Free some disk space: the log goes on by itself while Replicate keeps it."
        super().__init__(self.message)


def former_logs(path: Path) -> list[Path]:
    """The existing copies of a log from before each rewrite, oldest first."""
    return list(takewhile(Path.exists, former_paths(path)))


def former_paths(path: Path) -> Iterator[Path]:
    """The paths for the copy before the first rewrite, the second and so on; endless."""
    return (_former(path, number) for number in count(1))


def _former(path: Path, number: int) -> Path:
    return path.with_suffix(f".before-rewrite-{number}.log")


@dataclass(frozen=True, slots=True)
class LogFacts:
    """What one update of the log added.

    Attributes:
        update: what the parser found in the new part.
        progress: progress of the run as of now.
        size: bytes in the file.
        notes: the parser's state, to be stored together with the findings.
        replaced: whether the log was rewritten and parsed again from its beginning.
        loss_smoothed: the run's smoothed loss; None before the first.
        loss_best: its lowest value so far.
        best_step: the step of that.
    """

    update: Update
    progress: Progress
    size: int
    notes: LogNotes
    replaced: bool
    loss_smoothed: float | None
    loss_best: float | None
    best_step: int | None


class JobLog:
    """Owns one log file, its parser, and what the parsed points say about the run.

    Attributes:
        health: of the run, up to the parsed part.
    """

    def __init__(
        self,
        path: Path,
        notes: LogNotes,
        warmup_steps: int = 0,
        thresholds: Thresholds | None = None,
    ) -> None:
        """Open the log and restore the parser.

        Args:
            path: the file, which need not exist yet.
            notes: `LogFacts.notes` as stored; empty starts from the beginning.
            warmup_steps: steps in which the run's learning rate rises.
            thresholds: when the run is reported.
        """
        self._path = path
        self._warmup, self._thresholds = warmup_steps, thresholds
        self._finished = False
        self._checksum = 0
        try:
            self._parser = LogParser.restore(notes["parser"]) if notes else LogParser()
            self._checksum = int(notes["crc32"]) if notes else 0
        except (ValueError, KeyError, TypeError, AttributeError):
            notes = {}  # of another version: parse the whole file again
            self._parser, self._checksum = LogParser(), 0
        self.health = self._restored_health(notes)
        self._checked = False

    def _restored_health(self, notes: LogNotes) -> RunHealth:
        """The run's health as stored; of notes without it, what comes from here on."""
        with suppress(KeyError, ValueError):
            return RunHealth.restore(notes["health"], self._thresholds)
        return RunHealth(self._warmup, self._thresholds)

    def merge(self, received: str | None, received_at: datetime, *, final: bool) -> LogFacts | None:
        """Merge a received log into the file, and parse what is new.

        Args:
            received: the complete log as Replicate sent it; None and "" mean that it sent none.
            received_at: time of receipt.
            final: whether the job has ended, so that a last line without newline counts.

        Returns:
            What was added; None when nothing is new.

        Raises:
            LogWriteError: the file cannot be written, for example because the disk is full.
        """
        old = self._read()
        change = reconcile_log(old, carry_masks(old, received))
        replaced = change.replacement is not None
        if change.replacement is not None:
            self._replace(change.replacement)
            content = change.replacement
        else:
            content = old + change.append
            self._append(change.append, len(old))
        replaced |= self._differs_from_notes(content)
        if replaced or self._parser.offset > len(content):
            # A file that was truncated from outside grows back; findings stored before stay.
            self._parser = LogParser()
            self._checksum = 0
            self.health = RunHealth(self._warmup, self._thresholds)
        fresh = content[self._parser.offset :]
        self._checksum = zlib.crc32(fresh, self._checksum)
        ends_now = final and not self._finished
        if not fresh and not ends_now and not replaced:
            return None
        update = self._parser.feed(fresh, received_at)
        if ends_now:
            self._finished = True
            update.extend(self._parser.finish(received_at))
        progress = self._parser.progress
        self.health.add(update.metrics, progress.total_steps)
        self.health.moved(progress, received_at)
        notes: LogNotes = {
            "parser": self._parser.dump(),
            "crc32": self._checksum,
            "health": self.health.dump(),
        }
        health = self.health
        return LogFacts(
            update, progress, len(content), notes, replaced,
            health.loss, health.best, health.best_step,
        )  # fmt: skip

    def _differs_from_notes(self, content: bytes) -> bool:
        """Whether the file differs from the one that the notes describe; checked once.

        That happens when the engine ended after it replaced the file and before it stored the
        notes.
        """
        checked, self._checked = self._checked, True
        offset = self._parser.offset
        if checked or offset > len(content):
            return False
        return zlib.crc32(content[:offset]) != self._checksum

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
                    os.ftruncate(handle, size)  # no half line stays; Replicate sends it again
            raise LogWriteError(self._path, error) from error
        finally:
            if handle >= 0:
                os.close(handle)

    def _replace(self, data: bytes) -> None:
        """Replace the file's content, and keep a copy of the former content beside it."""
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
