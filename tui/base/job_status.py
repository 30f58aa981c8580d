"""The status of a job, with its word and its glyph on the screen."""

from __future__ import annotations

from enum import StrEnum

TYPE_CHECKING = False  # `typing` takes longer to load than a short command to run
if TYPE_CHECKING:
    from typing import Final


class JobStatus(StrEnum):
    """The status of a job; the values are those of SimpleTuner's job model."""

    PENDING = "pending"
    UPLOADING = "uploading"
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        """Whether the job has ended."""
        return self in TERMINAL

    @property
    def is_active(self) -> bool:
        """Whether the job has not ended."""
        return self not in TERMINAL


LOST = "lost"
"""`provider_status` of a job that Replicate no longer knows: its cost is an upper bound."""
TERMINAL = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED})
ACTIVE = frozenset(JobStatus) - TERMINAL
STATUS_WORDS: Final = {
    JobStatus.PENDING: "preparing",
    JobStatus.UPLOADING: "uploading",
    JobStatus.QUEUED: "queued",
    JobStatus.RUNNING: "running",
    JobStatus.COMPLETED: "done",
    JobStatus.FAILED: "failed",
    JobStatus.CANCELLED: "cancelled",
}
STATUS_GLYPHS: Final = {
    JobStatus.PENDING: "○",
    JobStatus.UPLOADING: "▲",
    JobStatus.QUEUED: "◌",
    JobStatus.RUNNING: "●",
    JobStatus.COMPLETED: "✓",
    JobStatus.FAILED: "✗",
    JobStatus.CANCELLED: "⊘",
}
STATUS_ASCII: Final = {
    JobStatus.PENDING: ".",
    JobStatus.UPLOADING: "^",
    JobStatus.QUEUED: "~",
    JobStatus.RUNNING: ">",
    JobStatus.COMPLETED: "+",
    JobStatus.FAILED: "x",
    JobStatus.CANCELLED: "-",
}


WAITS_FOR_TURN: Final = "waits for its turn"
"""Stage of a job of a sweep, before its submission begins."""
SWEEP_STOPPED: Final = "its sweep has stopped"
"""The same while its sweep begins no more jobs."""


def status_label(state: JobStatus, ascii_only: bool = False) -> str:
    """Glyph and word of a state: `● running`."""
    glyphs = STATUS_ASCII if ascii_only else STATUS_GLYPHS
    return f"{glyphs[state]} {STATUS_WORDS[state]}"


UNDELIVERED = "delivered: "
"""Prefix of a finished job's stage while its results are not known to have arrived."""

DELIVERY_NOT_KNOWN_YET = f"{UNDELIVERED}not known yet"
"""Stage of a job whose run has just ended well, until its delivery is confirmed."""

CONFIRMED_DELIVERIES = ("hub", "s3", "local")
"""Kinds of delivery whose arrival is confirmed once the run has ended."""
