"""Which runs' local files may go, by age or to keep below a size. It deletes nothing.

Never those of an active or pinned run, never a file of which no published copy is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tui.store.records import JobRow

SafeFiles = Callable[[str], Sequence[tuple[str, int]]]
"""Returns name and bytes of a job's files that are here and published elsewhere."""


@dataclass(frozen=True, slots=True)
class Freeable:
    """Files of a run that may go.

    Attributes:
        row: the run.
        names: of the files.
        bytes: of all of them.
    """

    row: JobRow
    names: tuple[str, ...]
    bytes: int


def disk_use(rows: Iterable[JobRow]) -> int:
    """Return the bytes of all delivered files that are here."""
    return sum(row.file_bytes for row in rows)


def freeable(
    rows: Sequence[JobRow],
    safe_files: SafeFiles,
    now: datetime,
    *,
    older_than: timedelta | None = None,
    most_bytes: int | None = None,
) -> list[Freeable]:
    """Return what may go, the runs that ended first before others.

    Args:
        rows: all runs.
        safe_files: asked about runs that would go.
        now: the time.
        older_than: runs that ended longer ago go; None for none.
        most_bytes: the oldest go until all files have no more than this; None for no limit.
    """
    chosen, total = [], disk_use(rows)
    ended = [
        (row.completed_at, row)
        for row in rows
        if row.status.is_terminal
        and row.completed_at is not None
        and row.file_count
        and not row.annotation.pinned
        and row.data_expires_at is None
    ]
    for completed_at, row in sorted(ended, key=lambda pair: (pair[0], pair[1].job_id)):
        old = older_than is not None and now - completed_at > older_than
        if not old and (most_bytes is None or total <= most_bytes):
            continue
        files = safe_files(row.job_id)
        size = sum(size for _, size in files)
        if size:
            chosen.append(Freeable(row, tuple(name for name, _ in files), size))
            total -= size
    return chosen
