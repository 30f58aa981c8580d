"""The logs of all jobs: those that are followed stay open, each with its parser.

A parser may be ahead of the store, when the store refuses what the log said. Such a log is closed
(`close`); the next use opens it again from what is stored.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from tui.engine.tracking.job_log import (
    JobLog,
    LogFacts,
    LogWriteError,
    former_logs,
    former_paths,
)
from tui.engine.tracking.redaction import redact_log
from tui.engine.tracking.run_warnings import warmup_of
from tui.settings import Home
from tui.simpletuner.log.run_health import RunWarning, Thresholds
from tui.store.records import JobRecord
from tui.store.schema import StoreError

_TAIL_BYTES: Final = 256 * 1024
"""Bytes at a log's end that are searched for the cause of a failure."""


class JobLogs:
    """Owns the log files below one home."""

    def __init__(self, home: Home, thresholds: Callable[[], Thresholds]) -> None:
        self._home = home
        self._thresholds = thresholds
        self._open: dict[str, JobLog] = {}

    def exists(self, job_id: str) -> bool:
        """Whether there is a log of this job, which may be of a record that is gone."""
        return self._home.log_file(job_id).exists()

    def merge(
        self, record: JobRecord, received: str | None, now: datetime, *, final: bool
    ) -> LogFacts | None:
        """Merge a received log into the job's file; None when nothing is new.

        Raises:
            LogWriteError: the log cannot be written; it is closed then.
        """
        log = self._open.get(record.job_id)
        if log is None:
            if not received and not record.parser and not self.exists(record.job_id):
                return None
            path = self._home.log_file(record.job_id)
            log = JobLog(path, record.parser, warmup_of(record.config), self._thresholds())
            self._open[record.job_id] = log
        try:
            return log.merge(redact_log(received or "", final=final), now, final=final)
        except LogWriteError:
            self.close(record.job_id)
            raise

    def is_open(self, job_id: str) -> bool:
        """Whether the log could be read and written when the job was last heard of."""
        return job_id in self._open

    def warnings(self, job_id: str, now: datetime) -> list[RunWarning] | None:
        """What the open log says is wrong with the run; None when it is not open."""
        log = self._open.get(job_id)
        return None if log is None else log.health.warnings(now)

    def tail(self, job_id: str) -> tuple[str, int]:
        """The end of a log and the offset of its first byte; "" when it cannot be read."""
        try:
            with self._home.log_file(job_id).open("rb") as file:
                size = file.seek(0, 2)
                start = file.seek(max(0, size - _TAIL_BYTES))
                return file.read().decode("utf-8", "replace"), start
        except OSError:
            return "", 0

    def close(self, job_id: str) -> None:
        """Forget the parser of a log."""
        self._open.pop(job_id, None)

    def delete(self, job_id: str) -> None:
        """Delete a job's log, with its copies from before each rewrite."""
        self.close(job_id)
        log = self._home.log_file(job_id)
        for path in (log, *former_logs(log)):
            path.unlink(missing_ok=True)

    def copy(self, job_id: str, other_id: str) -> None:
        """Copy the log of another record of the same prediction to a job.

        It is copied and not moved, because the store's transaction, which follows, may fail.

        Raises:
            StoreError: the folder cannot be written.
        """
        mine, other = self._home.log_file(job_id), self._home.log_file(other_id)
        try:
            for target, source in [
                (mine, other), *zip(former_paths(mine), former_logs(other), strict=False)
            ]:  # fmt: skip
                if source.exists() and not target.exists():
                    fresh = target.with_suffix(".new")
                    fresh.write_bytes(source.read_bytes())
                    fresh.chmod(0o600)
                    fresh.replace(target)
        except OSError as error:
            raise StoreError(
                f"The log {other.name} cannot be taken over: {error.strerror or error}.",
                "Free some disk space, or check that the folder is writable.",
            ) from error
