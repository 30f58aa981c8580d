"""Answers that follow from the store alone, so that no command waits for an engine to give them.

Where none answers, its services compute them in the command's own process, from the same store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.cli import context

if TYPE_CHECKING:
    from tui.api.artifacts import JobArtifacts
    from tui.api.spending import SpendingSummary


def spending_summary(days: int) -> SpendingSummary:
    """What was spent in the last days.

    Raises:
        ApiError: an impossible number of days.
        StoreError: the store cannot be read.
    """
    if (engine := context.answering_engine()) is not None:
        return engine.cloud.spending(days).result()
    store = context.reader()
    from tui.base.clock import utc_now
    from tui.engine.config.live import LiveSettings
    from tui.engine.spending.service import SpendingService

    settings = context.settings()
    live = LiveSettings(context.home(), settings)
    service = SpendingService(store, live, utc_now, lambda: context.contacts(store))
    return service.summary(settings.cloud.api_base, days)


def artifacts_of_jobs(job: str) -> list[JobArtifacts]:
    """What one job produced, or every job that produced something.

    Args:
        job: the beginning of an id; "" for all jobs.

    Raises:
        UnknownJobError: there is no such job.
        StoreError: the store cannot be read.
    """
    if (engine := context.answering_engine()) is not None:
        job_id = context.reader().find(job).job_id if job else ""
        return engine.publishing.artifacts(job_id).result()
    from tui.engine.transfers.artifacts import artifacts_in_store

    return artifacts_in_store(context.reader(), job, context.outputs())
