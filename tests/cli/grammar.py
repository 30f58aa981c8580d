"""What the command line can be asked, read from its parser."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Iterator

from tui.cli.main import build_parser


@functools.cache
def the_parser() -> argparse.ArgumentParser:
    """The parser; to make one takes longer than most that is asked of it."""
    return build_parser()


def commands() -> dict[str, argparse.ArgumentParser]:
    """The parser of each command."""
    subparsers = next(
        action for action in the_parser()._actions if isinstance(action, argparse._SubParsersAction)
    )
    return dict(subparsers.choices)


def verbs() -> Iterator[str]:
    """Every command with each of its actions: `jobs`, `token set`, `token status`, …"""
    for name, parser in commands().items():
        chosen = next((one for one in positionals(parser) if one.choices), None)
        if chosen is None or chosen.nargs == "?":
            yield name
        if chosen is not None:
            yield from (f"{name} {choice}" for choice in chosen.choices or ())


def positionals(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """The arguments of a command that are no options."""
    return [action for action in parser._actions if not action.option_strings]


def takes_json(parser: argparse.ArgumentParser) -> bool:
    """Whether a command answers as JSON."""
    return any("--json" in action.option_strings for action in parser._actions)
