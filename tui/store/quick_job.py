"""One job for the page that `job` prints, without the imports of `store.reader`."""

from __future__ import annotations

import json

from tui.base.job_status import LOST, JobStatus
from tui.store.moments import from_micros

TYPE_CHECKING = False  # `typing` takes longer to load than a short command to run
if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from typing import Any, NamedTuple

    from tui.api.jobs import JobWarning
    from tui.store.quick_reader import QuickReader
    from tui.store.run_state import StoredDiagnosis
    from tui.store.submit_state import SubmitState
else:
    from tui.base.light_tuple import NamedTuple


class QuickJob(NamedTuple):
    """What is shown of a job; the fields of `store.records.JobRecord`."""

    job_id: str
    name: str
    model_family: str
    model_flavour: str
    model_type: str
    status: JobStatus
    stage: str
    model: str
    version: str
    hardware: str
    rate_micros: int
    step: int | None
    total_steps: int | None
    loss: float | None
    loss_smoothed: float | None
    loss_best: float | None
    best_step: int | None
    cost_micros: int | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    prediction_id: str
    provider_status: str
    web_url: str
    output_url: str
    error: str
    submit: SubmitState
    diagnosis: StoredDiagnosis
    warnings: list[JobWarning]

    @property
    def is_lost(self) -> bool:
        """Whether Replicate does not know it any more; its cost is an upper bound then."""
        return self.provider_status == LOST


class QuickFile(NamedTuple):
    """A file of a job: its path below the outputs folder, bytes, checksum."""

    path: str
    size: int
    sha256: str


class QuickNote(NamedTuple):
    """What the user wrote about a job."""

    tags: tuple[str, ...]
    pinned: bool
    note: str | None


_READ: dict[str, Callable[[Any], Any]] = {
    "status": JobStatus,
    "created_at": from_micros,
    "started_at": from_micros,
    "completed_at": from_micros,
    "submit": json.loads,
    "diagnosis": json.loads,
    "warnings": json.loads,
}


def read_job(query: QuickReader, job_id: str) -> QuickJob | None:
    """The job of a whole id."""
    names = QuickJob._fields
    rows = query(f"SELECT {', '.join(names)} FROM jobs WHERE job_id = ?", (job_id,))  # noqa: S608
    if not rows:
        return None
    return QuickJob._make(
        value if value is None or name not in _READ else _READ[name](value)
        for name, value in zip(names, rows[0], strict=True)
    )


def read_files(query: QuickReader, job_id: str) -> list[QuickFile]:
    """Its files, by path."""
    sql = "SELECT path, size, sha256 FROM files WHERE job_id = ? ORDER BY path"
    return [QuickFile._make(row) for row in query(sql, (job_id,))]


def read_note(query: QuickReader, job_id: str) -> QuickNote | None:
    """What was written about it."""
    rows = query("SELECT tags, pinned, note FROM annotations WHERE job_id = ?", (job_id,))
    return QuickNote(tuple(json.loads(rows[0][0])), bool(rows[0][1]), rows[0][2]) if rows else None
