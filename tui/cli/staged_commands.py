"""`staged`: copies of local datasets that jobs read from elsewhere."""

from __future__ import annotations

import argparse
from datetime import datetime
from typing import TYPE_CHECKING

from tui.base import formatting
from tui.cli import context, exit_codes
from tui.cli.failures import failed
from tui.cli.output import say, say_json, tell
from tui.client.errors import ControlError

if TYPE_CHECKING:
    from tui.api.staging import StagedData


def staged(options: argparse.Namespace) -> int:
    """List what is staged, or remove some of it."""
    if options.action == "remove":
        return _remove(options)
    rows = context.engine().staged().result()
    if options.json:
        say_json(rows)
        return exit_codes.FINE
    for row in rows:
        for line in lines_of(row):
            say(line)
    if not rows:
        tell("Nothing is staged.")
    return exit_codes.FINE


def lines_of(row: StagedData) -> list[str]:
    """How a staged copy is listed."""
    state = "complete" if row["complete"] else "not complete"
    if row["readers"]:
        state += f", read by {', '.join(row['readers'])}"
    if row["keep"]:
        state += ", kept"
    size = f"{formatting.plural(row['images'], 'file')}, {formatting.size(row['bytes'])}"
    since = f"since {formatting.stamp(datetime.fromisoformat(row['created_at']))}"
    place = row["place"] or "unknown place"
    lines = [f"{row['key']}  {place}  {size}  {since}  {state}  {row['where']}".rstrip()]
    if row["problem"]:
        lines.append(f"  not removed yet: {row['problem']}")
    if row["damage"]:
        lines.append(f"  damaged: {row['damage']}")
    return lines


def _remove(options: argparse.Namespace) -> int:
    control = context.engine()
    rows = control.staged().result()
    keys = [row["key"] for row in rows if options.all or row["key"].startswith(options.key or "/")]
    if not options.all and len(keys) != 1:
        what = f"{len(keys)} begin with {options.key}" if options.key else "none is named"
        raise ControlError(
            f"One staged set is removed at a time, and {what}.",
            "Name it as `simpletuner-tui staged list` does, or give --all.",
            status=404,
            code="not_found",
        )
    stays: list[str] = []
    removed = []
    for key in keys:
        try:
            removed.append(control.remove_staged(key).result()["removed"])
        except ControlError as error:
            if not options.all:
                raise
            stays.append(f"{key} stays: {error.message}")
            tell(stays[-1])
    if options.json:
        answer = {"removed": removed}
        say_json(failed(answer, "in_use", " ".join(stays)) if stays else answer)
    else:
        for key in removed:
            say(f"{key} removed")
    return exit_codes.FAILED if stays else exit_codes.FINE
