"""The options of `publish`, `artifacts`, `transfers` and `destinations`, with their help."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import Final

from tui.cli.arguments import JOB_HELP
from tui.cli.free_grammar import add_free

_NONE: Final = "none"
_OWN: Final = f"{_NONE}: the bucket's own"
_HELP: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "hub": {
        "repo": ("OWNER/NAME", "the repository; it is made when it is not there"),
    },
    "folder": {
        "path": ("FOLDER", "where files are copied to; it is made when it is not there"),
    },
    "s3": {
        "bucket": ("BUCKET", "its name"),
        "preset": (
            "PROVIDER",
            (
                "aws (Amazon; the usual one), minio, b2 (Backblaze), r2 (Cloudflare), wasabi, or "
                "custom (any other; the usual one with --endpoint)"
            ),
        ),
        "endpoint": ("URL", "the server, such as http://localhost:9000; Amazon needs none"),
        "account": ("ID", "for r2: the account id, a part of its address"),
        "region": ("REGION", "usually us-east-1, for b2 us-west-004, for r2 auto"),
        "prefix": ("FOLDER", "folder in the bucket; usually its top"),
        "addressing": (
            "HOW",
            (
                "path (https://server/bucket), virtual (https://bucket.server), or auto "
                "(virtual at Amazon, else path)"
            ),
        ),
        "storage_class": (
            "CLASS",
            "STANDARD, STANDARD_IA, ONEZONE_IA, INTELLIGENT_TIERING, GLACIER_IR, …; " + _OWN,
        ),
        "encryption": (
            "HOW",
            "AES256 (keys kept by the server) or aws:kms (a key of the key service); " + _OWN,
        ),
        "kms_key": ("KEY", "for aws:kms: the key's id or ARN; usually the account's own"),
        "acl": (
            "ACL",
            (
                "private, public-read (everybody may read), bucket-owner-full-control, …; "
                f"{_NONE}: the bucket decides, which is right nearly always"
            ),
        ),
        "public_base_url": ("URL", "what links begin with, where no keys are needed to read"),
        "data_role": (
            "ARN",
            "the role whose temporary keys a trainer gets that reads staged data from the bucket",
        ),
    },
}
KINDS: Final = tuple(_HELP)
OPTIONS: Final = {kind: tuple(options) for kind, options in _HELP.items()}
"""Options of each kind of destination, by their names in the API."""
CLEARED: Final = ("storage_class", "encryption", "acl")
"""Options that the value `none` clears."""
_KEYS: Final = (
    "Keys of a bucket are asked for on a terminal, or read from standard input when it is piped: "
    "two lines (access key, secret key), or JSON with access_key and secret_key, as storage-key "
    "create --json prints it. AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are taken for Amazon; "
    "for another server only with --keys-from-env. They are never arguments, and are kept in the "
    "system's keyring."
)


def add_destinations(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `destinations`."""
    command.epilog = _KEYS
    command.add_argument(
        "action", choices=("list", "add", "edit", "keys", "test", "remove"),
        help="edit changes only the options that are given; keys gives a bucket's keys again; "
        "test writes, reads back and deletes",
    )  # fmt: skip
    command.add_argument("name", nargs="?", help="how you call it: cat-models")
    command.add_argument("--kind", choices=KINDS, help="for add")
    for kind, options in _HELP.items():
        group = command.add_argument_group(f"--kind {kind}")
        for name, (metavar, help_text) in options.items():
            group.add_argument(option(name), metavar=metavar, help=help_text)
        if kind == "hub":
            look = group.add_mutually_exclusive_group()
            look.add_argument(
                "--public", dest="private", action="store_false", default=None,
                help="if the repository has to be made, everybody sees it",
            )  # fmt: skip
            look.add_argument(
                "--private", dest="private", action="store_true", default=None,
                help="… only you see it (the usual way)",
            )  # fmt: skip
        if kind == "s3":
            group.add_argument(
                "--keys-from-env", action="store_true",
                help="take the keys from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            )  # fmt: skip
            group.add_argument(
                "--session-only", action="store_true",
                help="keep the keys in the engine's memory alone: they are gone when it ends",
            )  # fmt: skip
    command.add_argument(
        "--force",
        action="store_true",
        help="remove it although half-sent parts lie there, which nobody can remove then",
    )


def option(name: str) -> str:
    """An option as it is typed."""
    return f"--{name.replace('_', '-')}"


TARGETS: Final = (
    "A place is hub:owner/name, s3:destination/prefix, dir:PATH or the name of a destination."
)


def full_path(text: str) -> str:
    """A folder's absolute path from the working directory; links are not followed."""
    return os.path.abspath(os.path.expanduser(text))  # noqa: PTH100, PTH111  plain text


def add_parsers(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the four commands."""
    command = add("publish", "Send a job's files to the Hub, a bucket or a folder.", json=True)
    command.add_argument("id", help=JOB_HELP)
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
    command.add_argument("id", nargs="?", help=JOB_HELP)
    command = add("free", "Delete local files of old runs that are safe elsewhere.", json=True)
    add_free(command)
    command = add("transfers", "What is on its way, and what has arrived.", json=True)
    acts = ("pause", "resume", "cancel", "retry", "up", "down", "top", "clear")
    command.add_argument("action", nargs="?", choices=acts)
    command.add_argument(
        "id", nargs="?", help="a transfer's id, or its start; clear without it takes all that "
        "have ended off the list",
    )  # fmt: skip
    command = add("destinations", "Places to publish to; keys stay in the keyring.", json=True)
    add_destinations(command)
