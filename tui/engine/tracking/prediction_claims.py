"""Assigns predictions to the jobs that posted them.

The answer to a POST may be late or lost, and meanwhile a sync, a webhook or a look-up may see the
prediction. Whichever sees it first assigns it, always through this module, so that no prediction
gets two jobs and no job two predictions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast
from urllib.parse import parse_qs, urlsplit

from tui.engine.credentials.storage_keys import StorageKeys
from tui.engine.submission.run_names import job_id_in, run_name_of
from tui.engine.tracking.reconcile import changed_fields, reopened
from tui.engine.tracking.recorder import JobRecorder
from tui.engine.tracking.redaction import comparable_inputs
from tui.replicate.lookup import CLOCK_MARGIN, input_fingerprint, is_version
from tui.replicate.models import Prediction
from tui.store.job_values import JobValues
from tui.store.records import JobRecord
from tui.store.schema import DuplicateError

CARRIED_OUT_WITHIN: Final = timedelta(minutes=10)
"""How long after a job's last POST a further run of it counts as started by one of its POSTs."""
_OBSERVED_FIELDS: Final = (
    "status", "provider_status", "stage", "step", "total_steps", "epoch", "epochs", "percent",
    "seconds_per_step", "eta_at", "loss", "learning_rate", "cost_micros", "queued_at", "started_at",
    "completed_at", "predict_seconds", "error", "diagnosis", "output", "output_url", "web_url",
    "data_removed", "data_expires_at", "log_bytes", "log_replaced", "parser",
)  # fmt: skip
"""Fields of a record that come from its prediction and its log."""


class PredictionClaims:
    """Finds the job that a prediction belongs to, and assigns it.

    Attributes:
        on_assigned: called with a job that has just got its prediction.
    """

    def __init__(
        self, recorder: JobRecorder, keys: StorageKeys, clock_offset: Callable[[str], timedelta]
    ) -> None:
        """Take the services it works with.

        Args:
            recorder: the records of jobs.
            keys: the keys in webhook addresses, each of which belongs to one job.
            clock_offset: how far an API's clock is ahead of ours.
        """
        self._recorder = recorder
        self._keys = keys
        self._clock_offset = clock_offset
        self.on_assigned: Callable[[JobRecord], None] = _ignore

    def job_for(
        self, api_base: str, prediction: Prediction, unanswered: Sequence[JobRecord] | None = None
    ) -> JobRecord | None:
        """The job with an unanswered POST that started a prediction, or None.

        An imported record of the same prediction does not stand in the way; `assign` merges it.

        Args:
            api_base: address of the API.
            prediction: as Replicate reports it.
            unanswered: the jobs without a prediction, if they were read since the last change.
        """
        if not prediction.id:
            return None
        job = self._identified(api_base, prediction)
        if job is None:
            if unanswered is None:
                unanswered = self._recorder.writer.unanswered(api_base)
            job = next(
                (candidate for candidate in unanswered if self.has_started(candidate, prediction)),
                None,
            )
        if job is None or job.prediction_id or not self.is_unclaimed(job, prediction):
            return None
        return job

    def has_started(self, job: JobRecord, prediction: Prediction) -> bool:
        """Whether the POST of a job has started a prediction.

        The webhook key or the run name that the POST carried decides. A job whose POST carried
        neither is compared by version, input and time.
        """
        if (key_owner := self._by_webhook_key(prediction)) is not None:
            return key_owner.job_id == job.job_id
        if run_name := job.submit.get("mark"):
            return run_name_of(self._input_of(job.api_base, prediction)) == str(run_name)
        if job.submit.get("phase") != "posting" or prediction.created_at is None:
            return False
        hidden = job.submit.get("secret_names", ())
        return (
            is_version(prediction, full_version(job))
            and prediction.created_at >= self._posted_at(job) - CLOCK_MARGIN
            and input_fingerprint(
                comparable_inputs(self._input_of(job.api_base, prediction)), hidden
            )
            == input_fingerprint(comparable_inputs(job.inputs), hidden)
        )

    def is_comparable(self, job: JobRecord, prediction: Prediction) -> bool:
        """Whether a prediction still has data by which its job can be recognised."""
        return (
            bool(self._input_of(job.api_base, prediction))
            or self._by_webhook_key(prediction) is not None
        )

    def _input_of(self, api_base: str, prediction: Prediction) -> Mapping[str, Any]:
        """A prediction's input; from its imported record when Replicate has removed the data."""
        if prediction.input or not prediction.data_removed:
            return prediction.input
        owner = self._recorder.writer.by_prediction(api_base, prediction.id)
        return owner.inputs if owner is not None else {}

    def is_unclaimed(self, job: JobRecord, prediction: Prediction) -> bool:
        """Whether no other job has posted a prediction; an imported record does not count."""
        owner = self._recorder.writer.by_prediction(job.api_base, prediction.id)
        return owner is None or owner.job_id == job.job_id or is_imported(owner)

    def surplus_of(self, api_base: str, prediction: Prediction) -> JobRecord | None:
        """The job for which a prediction is a second, unwanted run that still goes on, or None.

        A POST can be carried out after its look-up has found nothing and another one was sent, or
        be doubled by something on the way. A run that somebody starts again on purpose comes later,
        or from Replicate's site.
        """
        if prediction.is_terminal or prediction.source == "web" or prediction.created_at is None:
            return None
        job = self._identified(api_base, prediction)
        if job is None or job.prediction_id in ("", prediction.id):
            return None
        last_post = job.submit.get("posted_at", job.submit.get("since"))
        if not last_post:
            return None
        latest = self._by_their_clock(job, last_post) + CARRIED_OUT_WITHIN
        return job if prediction.created_at <= latest else None

    def assign(self, job: JobRecord, prediction_id: str, source: str, message: str) -> JobRecord:
        """Assign a prediction to its job; reopens the job if it was given up before.

        Args:
            job: the job that posted it.
            prediction_id: the prediction's id.
            source: what saw it first: `local`, `sync` or `webhook`.
            message: for the job's history.

        Returns:
            The job's record with the prediction. An imported record of it is merged and deleted.

        Raises:
            DuplicateError: the job has another prediction, or another job has posted this one.
        """
        fresh = self._recorder.writer.job(job.job_id)
        if fresh.prediction_id == prediction_id:
            return fresh
        owner = self._recorder.writer.by_prediction(fresh.api_base, prediction_id)
        if fresh.prediction_id or (owner is not None and not is_imported(owner)):
            raise DuplicateError(
                f"Replicate runs {prediction_id}, which belongs to another job here.",
                "Look at replicate.com/predictions before you run it again.",
            )
        values: JobValues = {"submit": {**fresh.submit, "phase": "accepted"}}
        if fresh.status.is_terminal:  # the job was given up although its POST had arrived
            values |= changed_fields(fresh, reopened(fresh))
        if owner is not None:
            observed = {name: getattr(owner, name) for name in _OBSERVED_FIELDS}
            values |= cast("JobValues", observed)
            values["cancel_requested"] = fresh.cancel_requested or owner.cancel_requested
        assigned = self._recorder.claim(
            fresh, prediction_id, (source, "accepted", message), values, owner
        )
        self._recorder.afterwards(lambda: self.on_assigned(assigned))
        return assigned

    def _identified(self, api_base: str, prediction: Prediction) -> JobRecord | None:
        """The job named by a prediction's webhook key or run name, active or not."""
        job = self._by_webhook_key(prediction) or self._by_run_name(run_name_of(prediction.input))
        return job if job is not None and job.api_base == api_base else None

    def _by_webhook_key(self, prediction: Prediction) -> JobRecord | None:
        """The job whose key is in the prediction's webhook address."""
        key = _webhook_key(prediction)
        return self._keys.job_of_hook_key(key) if key else None

    def _by_run_name(self, run_name: str) -> JobRecord | None:
        if not run_name:
            return None
        try:
            job = self._recorder.writer.job(job_id_in(run_name))
        except KeyError:
            return None
        return job if job.submit.get("mark") == run_name else None

    def _posted_at(self, job: JobRecord) -> datetime:
        """Time of a job's first POST, by Replicate's clock."""
        return self._by_their_clock(job, job.submit["since"])

    def _by_their_clock(self, job: JobRecord, moment: str) -> datetime:
        offset = clock_offset_of(job)
        ours = datetime.fromisoformat(moment).astimezone(UTC)
        return ours + (self._clock_offset(job.api_base) if offset is None else offset)


def clock_offset_of(job: JobRecord) -> timedelta | None:
    """How far Replicate's clock was ahead of ours when a job was posted; None when not known."""
    seconds = job.submit.get("clock_offset")
    return timedelta(seconds=seconds) if isinstance(seconds, int | float) else None


def full_version(job: JobRecord) -> str:
    """The `version` of Replicate's API: `owner/name:version`, or `owner/name` without one."""
    return f"{job.model}:{job.version}" if job.version else job.model


def is_imported(job: JobRecord) -> bool:
    """Whether a record was imported from a prediction, and not created by a submit."""
    return "draft" not in job.submit


def _webhook_key(prediction: Prediction) -> str:
    """The key in the webhook address of a prediction; "" if there is none.

    Some of Replicate's answers contain the address, although its API reference does not list it.
    """
    address = (prediction.model_extra or {}).get("webhook")
    if not isinstance(address, str):
        return ""
    try:
        return parse_qs(urlsplit(address).query).get("key", [""])[0]
    except ValueError:
        return ""


def _ignore(_job: JobRecord) -> None:
    """The default callback."""
