"""What the steps of a submit share: its written-down phases, and patience."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from tui.base.hosts import is_loopback
from tui.engine.tracking.recorder import JobRecorder
from tui.store.records import JobRecord

IMAGES_LATER: Final = "(the archive's address, once it is uploaded)"
"""Stands in a request for what is not known before the upload."""


def note_phase(recorder: JobRecorder, job: JobRecord, phase: str, words: str, **more: Any) -> None:
    """Write down a phase before the step that it names."""
    recorder.note(job.job_id, "local", phase, words, submit={**job.submit, "phase": phase, **more})


def pauses(job: JobRecord) -> Iterator[float]:
    """Seconds between looks: ever longer, up to a minute."""
    pause = 0.2 if is_loopback(job.api_base) else 2.0
    while True:
        yield pause
        pause = min(pause * 2, 60.0)
