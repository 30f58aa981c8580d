"""The command `compare`: what differs between jobs, and what came of it."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tui.base import formatting
from tui.cli import context, exit_codes
from tui.cli.failures import wrong_usage
from tui.cli.output import say, say_json, table
from tui.store.comparison import FEWEST, MOST, compare_jobs, differing_words, loss_words

if TYPE_CHECKING:
    from tui.api.comparison import Comparison


def compare(options: argparse.Namespace) -> int:
    """Print a table of jobs: settings that differ, and below them the results."""
    store = context.reader()
    jobs = [store.find(text) for text in options.id]
    if len({job.job_id for job in jobs}) < len(jobs):
        raise wrong_usage("The same job is named twice.")
    if not FEWEST <= len(jobs) <= MOST:
        raise wrong_usage(f"From {FEWEST} to {MOST} jobs can be compared, not {len(jobs)}.")
    found = compare_jobs(store, jobs, datetime.now(UTC), everything=options.all)
    if options.json:
        say_json(found)
        return exit_codes.FINE
    for remark in found["remarks"]:
        say(remark)
    for line in table(rows_of(found)):
        say(line)
    return exit_codes.FINE


def rows_of(found: Comparison) -> list[list[str]]:
    """Return the rows of the table, the labels of the jobs first."""
    jobs = found["jobs"]
    rows = [[differing_words(found), *(job["label"] for job in jobs)]]
    rows += [[one["name"], *(value or "-" for value in one["values"])] for one in found["settings"]]
    rows += [
        ["loss, smoothed", *(loss_words(job) for job in jobs)],
        ["best loss", *(_best(job["best_loss"], job["best_step"]) for job in jobs)],
        ["seconds per step", *(formatting.number(job["seconds_per_step"]) for job in jobs)],
        ["cost", *(_cost(job["cost_usd"], job["cost_bound"]) for job in jobs)],
        ["steps", *(f"{job['steps'] or 0} of {job['total_steps'] or '?'}" for job in jobs)],
        ["pictures", *(str(job["pictures"]) for job in jobs)],
        ["state", *(job["status"] for job in jobs)],
    ]
    return rows


def _best(value: float | None, step: int | None) -> str:
    return formatting.number(value) if step is None else f"{formatting.number(value)} @{step}"


def _cost(dollars: float | None, bound: str) -> str:
    return formatting.cost_words(None if dollars is None else round(dollars * 1e6), bound)
