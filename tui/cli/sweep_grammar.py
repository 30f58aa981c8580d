"""The grammar of `sweep`, `queue`, and of the options of `submit` that make a sweep."""

from __future__ import annotations

import argparse
from collections.abc import Callable

ACTIONS = ("list", "show", "cancel", "resume")


def add_parsers(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the commands.

    Args:
        add: makes the parser of a command from its name and summary.
    """
    sweep = add("sweep", "Sweeps: look at them, cancel one whole, go on with a stopped one.",
                json=True)  # fmt: skip
    sweep.add_argument("action", nargs="?", default="list", choices=ACTIONS)
    sweep.add_argument("name", nargs="?", help="the sweep, as `sweep list` names it")
    sweep.add_argument("--yes", action="store_true", help="agree to cancel all of its jobs")
    add("queue", "Jobs of sweeps that wait for their turn.", json=True)


def add_options(submit: argparse.ArgumentParser) -> None:
    """Add what makes several jobs of one `submit`."""
    submit.add_argument("more", nargs="*", metavar="CONFIG", help="further configs: a sweep")
    add_axes(submit)


def add_axes(command: argparse.ArgumentParser) -> None:
    """Add what makes several jobs of one config."""
    command.add_argument(
        "--sweep", type=_axis, action="append", default=[], metavar="NAME=VALUE,VALUE",
        help="run every value of an option; given again, every combination. A value with a "
        "comma stands in double quotes",
    )  # fmt: skip
    command.add_argument(
        "--at-once", type=_at_once, metavar="N",
        help="of a sweep, how many jobs may be under way at a time (2)",
    )  # fmt: skip


def _axis(text: str) -> tuple[str, tuple[str, ...]]:
    from tui.simpletuner.sweep import AxisError, read_axis

    try:
        axis = read_axis(text)
    except AxisError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return axis.name, axis.texts


def _at_once(text: str) -> int:
    from tui.simpletuner.sweep import MOST_AT_ONCE

    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 5 else 0
    if not 1 <= number <= MOST_AT_ONCE:
        raise argparse.ArgumentTypeError(f"must be 1 to {MOST_AT_ONCE}")
    return number
