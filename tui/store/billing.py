"""What has to be read of jobs to add up money."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from tui.store.columns import from_micros, to_micros
from tui.store.records import Billed

_COLUMNS: Final = "api_base, status, started_at, completed_at, cost_micros, rate_micros, created_at"
_SQL: Final = (
    # Ended jobs, from the index alone; deleted ones, from the ledger; then what has no end: active
    # jobs whatever their age, and the few that ended without anybody knowing when.
    f"SELECT {_COLUMNS}, NULL, NULL FROM jobs WHERE completed_at >= ?1 "  # noqa: S608  constants
    f"UNION ALL SELECT {_COLUMNS}, NULL, NULL FROM ledger WHERE completed_at >= ?1 "
    f"UNION ALL SELECT {_COLUMNS}, estimate_micros, eta_at FROM jobs "
    "WHERE completed_at IS NULL"
)

Query = Callable[[str, Sequence[Any]], list[Any]]


def read_billed(
    query: Query, since: datetime, sandbox: bool, is_sandbox: Callable[[str], bool]
) -> list[Billed]:
    """Jobs that may have cost something after `since`, and all that may still cost something.

    Args:
        query: runs a statement on the store.
        since: jobs that ended before are left out.
        sandbox: whether pretended or real money is meant; the two are never added.
        is_sandbox: tells by a job's API base which it is.
    """
    kinds: dict[str, bool] = {}
    found = []
    for base, status, started, ended, cost, rate, created, estimate, eta in query(
        _SQL, (to_micros(since),)
    ):
        if base not in kinds:
            kinds[base] = is_sandbox(base)
        if kinds[base] is not sandbox:
            continue
        start = None if started is None else from_micros(started)
        found.append(
            Billed(
                status=status,
                started_at=start,
                ended_at=None if ended is None else from_micros(ended),
                cost_micros=cost,
                rate_micros=rate,
                expected_micros=_expected(start, rate, estimate, eta),
                created_at=from_micros(created),
            )
        )
    return found


def _expected(
    start: datetime | None, rate: int, estimate: int | None, eta: int | None
) -> int | None:
    """What a job that runs will have cost in the end: by its own pace, else by the estimate."""
    if start is None or eta is None:
        return estimate
    return max(0, (from_micros(eta) - start) // timedelta(microseconds=1)) * rate // 1_000_000
