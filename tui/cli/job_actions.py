"""Commands that act on a job: `cancel`, `collect`, `delete`, `sync`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from tui.base import formatting
from tui.cli import context, exit_codes
from tui.cli.output import say, say_json, tell


def cancel(options: argparse.Namespace) -> int:
    """Cancel a job."""
    job = context.reader().find(options.id)
    answer = context.engine().cancel(job.job_id).result()
    return _print(options, answer, f"{job.name}: {answer['status']}")


def collect(options: argparse.Namespace) -> int:
    """Fetch and verify what a job produced; fails when something is missing."""
    job = context.reader().find(options.id)
    answer = context.engine().collect(job.job_id).result()
    if options.json:
        say_json(answer)
    else:
        for file in answer["files"]:
            say(f"{file['sha256']}  {file['path']}  {formatting.size(file['size'])}")
    for item in answer["missing"]:
        tell(f"missing: {item['what']}: {item['why']}. {item['advice']}".rstrip())
    return exit_codes.FAILED if answer["missing"] else exit_codes.FINE


def delete(options: argparse.Namespace) -> int:
    """Drop a finished job's record."""
    job = context.reader().find(options.id)
    answer = context.engine().delete(job.job_id).result()
    return _print(options, answer, f"{job.name}: record deleted, files kept")


def sync(options: argparse.Namespace) -> int:
    """Bring in jobs started elsewhere."""
    answer = context.engine().sync().result()
    return _print(options, answer, answer["message"])


def _print(options: argparse.Namespace, answer: Mapping[str, object], message: str) -> int:
    if options.json:
        say_json(answer)
    else:
        say(message)
    return exit_codes.FINE
