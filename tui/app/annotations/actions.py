"""The actions on what is written about jobs, for the list and for a job's page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tui.base.formatting import plural

if TYPE_CHECKING:
    from tui.app.context import AppContext
    from tui.client.client import ControlClient


def edit_annotation(context: AppContext, job_id: str) -> None:
    """Opens the sheet of a job."""
    job = context.reader.job(job_id)
    if job is None:
        return
    from tui.app.annotations.sheet import AnnotationSheet

    context.push_screen(AnnotationSheet(job, context.reader.annotation(job_id)))


def show_warnings(context: AppContext, job_id: str) -> None:
    """Opens the sheet of a run's warnings; says so where it has none."""
    job = context.reader.job(job_id)
    if job is None:
        return
    if not job.warnings:
        context.tell("Nothing is wrong with this run as far as its log tells.")
        return
    from tui.app.annotations.warnings import WarningSheet

    def answered(step: int | None) -> None:
        if step is not None:
            context.open_job(job_id, at_step=step)

    context.push_screen(WarningSheet(job), answered)


def pin_jobs(context: AppContext, job_ids: Sequence[str]) -> None:
    """Pins jobs; where all of them are pinned, takes the pins away."""
    pinned = context.reader.pinned()
    wanted = not all(job_id in pinned for job_id in job_ids)

    async def call(control: ControlClient) -> str:
        for job_id in job_ids:
            await control.change_job(job_id, {"pinned": wanted})
        what = "it stands" if len(job_ids) == 1 else f"{plural(len(job_ids), 'job')} stand"
        return f"Pinned: {what} first." if wanted else "No longer pinned."

    if job_ids:
        context.call_engine(call)
