"""Imports predictions of the same account that other programs started (SimpleTuner, the web)."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from typing import Final

from tui.base.clock import utc_now
from tui.base.job_status import LOST
from tui.base.json_types import JsonObject
from tui.engine.submission.run_names import run_name_of, sent_settings
from tui.engine.tracking.monitor import snapshot_of
from tui.engine.tracking.prediction_claims import PredictionClaims
from tui.engine.tracking.recorder import JobRecorder
from tui.engine.tracking.redaction import redact_inputs, redact_settings
from tui.replicate.client import ReplicateClient
from tui.replicate.models import Prediction
from tui.settings import Settings
from tui.simpletuner.request.hardware import LEGACY_MODEL, profile_for_model
from tui.store.records import JobRecord

_LETTERS: Final = "abcdefghijkmnpqrstuvwxyz23456789"


async def import_predictions(
    client: ReplicateClient,
    api_base: str,
    recorder: JobRecorder,
    settings: Settings,
    claims: PredictionClaims,
) -> AsyncIterator[JobRecord]:
    """Import every trainer prediction that is not known yet, from all pages.

    Predictions of other models, and those whose jobs the user deleted, are skipped. A prediction of
    a job that is being posted is assigned to that job.

    Args:
        client: reads the predictions.
        api_base: address of the API.
        recorder: stores the jobs.
        settings: for the rates.
        claims: matches predictions to jobs.

    Yields:
        New jobs, and lost jobs that Replicate reports again.

    Raises:
        ReplicateError: the list could not be read.
    """
    async for prediction in client.predictions():
        if (posted := claims.job_for(api_base, prediction)) is not None:
            claims.assign(
                posted, prediction.id, "sync", f"Found on the account as {prediction.id}."
            )
        known = recorder.writer.by_prediction(api_base, prediction.id)
        if known is not None:
            lost = known.provider_status == LOST
            if known.status.is_active or lost:
                updated = recorder.apply_snapshot(known.job_id, snapshot_of(prediction), "sync")
                if lost:
                    yield updated
            continue
        job = import_prediction(prediction, api_base, recorder, settings, "sync")
        if job is not None:
            yield job


def import_prediction(
    prediction: Prediction, api_base: str, recorder: JobRecorder, settings: Settings, source: str
) -> JobRecord | None:
    """Import a prediction that is not known yet.

    Args:
        prediction: as Replicate reports it.
        api_base: address of the API.
        recorder: stores the job.
        settings: for the rates.
        source: what reported it: `sync` or `webhook`.

    Returns:
        The job; None when the model is not a trainer, or the user deleted the job.
    """
    if not prediction.id or not prediction.model.startswith(LEGACY_MODEL):
        return None
    if recorder.writer.was_deleted(api_base, prediction.id):
        return None
    message = "Found on the account." if source == "sync" else "Replicate sent an event of it."
    job = recorder.insert(_record(prediction, api_base, settings), (source, message))
    return recorder.apply_snapshot(job.job_id, snapshot_of(prediction), source)


def _record(prediction: Prediction, api_base: str, settings: Settings) -> JobRecord:
    config = sent_settings(prediction.input)
    profile = profile_for_model(prediction.model)
    rate = 0
    if profile is not None:
        rate = settings.rates_micros.get(profile.id, profile.micros_per_second)
    return JobRecord(
        job_id="".join(secrets.choice(_LETTERS) for _ in range(10)),
        api_base=api_base,
        name=run_name_of(prediction.input) or prediction.id[:10],
        config_name="",
        config_path="",
        model=prediction.model,
        version=prediction.version,
        model_family=_text(config, "model_family"),
        model_flavour=_text(config, "model_flavour"),
        model_type=_text(config, "model_type"),
        lora_type=_text(config, "lora_type"),
        hardware=profile.id if profile else "",
        rate_micros=rate,
        delivery="",
        created_at=prediction.created_at or utc_now(),
        prediction_id=prediction.id,
        submit={"phase": "accepted"},
        inputs=redact_inputs(prediction.input),
        config=redact_settings(config),
    )


def _text(config: JsonObject, name: str) -> str:
    value = config.get(name)
    return value if isinstance(value, str) else ""
