"""When a job counts as not heard of, and the short reason that the screens show."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from tui.replicate.errors import (
    BadAnswerError,
    CircuitOpenError,
    NoAnswerError,
    NotSentError,
    ReplicateError,
)

NOT_WRITTEN: Final = "its log cannot be written"
"""The reason of a job whose answers come and cannot be recorded: a full disk, a folder there."""
SILENT_INTERVALS: Final = 3
"""A job is not heard of when its last answer is older than so many polling intervals."""


def is_silent(last_contact: datetime | None, now: datetime, interval: float) -> bool:
    """Whether a job's last answer is too old to be shown as its present state.

    Args:
        last_contact: time of the last answer; None when there was none since the engine started.
        now: the time.
        interval: seconds between two polls of the job while the API answers.
    """
    return last_contact is None or now - last_contact > timedelta(
        seconds=SILENT_INTERVALS * interval
    )


def reason(error: ReplicateError) -> str:
    """Return the kind of a trouble in a few words, such as `api answers 503`."""
    if isinstance(error, CircuitOpenError | NoAnswerError):
        return "api does not answer"
    if isinstance(error, NotSentError):
        return "api cannot be reached"
    if isinstance(error, BadAnswerError) or not error.status:
        return "api answers what cannot be read"
    return f"api answers {error.status}"
