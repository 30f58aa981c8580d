"""Commands that write about a job: `rename`, `note`, `tag`, `pin`, `unpin`, `dismiss`."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from tui.base.annotation_text import MOST_NOTE_BYTES
from tui.cli import context, exit_codes
from tui.cli.output import say, say_json

if TYPE_CHECKING:
    from tui.api.jobs import Job, JobChange


def rename(options: argparse.Namespace) -> int:
    """Give a job another name."""
    before = context.reader().find(options.id)
    job = _change(options, {"name": options.name})
    return _answer(options, job, f"{before.name} is now {job['name']}")


def note(options: argparse.Namespace) -> int:
    """Print a job's note, or replace it."""
    if options.text is None:
        store = context.reader()
        job = store.find(options.id)
        text = store.annotation(job.job_id).note or ""
        if options.json:
            say_json({"job_id": job.job_id, "note": text})
        elif text:
            say(text)
        return exit_codes.FINE
    written = _change(options, {"note": _typed() if options.text == "-" else options.text})
    words = "note written" if written["has_note"] else "no note any more"
    return _answer(options, written, f"{written['name']}: {words}")


def _typed() -> str:
    """What standard input holds; a piece more than a note may have, so that it is refused whole."""
    return sys.stdin.buffer.read(MOST_NOTE_BYTES + 1).decode("utf-8", "replace")


def tag(options: argparse.Namespace) -> int:
    """Print a job's tags, or add some and take others away."""
    if not options.add_tags and not options.remove_tags:
        store = context.reader()
        job = store.find(options.id)
        tags = list(store.annotation(job.job_id).tags)
        if options.json:
            say_json({"job_id": job.job_id, "tags": tags})
        else:
            for word in tags:
                say(word)
        return exit_codes.FINE
    written = _change(
        options, {"add_tags": options.add_tags, "remove_tags": options.remove_tags}
    )  # fmt: skip
    return _answer(
        options, written, f"{written['name']}: {', '.join(written['tags']) or 'no tags'}"
    )


def pin(options: argparse.Namespace) -> int:
    """Have a job stand first."""
    job = _change(options, {"pinned": True})
    return _answer(options, job, f"{job['name']}: pinned")


def unpin(options: argparse.Namespace) -> int:
    """No longer have it stand first."""
    job = _change(options, {"pinned": False})
    return _answer(options, job, f"{job['name']}: no longer pinned")


def dismiss(options: argparse.Namespace) -> int:
    """Put warnings of a run away."""
    job = context.reader().find(options.id)
    kinds = options.kinds or [row["kind"] for row in job.warnings if not row["dismissed"]]
    if not kinds:
        say(f"{job.name}: no warning")
        return exit_codes.FINE
    changed = _change(options, {"dismiss": kinds})
    return _answer(options, changed, f"{job.name}: put away {', '.join(kinds)}")


def _change(options: argparse.Namespace, change: JobChange) -> Job:
    job = context.reader().find(options.id)
    return context.engine().change_job(job.job_id, change).result()


def _answer(options: argparse.Namespace, job: Job, words: str) -> int:
    if options.json:
        say_json(job)
    else:
        say(words)
    return exit_codes.FINE
