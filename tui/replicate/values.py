"""Parses single values of answers, such as times, texts and JSON, tolerating malformed ones."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from tui.base.json_types import JsonObject

_MOST_BITS = 1024
"""Bits of an integer up to which a float holds it."""
_MOST_DIGITS = 400
_DEEPEST = 100
_FIRST_YEAR, _LAST_YEAR = 2000, 2200
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def parse_time(value: object) -> datetime | None:
    """Parse an ISO 8601 time as aware UTC.

    Replicate writes 3, 6 or 9 fractional digits and `Z`; a time without zone is taken as UTC.

    Raises:
        ValueError: not a time.
    """
    if value is None or value == "":
        return None
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, str):
        moment = datetime.fromisoformat(value.strip())
    else:
        raise ValueError("not a time")  # noqa: TRY004  # what pydantic's validators may raise
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("not a time in any calendar of ours") from error


def plausible_time(value: object) -> datetime | None:
    """Parse the time of an event at the service; sums with it stay in the calendar.

    Raises:
        ValueError: not a time, or one at which there was or will be no service.
    """
    moment = parse_time(value)
    if moment is not None and not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise ValueError("not a time of this service")
    return moment


def parse_http_date(value: str | None) -> datetime | None:
    """Parse the time of a `Date` or `Retry-After` header; None if it is malformed."""
    if not value:
        return None
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def format_time(moment: datetime) -> str:
    """Format an aware time for a query of the API: UTC, microseconds, `Z`."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def as_text(value: object) -> str | None:
    """Text as it is; anything else as compact JSON, so that nothing that was said gets lost."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def as_mapping(value: object) -> JsonObject:
    """A JSON object.

    Raises:
        ValueError: something else.
    """
    if not isinstance(value, Mapping):
        raise ValueError("not an object")  # noqa: TRY004  # what pydantic's validators may raise
    return dict(value)


def as_links(value: object) -> dict[str, str]:
    """The `urls` of an answer: only the entries that are text."""
    return {name: link for name, link in as_mapping(value).items() if isinstance(link, str)}


def load_json(body: bytes) -> Any:
    """Parse JSON from the network: broken UTF-8 and lone surrogates become U+FFFD.

    A log may be cut in the middle of a character; the rest of the answer is valid, and text that
    cannot be encoded again would fail later, in the store or on the screen.

    Raises:
        ValueError: not JSON, or nested too deep to be an answer.
    """
    text = body.decode("utf-8-sig", "replace")
    try:
        value = json.loads(text, parse_int=_integer, parse_constant=lambda _name: None)
        return _without_surrogates(value) if "\\ud" in text.lower() else value
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def _integer(digits: str) -> int | None:
    """A JSON integer; None for one that is longer than any that means something here."""
    return int(digits) if len(digits) <= _MOST_DIGITS else None


def tame(value: Any, depth: int = 0) -> Any:
    """JSON data that can be stored, computed with and written as JSON again.

    Numbers that no float holds, those that are none, and what nests deeper than `_DEEPEST` become
    None: unknown. Lone surrogates become U+FFFD.
    """
    if depth > _DEEPEST:
        return None
    if isinstance(value, str):
        return _LONE_SURROGATE.sub("\ufffd", value) if not value.isascii() else value
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value if value.bit_length() <= _MOST_BITS else None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list | tuple):
        return [tame(item, depth + 1) for item in value]
    if isinstance(value, Mapping):
        return {tame(str(name)): tame(item, depth + 1) for name, item in value.items()}
    return value


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return _LONE_SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(k): _without_surrogates(v) for k, v in value.items()}
    return value
