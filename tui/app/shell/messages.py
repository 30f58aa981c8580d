"""The signals of the app and what they carry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from textual.signal import Signal

if TYPE_CHECKING:
    from textual.app import App


@dataclass(frozen=True, slots=True)
class JobsChanged:
    """Jobs that changed since the last message; sent at most four times a second.

    Attributes:
        job_ids: the jobs that changed.
        order_stale: the list's order or membership may have changed as well.
    """

    job_ids: frozenset[str]
    order_stale: bool


@dataclass(frozen=True, slots=True)
class UploadProgress:
    """How far packing, uploading or staging a job's data is.

    Attributes:
        phase: `packing`, `uploading` or `staging`.
        done: files (packing) or bytes so far.
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
        state: `starting`, `ready`, `silent` (it is there and does not answer) or `gone`.
        message: why it is gone or silent; empty otherwise.
        advice: what to do about it.
    """

    state: str
    message: str = ""
    advice: str = ""

    @property
    def refusal(self) -> str:
        """Why nothing can be asked of the engine; meaningless when it is ready."""
        return _REFUSALS.get(self.state, "The engine is still starting; try again in a moment.")


_REFUSALS: Final = {
    "gone": "The engine is not running; this is possible when it is.",
    "silent": "The engine does not answer; this is possible when it does.",
}


@dataclass(frozen=True, slots=True)
class Notice:
    """A message to the user, kept for the list of past notices.

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


class AppSignals:
    """The signals that screens subscribe to; each is named after what has changed.

    Args:
        app: publishes them.

    Attributes:
        jobs_changed: records of jobs in the store.
        fact_changed: a fact in the store; carries its name, or `settings` for the settings file.
        upload_progress: the upload of a job's data.
        transfer_changed: a transfer; carries the engine's report, or nothing where any transfer may
            have changed.
        fetch_changed: a file that the engine fetches; carries the engine's report.
        engine_changed: whether the engine is there.
        status_changed: what the top bar shows.
    """

    def __init__(self, app: App[Any]) -> None:
        self.jobs_changed: Signal[JobsChanged] = Signal(app, "jobs-changed")
        self.fact_changed: Signal[str] = Signal(app, "fact-changed")
        self.upload_progress: Signal[UploadProgress] = Signal(app, "upload-progress")
        self.transfer_changed: Signal[Mapping[str, Any]] = Signal(app, "transfer-changed")
        self.fetch_changed: Signal[Mapping[str, Any]] = Signal(app, "fetch-changed")
        self.engine_changed: Signal[EngineState] = Signal(app, "engine-changed")
        self.status_changed: Signal[None] = Signal(app, "status-changed")
