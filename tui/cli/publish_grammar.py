"""The grammar of the publishing commands; apart from them, so that no other command pays for it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import Final

from tui.cli.destination_grammar import add_destinations

TARGETS: Final = (
    "A place is hub:owner/name, s3:destination/prefix, dir:PATH or the name of a destination."
)


def full_path(text: str) -> str:
    """A folder's whole path, seen from where the command was typed; links are not followed."""
    return os.path.abspath(os.path.expanduser(text))  # noqa: PTH100, PTH111  plain text


def add_parsers(add: Callable[..., argparse.ArgumentParser]) -> None:
    """The grammar of the four commands."""
    command = add("publish", "Send a job's files to the Hub, a bucket or a folder.", json=True)
    command.add_argument("id", help="job or prediction id, or its start")
    command.add_argument(
        "--to", required=True, metavar="PLACE",
        help="hub:owner/name, s3:profile/prefix, dir:PATH, or a destination's name",
    )  # fmt: skip
    command.add_argument(
        "--checkpoint", metavar="STEP", help="this one alone: its step, final, or best"
    )
    command.add_argument("--wait", action="store_true", help="stay until everything is verified")
    command.add_argument("--public", action="store_true", help="make a new Hub repository public")
    command.add_argument("--no-card", dest="card", action="store_false", help="no model card")
    command.add_argument(
        "--overwrite-card", action="store_true", help="replace a card that somebody edited"
    )
    command.add_argument(
        "--overwrite", action="store_true", help="replace other files of the same names there"
    )
    command = add("artifacts", "What jobs produced, and where it is published.", json=True)
    command.add_argument("id", nargs="?", help="job or prediction id, or its start")
    command = add("transfers", "What is on its way, and what has arrived.", json=True)
    acts = ("pause", "resume", "cancel", "retry", "up", "down", "top", "clear")
    command.add_argument("action", nargs="?", choices=acts)
    command.add_argument(
        "id", nargs="?", help="a transfer's id, or its start; clear without it takes all that "
        "have ended off the list",
    )  # fmt: skip
    command = add("destinations", "Places to publish to; keys stay in the keyring.", json=True)
    add_destinations(command)
