"""The options of `check` and `submit` that say where results go."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, Final

from tui.base.json_types import JsonObject

DELIVERY: Final = (
    ("kind", "--delivery"),
    ("hub_model_id", "--hub-model-id"),
    ("destination", "--s3-destination"),
    ("bucket", "--s3-bucket"),
    ("region", "--s3-region"),
    ("prefix", "--s3-prefix"),
    ("public_base_url", "--s3-public-url"),
)
"""Fields of a draft's delivery, each with its option."""
SWITCHES: Final = {
    "model_card_private": ("--private", "the repository is private"),
    "push_checkpoints_to_hub": ("--push-checkpoints", "checkpoints are sent as well"),
    "push_to_hub_background": ("--hub-background", "training goes on while it uploads"),
    "model_card_safe_for_work": ("--safe-for-work", "what the model card says"),
}
"""Options of the config that are true or false; each has a `--no-…` as well."""
PROSE: Final = {
    "model_card_note": ("--card-note", "free text on the model card"),
    "modelspec_comment": ("--modelspec-comment", "text kept in the model file"),
}
_HELP: Final = {
    "hub_model_id": ("OWNER/NAME", "repository; web addresses of it are taken as well"),
    "destination": ("NAME", "one of `destinations list`; the trainer gets its keys as secrets"),
    "bucket": ("BUCKET", "instead of the destination's"),
    "region": ("REGION", "instead of the destination's"),
    "prefix": ("PREFIX", "before all keys; {job_id} in it is the job's id"),
    "public_base_url": ("URL", "what links begin with"),
}


def add_options(command: argparse.ArgumentParser) -> None:
    """Add the options to a command."""
    command.add_argument("--delivery", choices=("local", "hub", "s3", "none"))
    for name, option in DELIVERY[1:]:
        metavar, help_text = _HELP[name]
        kept = option.removeprefix("--").replace("-", "_")
        command.add_argument(option, dest=kept, metavar=metavar, type=_reader(name), help=help_text)
    for name, (option, help_text) in SWITCHES.items():
        command.add_argument(
            option, dest=name, action=argparse.BooleanOptionalAction, default=None, help=help_text
        )
    for name, (option, help_text) in PROSE.items():
        command.add_argument(option, dest=name, metavar="TEXT", type=_prose(name), help=help_text)


def delivery_of(options: argparse.Namespace) -> JsonObject:
    """The draft's delivery that the options describe; None where an option was not given."""
    return {
        name: getattr(options, option.removeprefix("--").replace("-", "_"))
        for name, option in DELIVERY
    }


def overrides_of(options: argparse.Namespace) -> JsonObject:
    """The config options that the command line overrides; None where one was not given."""
    return {name: getattr(options, name) for name in (*SWITCHES, *PROSE)}


def _reader(name: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        from tui.simpletuner.request.delivery import read_field

        try:
            return read_field(name, text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read


def _prose(name: str) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        from tui.simpletuner.config.overrides import parse_override

        try:
            return parse_override(name, text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read
