"""The grammar of `rename`, `note`, `tag`, `pin`, `unpin` and `dismiss`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

from tui.cli.arguments import JOB_HELP

_KINDS = ("not_finite", "diverging", "stalled", "slower")


def _kind(text: str) -> str:
    """Read the kind of a warning. `choices` would refuse a command without one."""
    if text not in _KINDS:
        message = f"no warning {text!r} (there are {', '.join(_KINDS)})"
        raise argparse.ArgumentTypeError(message)
    return text


class _Tags(argparse.Action):
    """Sorts `+x`, `x` and `-y`, which the parser would take for an option of its own."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,  # noqa: ARG002  argparse names it
    ) -> None:
        words = [str(word) for word in values or ()]
        if "--json" in words:
            namespace.json = True
        words = [word for word in words if word not in ("--json", "--")]
        if wrong := next((word for word in words if word.startswith("--")), None):
            parser.error(f"unrecognized argument: {wrong}")
        namespace.add_tags = [word for word in words if not word.startswith("-")]
        namespace.remove_tags = [word[1:] for word in words if word.startswith("-")]


def add_parsers(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the commands.

    Args:
        add: makes the parser of a command from its name and summary.
    """
    rename = add("rename", "Name a job anew; what was sent stays as it was.", json=True)
    rename.add_argument("id", help=JOB_HELP)
    rename.add_argument("name", help="shown everywhere")
    note = add("note", "Write a note about a job, or print it.", json=True)
    note.add_argument("id", help=JOB_HELP)
    note.add_argument(
        "text", nargs="?", help="instead of the present note; - reads it; '' deletes it"
    )
    tag = add("tag", "Tag a job, or print its tags.", json=True)
    tag.add_argument("id", help=JOB_HELP)
    tag.add_argument(
        "tags", nargs=argparse.REMAINDER, action=_Tags, metavar="+TAG|-TAG",
        help="add or take away; the filter tag:TAG finds it",
    )  # fmt: skip
    add("pin", "Have a job stand first in the app's list.", json=True).add_argument(
        "id", help=JOB_HELP
    )
    dismiss = add("dismiss", "Put warnings of a run away, for as long as it runs.", json=True)
    dismiss.add_argument("id", help=JOB_HELP)
    dismiss.add_argument(
        "kinds", nargs="*", type=_kind, default=[], metavar="WARNING",
        help=f"{', '.join(_KINDS)}; all without",
    )  # fmt: skip
    add("unpin", "No longer have it stand first.", json=True).add_argument("id", help=JOB_HELP)
