"""Fields of a job's record to be changed, by name: for `Change.values` and those who make it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from tui.api.jobs import JobWarning
    from tui.base.job_status import JobStatus
    from tui.base.json_types import JsonObject
    from tui.store.run_state import LogNotes, StoredDiagnosis
    from tui.store.submit_state import SubmitState


class JobValues(TypedDict, total=False):
    """Some of the fields of `store.records.JobRecord`, which describes them.

    The id never changes, and the store counts the revisions.
    """

    api_base: str
    name: str
    config_name: str
    config_path: str
    model: str
    version: str
    model_family: str
    model_flavour: str
    model_type: str
    lora_type: str
    hardware: str
    rate_micros: int
    delivery: str
    created_at: datetime
    status: JobStatus
    provider_status: str
    prediction_id: str
    stage: str
    step: int | None
    total_steps: int | None
    epoch: int | None
    epochs: int | None
    percent: float | None
    seconds_per_step: float | None
    eta_at: datetime | None
    loss: float | None
    learning_rate: float | None
    cost_micros: int | None
    estimate_micros: int | None
    queued_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    predict_seconds: float | None
    error: str
    diagnosis: StoredDiagnosis
    output: Any
    output_url: str
    web_url: str
    data_removed: bool
    data_expires_at: datetime | None
    cancel_requested: bool
    log_bytes: int
    log_replaced: bool
    file_count: int
    file_bytes: int
    submit: SubmitState
    inputs: JsonObject
    config: JsonObject
    dataloader: list[JsonObject]
    parser: LogNotes
    loss_smoothed: float | None
    loss_best: float | None
    best_step: int | None
    warnings: list[JobWarning]
