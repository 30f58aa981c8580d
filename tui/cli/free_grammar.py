"""The options of `free`."""

from __future__ import annotations

import argparse
from datetime import timedelta


def add_free(command: argparse.ArgumentParser) -> None:
    """Add the options; without an age and a size those of `[retention]` count."""
    command.add_argument(
        "--older-than", type=_days, metavar="DAYS", help="files of runs that ended longer ago"
    )
    command.add_argument(
        "--keep", type=_gib, metavar="GIB",
        help="the oldest, until what is here has no more than this",
    )  # fmt: skip
    command.add_argument(
        "--dry-run", action="store_true", help="only say what would be deleted; ask nothing"
    )
    command.add_argument("--yes", action="store_true", help="delete them without a question")


def _days(text: str) -> timedelta:
    return timedelta(days=_number(text, 36_500, "days"))


def _gib(text: str) -> int:
    return int(_number(text, 1_000_000, "GiB") * 1024**3)


def _number(text: str, most: int, unit: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= most:  # false for nan as well
        raise argparse.ArgumentTypeError(f"must be 0 to {most} {unit}")
    return number
