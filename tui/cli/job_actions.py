"""Commands that act on a job: `cancel`, `collect`, `delete`, `sync`."""

from __future__ import annotations

import argparse
from typing import Any

from tui.base import formatting
from tui.cli import context, exit_codes
from tui.cli.output import say, say_json, tell


def cancel(options: argparse.Namespace) -> int:
    """Cancel a job."""
    job = context.reader().find(options.id)
    answer = context.engine().request("POST", f"/api/cloud/jobs/{job.job_id}/cancel")
    return _answer(options, answer, f"{job.name}: {answer['status']}")


def collect(options: argparse.Namespace) -> int:
    """Fetch and verify what a job produced; fails when something is missing."""
    job = context.reader().find(options.id)
    path = f"/api/cloud/jobs/{job.job_id}/collect"
    answer = context.engine().request("POST", path, timeout=3600)
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
    answer = context.engine().request("DELETE", f"/api/cloud/jobs/{job.job_id}")
    return _answer(options, answer, f"{job.name}: record deleted, files kept")


def sync(options: argparse.Namespace) -> int:
    """Bring in jobs started elsewhere."""
    answer = context.engine().request("POST", "/api/cloud/jobs/sync", timeout=600)
    return _answer(options, answer, answer["message"])


def _answer(options: argparse.Namespace, answer: dict[str, Any], words: str) -> int:
    if options.json:
        say_json(answer)
    else:
        say(words)
    return exit_codes.FINE
