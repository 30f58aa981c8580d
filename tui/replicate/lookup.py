"""Finding a run that was perhaps started."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tui.replicate.fingerprint import input_fingerprint, secret_input_names
from tui.replicate.models import Prediction
from tui.replicate.pages import pages
from tui.replicate.session import Call, Session

# `Date` has whole seconds and an answer takes a while; Replicate's two back ends disagree about
# the same job's creation by some milliseconds.
_CLOCK_MARGIN = timedelta(seconds=5)
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 4.0


async def find_submitted(
    session: Session,
    *,
    version: str,
    values: Mapping[str, Any],
    since: datetime,
    secret_names: Collection[str],
    patience: float,
) -> list[Prediction]:
    """See `ReplicateClient.find_submitted`."""
    hidden = frozenset(secret_names) | secret_input_names(values)
    wanted = input_fingerprint(values, hidden)
    deadline = time.monotonic() + patience
    pause = _FIRST_PAUSE
    while True:
        rows = await _rows_since(session, since)
        same_version = [row for row in rows if _is_version(row, version)]
        matches = [r for r in same_version if input_fingerprint(r.input, hidden) == wanted]
        left = deadline - time.monotonic()
        if matches or left <= 0:
            found = matches or [row for row in same_version if row.data_removed]
            return sorted(found, key=lambda row: row.created_at or since)
        await asyncio.sleep(min(pause, left))
        pause = min(pause * 2, _LONGEST_PAUSE)


async def _rows_since(session: Session, since: datetime) -> list[Prediction]:
    """The newest pages, down to `since`.

    Filtered here and not by the service: it is its clock that the rows carry, and how far that is
    from ours is known only after it has answered.
    """
    call = Call("the look-up of the job", "GET", session.base.path("predictions"))
    found: list[Prediction] = []
    async for page in pages(session, call, Prediction):
        start = since.astimezone(UTC) + (session.clock_offset or timedelta()) - _CLOCK_MARGIN
        young = [row for row in page if row.created_at is None or row.created_at >= start]
        found += [row for row in young if row.id]
        if page and not any(row.created_at is not None for row in young):
            break
    return found


def _is_version(row: Prediction, version: str) -> bool:
    model, _, given = version.rpartition(":")
    if row.version == given:
        return True
    if "/" in given:  # an official model, named without a version
        return row.model == given
    # Rows of hidden versions and odd old rows do not tell; then the model decides.
    return not _is_hex(row.version) and (not model or not row.model or row.model == model)


def _is_hex(text: str) -> bool:
    return len(text) == 64 and all(c in "0123456789abcdef" for c in text)
