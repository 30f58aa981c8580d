"""Which runs' local files may go, by age or to keep below a size. It deletes nothing.

Never those of an active or pinned run, or one whose checkpoint an active run goes on from; never a
file of which no published copy is known.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from tui.base import formatting
from tui.store.records import JobRow
from tui.store.resume_point import MANIFEST, local_key

if TYPE_CHECKING:
    from tui.settings import RetentionSettings
    from tui.store.reader import StoreReader

FACT: Final = "retention"
"""Name of the fact that says what the engine deleted last by itself."""
_GIB: Final = 1 << 30

SafeFiles = Callable[[str], Sequence[tuple[str, int]]]
"""Returns name and bytes of a job's files that are here and published elsewhere."""

_AGES: Final = (90, 30, 7, 1)
"""Days since a run's end that are offered."""
_SHARES: Final = (75, 50, 25, 0)
"""Per cents of what is here now that are offered to be kept."""


@dataclass(frozen=True, slots=True)
class Freeable:
    """Files of a run that may go.

    Attributes:
        row: the run.
        names: of the files.
        sizes: of each of them.
    """

    row: JobRow
    names: tuple[str, ...]
    sizes: tuple[int, ...]

    @property
    def bytes(self) -> int:
        """Of all of them."""
        return sum(self.sizes)


def disk_use(rows: Iterable[JobRow]) -> int:
    """Return the bytes of all delivered files that are here."""
    return sum(row.file_bytes for row in rows)


def limits_of(days: int, gib: int) -> tuple[timedelta | None, int | None]:
    """Return the numbers of `[retention]` as age and bytes; 0 is no limit."""
    return timedelta(days=days) if days else None, gib * _GIB if gib else None


def retention_rules(wanted: RetentionSettings) -> str:
    """Return what `[retention]` says, in words; empty when it is off."""
    rules = []
    if wanted.days:
        rules.append(f"{formatting.plural(wanted.days, 'day')} after a run's end")
    if wanted.gib:
        rules.append(f"the oldest above {wanted.gib} GiB")
    return " and ".join(rules)


def needed_runs(reader: StoreReader, rows: Iterable[JobRow]) -> frozenset[str]:
    """Return the ids of runs whose checkpoint on this machine an active run goes on from.

    One that waits for its turn reads it days later.
    """
    found = set()
    for row in rows:
        job = reader.job(row.job_id) if row.status.is_active else None
        if job is None:
            continue
        key = local_key(str(job.config.get("resume_from_checkpoint") or ""))
        source = reader.job_with_file(f"{key}/{MANIFEST}") if key else None
        if source:
            found.add(source)
    return frozenset(found)


def freeable(
    rows: Sequence[JobRow],
    safe_files: SafeFiles,
    now: datetime,
    *,
    needed: Collection[str] = (),
    older_than: timedelta | None = None,
    most_bytes: int | None = None,
) -> list[Freeable]:
    """Return what may go, the runs that ended first before others.

    Args:
        rows: all runs.
        safe_files: asked about runs that would go.
        now: the time.
        needed: ids of runs that stay, of `needed_runs`.
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
        and row.job_id not in needed
    ]
    for completed_at, row in sorted(ended, key=lambda pair: (pair[0], pair[1].job_id)):
        old = older_than is not None and now - completed_at > older_than
        if not old and (most_bytes is None or total <= most_bytes):
            continue
        files = safe_files(row.job_id)
        names, sizes = tuple(name for name, _ in files), tuple(size for _, size in files)
        if any(sizes):
            chosen.append(Freeable(row, names, sizes))
            total -= sum(sizes)
    return chosen


Choice = tuple[str, list[Freeable]]
"""What is kept, in words, and what would go."""


def choices(
    rows: Sequence[JobRow], safe_files: SafeFiles, now: datetime, needed: Collection[str] = ()
) -> list[Choice]:
    """Returns ages and sizes of which each frees something else, the gentlest of both first.

    Args:
        rows: all runs.
        safe_files: as for `freeable`.
        now: the time.
        needed: as for `freeable`.
    """
    known: dict[str, Sequence[tuple[str, int]]] = {}

    def safe(job_id: str) -> Sequence[tuple[str, int]]:
        if job_id not in known:
            known[job_id] = safe_files(job_id)
        return known[job_id]

    total = disk_use(rows)
    offered = [
        (f"of runs that ended more than {formatting.plural(days, 'day')} ago",
         freeable(rows, safe, now, needed=needed, older_than=timedelta(days=days)))
        for days in _AGES
    ] + [
        (f"the oldest, to keep {formatting.size(most)}" if most else "of all runs",
         freeable(rows, safe, now, needed=needed, most_bytes=most))
        for most in (total * share // 100 for share in _SHARES)
    ]  # fmt: skip
    found: dict[tuple[str, ...], Choice] = {}
    for words, chosen in offered:
        if chosen:
            found.setdefault(tuple(one.row.job_id for one in chosen), (words, chosen))
    return list(found.values())
