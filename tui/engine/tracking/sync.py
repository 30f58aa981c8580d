"""Imports predictions of the same account that other programs started (SimpleTuner, the web)."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
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

BATCH: Final = 40
"""Predictions that one transaction imports. The engine answers nobody meanwhile."""
LOG_CHARACTERS: Final = 1_000_000
"""Characters of logs after which a batch ends early: they take longer than records."""
_LETTERS: Final = "abcdefghijkmnpqrstuvwxyz23456789"


async def import_predictions(
    client: ReplicateClient,
    api_base: str,
    recorder: JobRecorder,
    settings: Settings,
    claims: PredictionClaims,
    *,
    account: str = "",
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
        account: whose predictions are read; "" where it is not known.

    Yields:
        New jobs, and lost jobs that Replicate reports again.

    Raises:
        ReplicateError: the list could not be read.
    """
    async for batch in in_batches(client.predictions()):
        for job in import_batch(batch, api_base, recorder, settings, claims, account=account):
            yield job
        await asyncio.sleep(0)  # others' calls first


async def in_batches(predictions: AsyncIterator[Prediction]) -> AsyncIterator[list[Prediction]]:
    """Yield predictions in lists that are stored quickly: of `BATCH`, fewer with long logs."""
    batch: list[Prediction] = []
    characters = 0
    async for prediction in predictions:
        batch.append(prediction)
        characters += len(prediction.logs or "")
        if len(batch) == BATCH or characters >= LOG_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def import_batch(
    predictions: Sequence[Prediction],
    api_base: str,
    recorder: JobRecorder,
    settings: Settings,
    claims: PredictionClaims,
    *,
    account: str = "",
) -> list[JobRecord]:
    """Import some predictions in one transaction; returns jobs as `import_predictions` does."""
    found: list[JobRecord] = []
    writer = recorder.writer
    with recorder.batch():
        unanswered = writer.unanswered(api_base)
        for prediction in predictions:
            if (posted := claims.job_for(api_base, prediction, unanswered)) is not None:
                claims.assign(
                    posted, prediction.id, "sync", f"Found on the account as {prediction.id}."
                )
                unanswered = writer.unanswered(api_base)
        # After the assignments: they give predictions to jobs, and remove imported records.
        names = [prediction.id for prediction in predictions]
        known = writer.known(api_base, names)
        deleted = writer.deleted(api_base, names)
        for prediction in predictions:
            if prediction.id in known:
                job_id, status, provider_status = known[prediction.id]
                lost = provider_status == LOST
                if status.is_active or lost:
                    updated = recorder.apply_snapshot(job_id, snapshot_of(prediction), "sync")
                    if lost:
                        found.append(updated)
            elif prediction.id not in deleted and _is_training(prediction):
                job = _insert(
                    prediction, api_base, recorder, settings, claims,
                    source="sync", account=account,
                )  # fmt: skip
                known[prediction.id] = (job.job_id, job.status, job.provider_status)
                found.append(job)
    return found


def import_prediction(
    prediction: Prediction,
    api_base: str,
    recorder: JobRecorder,
    settings: Settings,
    claims: PredictionClaims,
    *,
    source: str,
    account: str = "",
) -> JobRecord | None:
    """Import a prediction that is not known yet and belongs to no job that is being posted.

    Args:
        prediction: as Replicate reports it.
        api_base: address of the API.
        recorder: stores the job.
        settings: for the rates.
        claims: recognises a second run of a job, which is imported and cancelled.
        source: what reported it: `sync` or `webhook`.
        account: whose prediction it is; "" where it is not known.

    Returns:
        The job; None when the model is not a trainer, or the user deleted the job.
    """
    if not _is_training(prediction) or recorder.writer.was_deleted(api_base, prediction.id):
        return None
    with recorder.batch():
        return _insert(
            prediction, api_base, recorder, settings, claims, source=source, account=account
        )


def _is_training(prediction: Prediction) -> bool:
    """Whether a prediction can be a job; a row of a list may lack its id."""
    return bool(prediction.id) and prediction.model.startswith(LEGACY_MODEL)


def _insert(
    prediction: Prediction,
    api_base: str,
    recorder: JobRecorder,
    settings: Settings,
    claims: PredictionClaims,
    *,
    source: str,
    account: str,
) -> JobRecord:
    message = "Found on the account." if source == "sync" else "Replicate sent an event of it."
    record = _record(prediction, api_base, settings)
    if account:
        record = replace(record, submit={**record.submit, "account": account})
    first = claims.surplus_of(api_base, prediction)
    if first is None:
        restored = recorder.rescue.restored(record)
        if restored is not record and not _is_known(recorder, restored.job_id):
            record = restored
            message = f"{message} Its config and log are those that were kept here."
        return recorder.insert_found(record, snapshot_of(prediction), source, message)
    # The request to cancel is stored with the job, so it is passed on after a restart too.
    record = replace(record, cancel_requested=True)
    message = f"A second run of {first.job_id}, which nobody asked for: it is cancelled."
    job = recorder.insert_found(record, snapshot_of(prediction), source, message)
    recorder.note(
        first.job_id, source, "surplus",
        f"Replicate started it twice: {prediction.id} is cancelled.",
    )  # fmt: skip
    recorder.afterwards(lambda: claims.on_assigned(job))
    return job


def _is_known(recorder: JobRecorder, job_id: str) -> bool:
    try:
        recorder.writer.job(job_id)
    except KeyError:
        return False
    return True


def _record(prediction: Prediction, api_base: str, settings: Settings) -> JobRecord:
    config = sent_settings(prediction.input)
    profile = profile_for_model(prediction.model)
    rate = 0
    if profile is not None:
        rate = settings.rates_micros.get(profile.id, profile.micros_per_second)
    return JobRecord(
        job_id=_job_id(api_base, prediction.id),
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


def _job_id(api_base: str, prediction_id: str) -> str:
    """The id of an imported job, the same at each import.

    A log is written before its record. One that a killed engine wrote is found again by its id.
    """
    digest = hashlib.sha256(f"{api_base}\0{prediction_id}".encode()).digest()
    return "".join(_LETTERS[byte % len(_LETTERS)] for byte in digest[:10])


def _text(config: JsonObject, name: str) -> str:
    value = config.get(name)
    return value if isinstance(value, str) else ""
