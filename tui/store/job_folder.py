"""The folder of a job's results."""

from __future__ import annotations

import re

TYPE_CHECKING = False  # `typing` takes longer to load than a short command to run
if TYPE_CHECKING:
    from tui.store.quick_artifacts import QuickProducer
    from tui.store.records import JobRecord


def folder_of(job: JobRecord | QuickProducer) -> str:
    """Return the job's folder below the outputs root: its name in safe characters, and its id."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", job.name).strip("-.")[:60]
    return f"{name or 'job'}-{job.job_id}"
