"""The records of the store, as dataclasses.

Times are aware UTC, money is integer micro-dollars, sizes are bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from tui.base.job_status import LOST, JobStatus
from tui.store.annotations import NONE, Annotation
from tui.store.run_state import LogNotes, StoredDiagnosis
from tui.store.submit_state import SubmitState

if TYPE_CHECKING:
    from tui.api.jobs import JobWarning
    from tui.base.json_types import JsonObject


@dataclass(frozen=True, slots=True)
class JobRow:
    """A line of the Jobs list, with the columns that the list shows: created by the thousand."""

    job_id: str
    name: str
    model_family: str
    model_flavour: str
    status: JobStatus
    stage: str
    """The current activity (`waiting for a GPU`, `Saving checkpoint`, an error's title)."""
    percent: float | None
    step: int | None
    total_steps: int | None
    loss: float | None
    seconds_per_step: float | None
    eta_at: datetime | None
    """When the last step will be done at the current speed."""
    hardware: str
    rate_micros: int
    """Micro-dollars per billed second."""
    cost_micros: int | None
    """Final cost; None while the job runs (then `started_at` and `rate_micros` give it)."""
    estimate_micros: int | None
    created_at: datetime
    queued_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    file_count: int
    file_bytes: int
    data_expires_at: datetime | None
    """When Replicate deletes results that are not stored here; None when nothing is at risk."""
    sandbox: bool
    rev: int
    not_finite: tuple[str, ...] = ()
    """Names of metric series with values that are infinite or not a number."""
    is_lost: bool = False
    """Whether Replicate does not know it any more; its cost is an upper bound then."""
    loss_smoothed: float | None = None
    loss_best: float | None = None
    """The lowest value of the smoothed loss."""
    best_step: int | None = None
    warnings: tuple[JobWarning, ...] = ()
    annotation: Annotation = NONE
    """What the user wrote about it, without the note's text."""
    pictures: int = 0
    """Validation pictures among its files that are here."""
    rank: float | None = None
    """Of a LoRA; this and what follows are read only where they are shown."""
    learning_rate: float | None = None
    """That of the config, not that of a step."""
    curve: tuple[float, ...] = ()
    """The shape of the smoothed loss, see `tui.simpletuner.log.outline`."""


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A delivered or fetched file, complete and verified."""

    path: str
    """Relative to the outputs folder, with forward slashes."""
    size: int
    sha256: str
    source: str
    """`delivered` (sent by the trainer to our receiver) or `downloaded`."""
    received_at: datetime
    missing: str = ""
    """Why an announced file is not here; "" for one that is."""


@dataclass(frozen=True, slots=True)
class EventRecord:
    """An event of a job's history, with its source."""

    seq: int
    at: datetime
    source: str
    """`local`, `poll`, `webhook`, `sync`, `storage`."""
    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class StageRecord:
    """A stage of a job, such as its preparation or training."""

    seq: int
    key: str
    label: str
    state: str
    """`running`, `done`, `failed` or `skipped`."""
    started_at: datetime | None
    ended_at: datetime | None
    detail: str
    percent: float | None


@dataclass(frozen=True, slots=True)
class JobRecord:
    """A job without its log, metrics, stages, files and events."""

    job_id: str
    api_base: str
    name: str
    config_name: str
    config_path: str
    model: str
    """`owner/name` at Replicate."""
    version: str
    model_family: str
    model_flavour: str
    model_type: str
    lora_type: str
    hardware: str
    rate_micros: int
    delivery: str
    created_at: datetime
    status: JobStatus = JobStatus.PENDING
    provider_status: str = ""
    prediction_id: str = ""
    stage: str = ""
    step: int | None = None
    total_steps: int | None = None
    epoch: int | None = None
    epochs: int | None = None
    percent: float | None = None
    seconds_per_step: float | None = None
    eta_at: datetime | None = None
    loss: float | None = None
    learning_rate: float | None = None
    cost_micros: int | None = None
    estimate_micros: int | None = None
    queued_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    predict_seconds: float | None = None
    error: str = ""
    diagnosis: StoredDiagnosis = field(default_factory=StoredDiagnosis)
    output: Any = None
    output_url: str = ""
    web_url: str = ""
    data_removed: bool = False
    data_expires_at: datetime | None = None
    cancel_requested: bool = False
    log_bytes: int = 0
    log_replaced: bool = False
    file_count: int = 0
    file_bytes: int = 0
    submit: SubmitState = field(default_factory=SubmitState)
    """State of the submission: what was packed, uploaded and posted."""
    inputs: JsonObject = field(default_factory=dict)
    """The inputs as sent, with secret ones as `***`."""
    config: JsonObject = field(default_factory=dict)
    dataloader: list[JsonObject] = field(default_factory=list)
    parser: LogNotes = field(default_factory=LogNotes)
    """State of the log parser, from which it continues after a restart."""
    rev: int = 0
    loss_smoothed: float | None = None
    loss_best: float | None = None
    """The lowest value of the smoothed loss."""
    best_step: int | None = None
    warnings: list[JobWarning] = field(default_factory=list)
    """What is wrong with the run, the most urgent first, with those that were put away."""

    @property
    def is_lost(self) -> bool:
        """Whether Replicate does not know it any more; its cost is an upper bound then."""
        return self.provider_status == LOST


@dataclass(frozen=True, slots=True)
class Fact:
    """The last known value of something outside the store (account, listener), with its time."""

    value: Any
    at: datetime


def shared_folder(paths: Sequence[str]) -> str:
    """Return the folder that contains all paths, with its slash; "" when there is none.

    The trainer's folders are long and the same for all files of a job, so lists and published
    copies leave them out.
    """
    folders = [path.rpartition("/")[0].split("/") for path in paths]
    shared: list[str] = []
    for parts in zip(*folders, strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return "/".join(shared) + "/" if shared and shared != [""] else ""
