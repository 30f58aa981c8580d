"""Finds a prediction whose creation had no certain outcome, by version, time and input."""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import time
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tui.replicate.errors import BadAnswerError
from tui.replicate.models import Prediction
from tui.replicate.pages import pages
from tui.replicate.secret import Secret
from tui.replicate.session import Call, Session

# The Date header has whole seconds and an answer takes time; Replicate's two back ends differ by
# some milliseconds in the creation time of the same job.
CLOCK_MARGIN = timedelta(seconds=5)
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
    clock_offset: timedelta | None = None,
    matches: Callable[[Prediction], bool] | None = None,
) -> list[Prediction]:
    """See `ReplicateClient.find_submitted`."""
    hidden = frozenset(secret_names) | secret_input_names(values)
    expected = input_fingerprint(values, hidden)

    def same_content(row: Prediction) -> bool:
        return is_version(row, version) and input_fingerprint(row.input, hidden) == expected

    is_match = matches or same_content
    deadline = time.monotonic() + patience
    pause = _FIRST_PAUSE
    while True:
        # A slow answer says what was listed when it was asked for, not when it came.
        remaining = deadline - time.monotonic()
        rows = await _rows_since(session, since, clock_offset)
        matching = [row for row in rows if is_match(row)]
        if not all(row.id for row in matching):
            raise BadAnswerError(f"{session.base.service} lists the job without its id.")
        if matching or remaining <= 0:
            matching = matching or [
                row for row in rows if row.id and row.data_removed and is_version(row, version)
            ]
            return sorted(matching, key=lambda row: row.created_at or since)
        await asyncio.sleep(max(0.0, min(pause, deadline - time.monotonic())))
        pause = min(pause * 2, _LONGEST_PAUSE)


async def _rows_since(
    session: Session, since: datetime, clock_offset: timedelta | None
) -> list[Prediction]:
    """Return the rows of the newest pages, down to `since`, each once.

    Filtered here and not by the service: rows have the times of its clock, and its offset from ours
    is known only after an answer.
    """
    call = Call("the look-up of the job", "GET", session.base.path("predictions"))
    rows: list[Prediction] = []
    seen: set[str] = set()  # rows move to the next page when a prediction is created meanwhile
    async for page in pages(session, call, Prediction, whole=True):
        offset = session.clock_offset if clock_offset is None else clock_offset
        start = since.astimezone(UTC) + (offset or timedelta()) - CLOCK_MARGIN
        recent = [row for row in page if row.created_at is None or row.created_at >= start]
        rows += [row for row in recent if row.id not in seen]
        seen |= {row.id for row in recent if row.id}
        if page and not any(row.created_at is not None for row in recent):
            break
    return rows


def is_version(row: Prediction, version: str) -> bool:
    """Whether a prediction may be of `version` (`64hex` or `owner/name:64hex`)."""
    model, _, given = version.rpartition(":")
    if row.version == given:
        return True
    if "/" in given:  # an official model, named without a version
        return row.model == given
    # Rows of hidden versions and some old rows have no version; then the model decides.
    return not _is_hex(row.version) and (not model or not row.model or row.model == model)


def _is_hex(text: str) -> bool:
    return len(text) == 64 and all(c in "0123456789abcdef" for c in text)


def input_fingerprint(values: Mapping[str, Any], secret_names: Collection[str] = ()) -> str:
    """Return the SHA-256 (hex) of the inputs in a canonical form, without the secret ones.

    The service returns inputs through its own JSON code, so differences that JSON may not preserve
    are ignored: order of keys, `1.0` and `1`, a null and a missing input. Secret inputs may come
    back masked, so those in `secret_names`, and every value that is a `Secret`, are left out; pass
    the same names for both sides of a comparison.
    """
    plain = {
        str(name): _canonical(value)
        for name, value in values.items()
        if value is not None and name not in secret_names and not isinstance(value, Secret)
    }
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def secret_input_names(values: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of the inputs that are `Secret`."""
    return frozenset(name for name, value in values.items() if isinstance(value, Secret))


def _canonical(value: Any) -> Any:
    if isinstance(value, Secret):  # inside an object: its key counts, its value does not
        return None
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {str(name): _canonical(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    return value
