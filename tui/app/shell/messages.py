"""What the app tells its screens. Each kind has a signal on the app that screens subscribe to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class JobsChanged:
    """Jobs that changed since the last message; sent at most four times a second.

    Attributes:
        job_ids: which ones.
        order_stale: the list's order or membership may have changed as well.
    """

    job_ids: frozenset[str]
    order_stale: bool


@dataclass(frozen=True, slots=True)
class UploadProgress:
    """How far packing or uploading a job's data is.

    Attributes:
        phase: `packing` or `uploading`.
        done: bytes (uploading) or files (packing) so far.
        total: of how many; 0 when not known.
    """

    job_id: str
    phase: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class EngineState:
    """Whether the engine is there.

    Attributes:
        state: `starting`, `ready` or `gone`.
        message: why it is gone; empty otherwise.
        advice: what to do about it.
    """

    state: str
    message: str = ""
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something said to the user, kept for the list of past notices.

    Attributes:
        level: `info`, `warning` or `error`.
        message: what happened.
        advice: what to do next; may be empty.
        at: when it was said.
    """

    level: str
    message: str
    advice: str
    at: datetime
