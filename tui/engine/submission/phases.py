"""What the steps of a submission share: recording its phase, and backoff between tries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, cast

from tui.base.hosts import is_loopback
from tui.base.json_types import JsonObject
from tui.engine.tracking.recorder import JobRecorder
from tui.store.job_values import JobValues
from tui.store.records import JobRecord
from tui.store.submit_state import SubmitState

IMAGES_PLACEHOLDER: Final = "(the archive's address, once it is uploaded)"
"""Placeholder in the inputs for the archive's address, which is not known before the upload."""


def note_phase(
    recorder: JobRecorder,
    job: JobRecord,
    phase: str,
    message: str,
    /,
    *,
    inputs: JsonObject | None = None,
    **more: Any,
) -> None:
    """Store the phase of a submission, before the step that it names is taken.

    `inputs` replaces the job's inputs in the same transaction.
    """
    submit = cast("SubmitState", {**job.submit, "phase": phase, **more})
    values: JobValues = {"submit": submit}
    if inputs is not None:
        values["inputs"] = inputs
    recorder.note(job.job_id, "local", phase, message, **values)


def backoff_seconds(job: JobRecord) -> Iterator[float]:
    """Seconds between tries: doubling from 2 s to 60 s; shorter for a server on this machine."""
    pause = 0.2 if is_loopback(job.api_base) else 2.0
    while True:
        yield pause
        pause = min(pause * 2, 60.0)
