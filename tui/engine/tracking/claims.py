"""Whose prediction is it? A prediction of a job that is being posted belongs to that job.

The answer to a POST may be late or lost, and meanwhile a sync, a webhook or a look-up sees the
prediction. Whoever sees it first gives it to the job that posted it, here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from tui.engine.credentials.storage_keys import StorageKeys
from tui.engine.submission.run_names import job_id_in, run_name_of
from tui.engine.tracking.reconcile import as_running, changed_fields
from tui.engine.tracking.recorder import JobRecorder
from tui.replicate.lookup import CLOCK_MARGIN, input_fingerprint, is_version
from tui.replicate.models import Prediction
from tui.store.records import JobRecord
from tui.store.schema import DuplicateError

_LEARNED: Final = (
    "status", "provider_status", "stage", "step", "total_steps", "epoch", "epochs", "percent",
    "seconds_per_step", "eta_at", "loss", "learning_rate", "cost_micros", "queued_at", "started_at",
    "completed_at", "predict_seconds", "error", "diagnosis", "output", "output_url", "web_url",
    "data_removed", "data_expires_at", "log_bytes", "log_replaced", "parser",
)  # fmt: skip
"""What a record holds that was learned from its prediction and its log."""


class PredictionClaims:
    """Knows which job a prediction belongs to, and gives it to that job.

    Attributes:
        on_given: called with a job that has just got its prediction.
    """

    def __init__(
        self, recorder: JobRecorder, keys: StorageKeys, clock_offset: Callable[[str], timedelta]
    ) -> None:
        """Args: the record of jobs, the keys of webhooks, how far an API's clock is ahead."""
        self._recorder = recorder
        self._keys = keys
        self._clock_offset = clock_offset
        self.on_given: Callable[[JobRecord], None] = _nothing

    def job_of(self, api_base: str, prediction: Prediction) -> JobRecord | None:
        """The job without an answer that a prediction belongs to, or None.

        A second record of the same prediction that was imported does not count against it.
        """
        if not prediction.id:
            return None
        job = self._marked(api_base, prediction)
        if job is None:
            waiting = self._recorder.writer.unanswered(api_base)
            job = next((one for one in waiting if self.is_of(one, prediction)), None)
        if job is None or job.prediction_id or not self.is_free(job, prediction):
            return None
        return job

    def is_of(self, job: JobRecord, prediction: Prediction) -> bool:
        """Whether a job being posted has started a prediction.

        The mark that the POST carried decides. Only a job whose POST carried none is compared by
        version, input and time.
        """
        if (keyed := self._keyed(prediction)) is not None:
            return keyed.job_id == job.job_id
        if mark := job.submit.get("mark"):
            return run_name_of(self._input_of(job.api_base, prediction)) == str(mark)
        if job.submit.get("phase") != "posting" or prediction.created_at is None:
            return False
        hidden = job.submit.get("secret_names", ())
        return (
            is_version(prediction, full_version(job))
            and prediction.created_at >= self._posted_at(job) - CLOCK_MARGIN
            and input_fingerprint(self._input_of(job.api_base, prediction), hidden)
            == input_fingerprint(job.inputs, hidden)
        )

    def is_comparable(self, job: JobRecord, prediction: Prediction) -> bool:
        """Whether anything is left of a prediction by which it can be told whose it is."""
        return bool(self._input_of(job.api_base, prediction)) or self._keyed(prediction) is not None

    def _input_of(self, api_base: str, prediction: Prediction) -> Mapping[str, Any]:
        """A prediction's input, from its imported record when Replicate has removed it."""
        if prediction.input or not prediction.data_removed:
            return prediction.input
        owner = self._recorder.writer.by_prediction(api_base, prediction.id)
        return owner.inputs if owner is not None else {}

    def is_free(self, job: JobRecord, prediction: Prediction) -> bool:
        """Whether no other job has posted a prediction; an imported record of it is no posting."""
        owner = self._recorder.writer.by_prediction(job.api_base, prediction.id)
        return owner is None or owner.job_id == job.job_id or is_imported(owner)

    def give(self, job: JobRecord, prediction_id: str, source: str, words: str) -> JobRecord:
        """Make a prediction the job's, whatever its record says and whoever imported it.

        Args:
            job: the job that posted it.
            prediction_id: the prediction.
            source: who saw it: `local`, `sync` or `webhook`.
            words: for the job's history.

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
        values: dict[str, Any] = {"submit": {**fresh.submit, "phase": "accepted"}}
        if fresh.status.is_terminal:  # it was given up too early
            values |= changed_fields(fresh, as_running(fresh))
        if owner is not None:
            values |= {name: getattr(owner, name) for name in _LEARNED}
            values["cancel_requested"] = fresh.cancel_requested or owner.cancel_requested
        given = self._recorder.claim(
            fresh, prediction_id, (source, "accepted", words), values, owner
        )
        self.on_given(given)
        return given

    def _marked(self, api_base: str, prediction: Prediction) -> JobRecord | None:
        """The job that a prediction's mark names, active or not."""
        job = self._keyed(prediction) or self._named(run_name_of(prediction.input))
        return job if job is not None and job.api_base == api_base else None

    def _keyed(self, prediction: Prediction) -> JobRecord | None:
        """The job whose key the prediction's webhook address carries."""
        key = _webhook_key(prediction)
        return self._keys.job_of_hook_key(key) if key else None

    def _named(self, run_name: str) -> JobRecord | None:
        if not run_name:
            return None
        try:
            job = self._recorder.writer.job(job_id_in(run_name))
        except KeyError:
            return None
        return job if job.submit.get("mark") == run_name else None

    def _posted_at(self, job: JobRecord) -> datetime:
        """When a job was first posted, by the service's clock."""
        offset = clock_offset_of(job)
        since = datetime.fromisoformat(job.submit["since"]).astimezone(UTC)
        return since + (self._clock_offset(job.api_base) if offset is None else offset)


def clock_offset_of(job: JobRecord) -> timedelta | None:
    """How far the service's clock was ahead of ours when a job was posted, if that was known."""
    seconds = job.submit.get("clock_offset")
    return timedelta(seconds=seconds) if isinstance(seconds, int | float) else None


def full_version(job: JobRecord) -> str:
    """`owner/name:version`, as Replicate wants it."""
    return f"{job.model}:{job.version}" if job.version else job.model


def is_imported(job: JobRecord) -> bool:
    """Whether a record was made from a prediction that was seen, and not by a submit."""
    return "draft" not in job.submit


def _webhook_key(prediction: Prediction) -> str:
    """The key in the webhook address of a prediction.

    Some answers of the service give the address back, which its description does not promise.
    """
    address = (prediction.model_extra or {}).get("webhook")
    if not isinstance(address, str):
        return ""
    try:
        return parse_qs(urlsplit(address).query).get("key", [""])[0]
    except ValueError:
        return ""


def _nothing(_job: JobRecord) -> None:
    """Until somebody wants to know."""
