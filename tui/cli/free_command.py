"""`free`: disk use, and the local files of old runs that are safe elsewhere."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime
from typing import TYPE_CHECKING

from tui.base import formatting
from tui.base.clock import utc_now
from tui.cli import context, exit_codes
from tui.cli.output import say, say_json, tell
from tui.cli.store_answers import artifacts_of_jobs
from tui.store.retention import FACT, disk_use, freeable, limits_of, needed_runs, retention_rules

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tui.api.artifacts import FilesCleared
    from tui.settings import RetentionSettings
    from tui.store.retention import Freeable


def free(options: argparse.Namespace) -> int:
    """Say what may go, ask, and have the engine delete it once each copy was verified again.

    Nothing of active or pinned runs goes, and no file that is not published elsewhere.
    """
    store = context.reader()
    rows = list(store.rows(store.job_ids()).values())
    retention = context.settings().retention
    older_than, most_bytes = options.older_than, options.keep
    if older_than is None and most_bytes is None:
        older_than, most_bytes = limits_of(retention.days, retention.gib)
    chosen = freeable(
        rows, _safe_files, utc_now(), needed=needed_runs(store, rows), older_than=older_than,
        most_bytes=most_bytes,
    )  # fmt: skip
    cleared: list[FilesCleared] = []
    last = store.fact(FACT)
    if not options.json:
        say(f"{formatting.size(disk_use(rows))} of delivered files are here.")
        say(retention_words(retention, None if last is None else last.value))
    if chosen and _agreed(options, chosen):
        publishing = context.engine().publishing
        cleared = [
            publishing.clear(one.row.job_id, list(one.names)).result()
            for one in chosen
            if one.row.job_id not in store.pinned()  # it may have been pinned meanwhile
        ]
    if options.json:
        say_json({
            "bytes": disk_use(rows),
            "retention": {
                "days": retention.days, "gib": retention.gib,
                "last": None if last is None else last.value,
            },
            "freeable": [
                {"job_id": one.row.job_id, "name": one.row.name, "files": list(one.names),
                 "bytes": one.bytes}
                for one in chosen
            ],
            "cleared": cleared,
        })  # fmt: skip
    else:
        _say_cleared(cleared)
    kept = any(answer["kept"] for answer in cleared)
    return exit_codes.FAILED if kept else exit_codes.FINE


def retention_words(wanted: RetentionSettings, last: Mapping[str, object] | None) -> str:
    """Return what `[retention]` says, and what the engine did last by it, as a line."""
    rules = retention_rules(wanted)
    words = f"[retention] deletes what is safe elsewhere: {rules}."
    if not rules:
        words = "[retention] is off: nothing is deleted by itself."
    if last is None:
        return words
    at = formatting.stamp(datetime.fromisoformat(str(last["at"])))
    files = formatting.plural(int(str(last["files"])), "file")
    return f"{words} Last, {at}: {files}, {formatting.size(int(str(last['bytes'])))}."


def _safe_files(job_id: str) -> Sequence[tuple[str, int]]:
    return [
        (file["name"], file["size"])
        for job in artifacts_of_jobs(job_id)
        for file in job["files"]
        if file["here"] and file["published"]
    ]


def _agreed(options: argparse.Namespace, chosen: Sequence[Freeable]) -> bool:
    show = tell if options.json else say
    for one in chosen:
        files = formatting.plural(len(one.names), "file")
        show(f"{one.row.job_id}  {one.row.name}  {files}, {formatting.size(one.bytes)}")
    total = formatting.size(sum(one.bytes for one in chosen))
    if options.dry_run:
        tell(f"{total} may go; nothing was deleted.")
        return False
    if options.yes:
        return True
    if not sys.stdin.isatty():
        tell(f"{total} may go: --yes deletes them here. Copies elsewhere stay.")
        return False
    sys.stderr.write(f"Delete them here? {total}; copies elsewhere stay. [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _say_cleared(cleared: Sequence[FilesCleared]) -> None:
    for answer in cleared:
        for file in answer["deleted"]:
            say(f"deleted {file['name']}; a copy is at {file['at']}")
        for left in answer["kept"]:
            tell(f"kept {left['name']}: {left['why']}")
