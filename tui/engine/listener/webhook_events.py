"""Applies a verified webhook to its job."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tui.engine.config.live import LiveSettings
from tui.engine.credentials.storage_keys import StorageKeys
from tui.engine.listener.webhook_probes import WebhookProbes
from tui.engine.listener.webhook_secrets import AccountWebhookSecrets
from tui.engine.tracking.monitor import Monitor, snapshot_of
from tui.engine.tracking.prediction_claims import PredictionClaims
from tui.engine.tracking.recorder import JobRecorder
from tui.engine.tracking.sync import import_prediction
from tui.listener.webhooks import WebhookEvent, WebhookJob, WebhookSecrets
from tui.replicate.models import Prediction
from tui.store.records import JobRecord

LOG = logging.getLogger(__name__)

_LOGS_NOTED_SECONDS: Final = 60.0
"""Time between two lines of a job's history about log output; such events may come twice a
second."""
_MESSAGES: Final = {
    "start": "Replicate has started the run.",
    "output": "Output came.",
    "logs": "Log output came.",
    "completed": "The run has ended.",
    "failed": "The run has failed.",
}
_LONGEST_MESSAGE: Final = 300


@dataclass(slots=True)
class _LogEvents:
    """Log events of one job since its history last mentioned one.

    Attributes:
        noted_at: monotonic time of that line.
        since: events that came after it.
    """

    noted_at: float
    since: int = 0


class WebhookEvents:
    """Handles verified events, and looks up the jobs behind the keys of webhook URLs.

    Attributes:
        on_verified: called with the sender's address of each event whose signature was right.
    """

    def __init__(
        self,
        *,
        recorder: JobRecorder,
        claims: PredictionClaims,
        keys: StorageKeys,
        live: LiveSettings,
        monitor: Monitor,
        probes: WebhookProbes,
        secrets: AccountWebhookSecrets,
        default_base: Callable[[], str],
    ) -> None:
        self._recorder = recorder
        self._claims = claims
        self._keys = keys
        self._live = live
        self._monitor = monitor
        self._probes = probes
        self._secrets = secrets
        self._default_base = default_base
        self._log_events: dict[str, _LogEvents] = {}
        self.on_verified: Callable[[str], None] = lambda _address: None

    # -- lookups of the receiver --------------------------------------------------------------

    async def job_of(self, key: str) -> WebhookJob | None:
        """The job, or the webhook test, that a key of a webhook URL belongs to."""
        if (probe := self._probes.of_key(key)) is not None:
            return probe
        job = self._keys.job_of_hook_key(key)
        if job is None:
            return None
        names = {job.prediction_id, job.job_id} if job.prediction_id else set()
        return WebhookJob(job.job_id, frozenset(names))

    def secrets_for(self, job: WebhookJob | None) -> WebhookSecrets:
        """The secrets that sign for a job; without a job, those of the default API base."""
        return self._secrets.of(self._base_of(job))

    def _base_of(self, job: WebhookJob | None) -> str:
        if job is None:
            return self._default_base()
        if (base := self._probes.base_of(job.job_id)) is not None:
            return base
        try:
            return self._recorder.writer.job(job.job_id).api_base
        except KeyError:
            return self._default_base()

    # -- events of the receiver ---------------------------------------------------------------

    async def take(self, event: WebhookEvent) -> None:
        """Apply an event to its job; the sender has been answered already."""
        if event.verified and event.address:
            self.on_verified(event.address)
        if event.job_id and self._probes.arrived(event.job_id, event.address):
            return
        job = self._job(event)
        if event.kind == "simpletuner":
            if job is not None:
                self._note_own_body(job, event)
            return
        prediction = Prediction.read(event.body)
        if event.verified and (job is None or not event.job_id):
            # The URL has no key: the prediction may belong to a job whose POST has no answer yet.
            job = self._claims.job_for(self._default_base(), prediction) or job
        if job is None or job.prediction_id not in ("", prediction.id):
            self._import(event, prediction)
            return
        if not job.prediction_id and event.verified:
            # The answer to our POST is late or lost. Only that POST contains this job's URL, so
            # the prediction is the one that it created.
            message = f"Replicate runs it as {prediction.id}."
            job = self._claims.assign(job, prediction.id, "webhook", message)
        self._apply(job, event, prediction)

    def _job(self, event: WebhookEvent) -> JobRecord | None:
        writer = self._recorder.writer
        base = self._default_base()
        for job_id in filter(None, (event.job_id, "" if event.job_id else event.subject)):
            try:
                return writer.job(job_id)
            except KeyError:
                continue
        return None if event.job_id else writer.by_prediction(base, event.subject)

    def _apply(self, job: JobRecord, event: WebhookEvent, prediction: Prediction) -> None:
        updated = self._recorder.apply_snapshot(
            job.job_id, snapshot_of(prediction), "webhook", self._history_line(job.job_id, event)
        )
        if prediction.is_terminal and not updated.status.is_terminal:
            # The log could not be written, so the end is not recorded yet: poll again.
            self._monitor.webhook_failed(job.job_id)
            return
        self._monitor.webhook_received(job.job_id)
        if updated.status.is_terminal:
            self._log_events.pop(job.job_id, None)
            self._monitor.wake(job.job_id)
        else:
            self._monitor.follow(updated)

    def _history_line(self, job_id: str, event: WebhookEvent) -> tuple[str, str] | None:
        message = _MESSAGES.get(event.event, "Replicate sent an event.")
        if event.event != "logs":
            return event.event, message
        monotonic_now = time.monotonic()
        log_events = self._log_events.get(job_id)
        if log_events is not None and monotonic_now - log_events.noted_at < _LOGS_NOTED_SECONDS:
            log_events.since += 1
            return None
        suffix = f" ({log_events.since} more since the last such line)" if log_events else ""
        self._log_events[job_id] = _LogEvents(monotonic_now)
        return "logs", f"Log output came{suffix}."

    def _import(self, event: WebhookEvent, prediction: Prediction) -> None:
        if not event.verified:
            return
        base = self._default_base()
        if self._recorder.writer.by_prediction(base, prediction.id) is not None:
            return
        job = import_prediction(
            prediction, base, self._recorder, self._live.now, self._claims, source="webhook"
        )
        if job is not None and job.status.is_active:
            self._monitor.follow(job)
            self._monitor.webhook_received(job.job_id)

    def _note_own_body(self, job: JobRecord, event: WebhookEvent) -> None:
        """Note a webhook that SimpleTuner composed inside the trainer.

        It holds the trainer's view; the state of the prediction is Replicate's, so it is polled.
        """
        if not _uses_own_bodies(job):
            LOG.info("job %s has no webhook of SimpleTuner's own; its event is ignored", job.job_id)
            return
        self._recorder.note(job.job_id, "webhook", event.event, _own_message(event.body))
        self._monitor.wake(job.job_id)


def _uses_own_bodies(job: JobRecord) -> bool:
    return bool(job.config.get("webhook_config") or job.inputs.get("webhook_config"))


def _own_message(body: Any) -> str:
    for name in ("error", "message", "status"):
        value = body.get(name)
        if isinstance(value, str) and value.strip():
            return value.strip()[:_LONGEST_MESSAGE]
    return "SimpleTuner sent an event."
