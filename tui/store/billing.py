"""Queries for the cost of jobs."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from datetime import datetime

from tui.base.clock import utc_now
from tui.base.job_status import LOST, JobStatus
from tui.base.money import running_cost
from tui.store.billed import Billed, Merged
from tui.store.moments import from_micros, to_micros

TYPE_CHECKING = False  # `typing` takes longer to load than a short command to run
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Final, NamedTuple

    from tui.store.lost_contact import Contacts

    Query = Callable[[str, Sequence[Any]], list[Any]]
else:
    from tui.base.light_tuple import NamedTuple

_COLUMNS: Final = "api_base, status, started_at, completed_at, cost_micros, rate_micros, created_at"
_ENDED: Final = (
    # From the index alone; deleted jobs from the ledger.
    f"SELECT {_COLUMNS} FROM jobs WHERE completed_at >= ? "  # noqa: S608  constants
    f"UNION ALL SELECT {_COLUMNS} FROM ledger WHERE completed_at >= ?"
)
_UNENDED: Final = (
    # Active jobs of any age, and the few that ended at an unknown time.
    f"SELECT {_COLUMNS}, estimate_micros, eta_at, job_id FROM jobs "  # noqa: S608  constants
    "WHERE completed_at IS NULL"
)
_FIRST: Final = -(2**63)
_LAST: Final = 2**63
"""Before and after every moment that the store can hold."""
_BEGIN: Final = "MIN(COALESCE(started_at, completed_at), completed_at)"


class _Seen(NamedTuple):
    """An active job, as far as its contact follows from it."""

    job_id: str
    status: JobStatus
    rate_micros: int
    started_at: datetime | None


def read_billed(
    query: Query,
    since: datetime,
    is_wanted: Callable[[str], bool],
    borders: Sequence[datetime] = (),
    contacts: Contacts | None = None,
) -> list[Billed]:
    """Return jobs that may have cost something after `since`, and all that may still do so.

    Args:
        query: runs a statement on the store.
        since: jobs that ended before are left out.
        is_wanted: whether the jobs of an API base count.
        borders: moments from which the caller sums. Ended jobs that ran between two of them are
            merged into one row: sums from a border on stay the same, and thousands of jobs become
            a few rows; counts of jobs do not stay the same.
        contacts: which active jobs are not heard of; None for none.
    """
    sql, values = _ended(since, borders)
    wanted = _Wanted(is_wanted)
    rows = [(*row, None, None, "") for row in query(sql, values) if wanted[row[0]]]
    rows += (row for row in query(_UNENDED, ()) if wanted[row[0]])
    return _billed(rows, contacts)


def read_counted(
    query: Query,
    since: datetime,
    is_wanted: Callable[[str], bool],
    borders: Sequence[datetime],
    contacts: Contacts | None = None,
) -> list[Billed]:
    """Return the same in few rows, of which jobs can be counted too.

    Ended jobs of one status that were created between the same two borders, and ran between two,
    are merged into one row.
    """
    marks = [_FIRST, *sorted(map(to_micros, borders)), _LAST]
    low = high = _FIRST
    wanted = _Wanted(is_wanted)
    apart: list[tuple[Any, ...]] = []
    groups: dict[tuple[str, int, int], list[int]] = {}
    for row in query(_ENDED, [to_micros(since)] * 2):
        base, status, started, ended, cost, rate, created = row
        if not wanted[base]:
            continue
        begin = ended if started is None or started > ended else started
        if not low < ended <= high:  # they come in the order of their ends
            place = bisect_left(marks, ended)
            low, high = marks[place - 1], marks[place]
        if begin <= low:
            apart.append((*row, None, None, ""))
            continue
        # A job that is created at a midnight belongs to the day after.
        key = status, high, high if low < created < high else marks[bisect_right(marks, created)]
        group = groups.get(key)
        if group is None:  # when exactly they ran between the two borders changes no sum
            group = groups[key] = [begin, ended, created, 0, 0, 0, 0, 0]
        group[3] += cost or 0
        group[4] += 1
        if started is not None:
            group[5] += 1
            group[6] += ended - begin
            group[7] += rate <= 0
    merged = [
        Billed(
            status, from_micros(begin), from_micros(ended), cost, 0, None, from_micros(created),
            None, Merged(*counts),
        )
        for (status, *_), (begin, ended, created, cost, *counts) in groups.items()
    ]  # fmt: skip
    apart += (row for row in query(_UNENDED, ()) if wanted[row[0]])
    return merged + _billed(apart, contacts)


class _Wanted(dict[str, bool]):
    """Whether the jobs of an API base count; each base is looked at once."""

    def __init__(self, is_wanted: Callable[[str], bool]) -> None:
        super().__init__()
        self._is_wanted = is_wanted

    def __missing__(self, base: str) -> bool:
        self[base] = wanted = self._is_wanted(base)
        return wanted


def _billed(rows: Sequence[tuple[Any, ...]], contacts: Contacts | None) -> list[Billed]:
    now = utc_now()
    billed = []
    for _, status, started, ended, cost, rate, created, estimate, eta, job_id in rows:
        start = None if started is None else from_micros(started)
        seen = _Seen(job_id, JobStatus(status), rate, start) if job_id and contacts else None
        lost = contacts.of(seen, now) if seen and contacts else None
        billed.append(
            Billed(
                status=status,
                started_at=start,
                ended_at=None if ended is None else from_micros(ended),
                cost_micros=cost,
                rate_micros=rate,
                expected_micros=_expected(start, rate, estimate, eta),
                created_at=from_micros(created),
                heard_until=None if lost is None else lost.since,
            )
        )
    return billed


def read_lost(query: Query, since: datetime, is_wanted: Callable[[str], bool]) -> tuple[int, int]:
    """Return the number of jobs lost since a moment, and their highest cost in micro-dollars."""
    sql = (  # with the index jobs_billing, SQLite reads the records of failed jobs only
        "SELECT api_base, COUNT(*), SUM(COALESCE(cost_micros, 0)) FROM jobs "
        "WHERE completed_at >= ? AND status = 'failed' AND provider_status = ? GROUP BY api_base"
    )
    rows = [row for row in query(sql, (to_micros(since), LOST)) if is_wanted(row[0])]
    return sum(row[1] for row in rows), sum(row[2] for row in rows)


def _ended(since: datetime, borders: Sequence[datetime]) -> tuple[str, list[int]]:
    """Return the statement for ended jobs and its values."""
    values = [to_micros(since)] * 2
    if not borders:
        return _ENDED, values
    marks = [to_micros(border) for border in borders]
    # The intervals in which a job began and ended; a cost at a border belongs to the one before.
    interval = " + ".join("({0} > ?)" for _ in marks)
    sql = (
        f"WITH ended AS ({_ENDED}), "  # noqa: S608  constants
        f"placed AS (SELECT *, {interval.format(_BEGIN)} AS first, "
        f"{interval.format('completed_at')} AS last FROM ended) "
        f"SELECT {_COLUMNS} FROM placed WHERE first <> last "
        f"UNION ALL SELECT api_base, 'completed', MIN({_BEGIN}), MAX(completed_at), "
        "SUM(COALESCE(cost_micros, 0)), 0, MIN(created_at) FROM placed WHERE first = last "
        "GROUP BY api_base, first"
    )
    return sql, [*values, *marks, *marks]


def _expected(
    start: datetime | None, rate: int, estimate: int | None, eta: int | None
) -> int | None:
    """Return the expected final cost of a running job: by its ETA, else the estimate."""
    if start is None or eta is None:
        return estimate
    return running_cost(rate, start, from_micros(eta))
