"""The grammar of `api-key` and `storage-key`."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from typing import Final

from tui.api.scopes import SCOPES

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_TIME: Final = re.compile(r"(\d{1,7})([smhd]?)")
_LONGEST_STORAGE: Final = 7 * 86400
_LONGEST_API: Final = 3650 * 86400


def add_parsers(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the grammar of both commands."""
    key = add("api-key", "Keys for the HTTP API over TCP.", json=True)
    key.add_argument("action", choices=("create", "add", "list", "revoke"), help="add is create")
    key.add_argument("id", nargs="?", help="for revoke")
    key.add_argument("--name", help="what it is for")
    key.add_argument(
        "--scope", choices=SCOPES, default="read",
        help="read looks (the usual one), submit starts and cancels jobs, admin does everything",
    )  # fmt: skip
    key.add_argument(
        "--expires", type=_api_time, metavar="TIME", help="after 12h or 90d; else never"
    )
    pair = add("storage-key", "Keys for your own S3 tools.", json=True)
    pair.add_argument("action", choices=("create", "list", "revoke"))
    pair.add_argument("id", nargs="?", help="for revoke: the access key")
    pair.add_argument(
        "--ttl", type=_storage_time, default="1h", help="how long it works: 30m, 1h, 2d"
    )


def _storage_time(text: str) -> str:
    """The argument of --ttl."""
    return _time(text, _LONGEST_STORAGE, "must be a time from 1s to 7d, such as 30m or 1h")


def _api_time(text: str) -> str:
    """The argument of --expires."""
    return _time(text, _LONGEST_API, "must be a time from 1s to 3650d, such as 12h or 90d")


def _time(text: str, longest: int, words: str) -> str:
    """A length of time such as 90s, 30m, 1h or 2d.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    if not 1 <= seconds_of(text) <= longest:
        raise argparse.ArgumentTypeError(words)
    return text


def seconds_of(text: str) -> int:
    """The seconds of such a text; 0 when it is none."""
    match = _TIME.fullmatch(text)
    return int(match[1]) * _UNITS[match[2] or "s"] if match else 0
