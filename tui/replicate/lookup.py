"""Finding a run that was perhaps started."""

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

# `Date` has whole seconds and an answer takes a while; Replicate's two back ends disagree about
# the same job's creation by some milliseconds.
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
    wanted = input_fingerprint(values, hidden)

    def same_content(row: Prediction) -> bool:
        return is_version(row, version) and input_fingerprint(row.input, hidden) == wanted

    is_match = matches or same_content
    deadline = time.monotonic() + patience
    pause = _FIRST_PAUSE
    while True:
        rows = await _rows_since(session, since, clock_offset)
        found = [row for row in rows if is_match(row)]
        if not all(row.id for row in found):
            raise BadAnswerError(f"{session.base.service} lists the job without its id.")
        left = deadline - time.monotonic()
        if found or left <= 0:
            found = found or [
                row for row in rows if row.id and row.data_removed and is_version(row, version)
            ]
            return sorted(found, key=lambda row: row.created_at or since)
        await asyncio.sleep(min(pause, left))
        pause = min(pause * 2, _LONGEST_PAUSE)


async def _rows_since(
    session: Session, since: datetime, clock_offset: timedelta | None
) -> list[Prediction]:
    """The newest pages, down to `since`, each row once.

    Filtered here and not by the service: it is its clock that the rows carry, and how far that is
    from ours is known only after it has answered.
    """
    call = Call("the look-up of the job", "GET", session.base.path("predictions"))
    found: list[Prediction] = []
    seen: set[str] = set()  # a page moves on by a row when a prediction is created meanwhile
    async for page in pages(session, call, Prediction, whole=True):
        offset = session.clock_offset if clock_offset is None else clock_offset
        start = since.astimezone(UTC) + (offset or timedelta()) - CLOCK_MARGIN
        young = [row for row in page if row.created_at is None or row.created_at >= start]
        found += [row for row in young if row.id not in seen]
        seen |= {row.id for row in young if row.id}
        if page and not any(row.created_at is not None for row in young):
            break
    return found


def is_version(row: Prediction, version: str) -> bool:
    """Whether a prediction may be one of `version` (`64hex` or `owner/name:64hex`)."""
    model, _, given = version.rpartition(":")
    if row.version == given:
        return True
    if "/" in given:  # an official model, named without a version
        return row.model == given
    # Rows of hidden versions and odd old rows do not tell; then the model decides.
    return not _is_hex(row.version) and (not model or not row.model or row.model == model)


def _is_hex(text: str) -> bool:
    return len(text) == 64 and all(c in "0123456789abcdef" for c in text)


def input_fingerprint(values: Mapping[str, Any], secret_names: Collection[str] = ()) -> str:
    """SHA-256 (hex) over the inputs in one canonical form, without the secret ones.

    The service hands inputs back through its own JSON code, so differences that JSON does not
    promise to keep are levelled: order of keys, `1.0` and `1`, a null and a missing input.
    Secret inputs may come back masked, so those in `secret_names`, and every value that is a
    `Secret`, are left out; give the same names for both sides of a comparison.
    """
    plain = {
        str(name): _canonical(value)
        for name, value in values.items()
        if value is not None and name not in secret_names and not isinstance(value, Secret)
    }
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def secret_input_names(values: Mapping[str, Any]) -> frozenset[str]:
    """Names of the inputs that are wrapped as `Secret`."""
    return frozenset(name for name, value in values.items() if isinstance(value, Secret))


def _canonical(value: Any) -> Any:
    if isinstance(value, Secret):  # deep inside an object: its place counts, its value does not
        return None
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {str(name): _canonical(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    return value
