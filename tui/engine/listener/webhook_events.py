"""From a webhook that was believed to the job it speaks of, through the one door."""

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
from tui.engine.tracking.claims import PredictionClaims
from tui.engine.tracking.monitor import Monitor, snapshot_of
from tui.engine.tracking.recorder import JobRecorder
from tui.engine.tracking.sync import import_prediction
from tui.listener.webhooks import HookEvent, HookJob, WebhookSecrets
from tui.replicate.models import Prediction
from tui.store.records import JobRecord

LOG = logging.getLogger(__name__)

_LOGS_NOTED: Final = 60.0
"""Seconds between two lines of a job's history that say “log output came”: there may be two such
events each second."""
_WORDS: Final = {
    "start": "Replicate has started the run.",
    "output": "Output came.",
    "logs": "Log output came.",
    "completed": "The run has ended.",
    "failed": "The run has failed.",
}
_LONGEST: Final = 300


@dataclass(slots=True)
class _Logged:
    """Log events of one job that its history does not list one by one."""

    noted_at: float
    since: int = 0


class WebhookEvents:
    """Takes in events, and knows the keys that jobs' webhook addresses carry."""

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
        self._logged: dict[str, _Logged] = {}

    # -- asked by the receiver ----------------------------------------------------------------

    async def job_of(self, key: str) -> HookJob | None:
        """The job, or the test, behind an address's key."""
        if (probe := self._probes.of_key(key)) is not None:
            return probe
        job = self._keys.job_of_hook_key(key)
        if job is None:
            return None
        names = {job.prediction_id, job.job_id} if job.prediction_id else set()
        return HookJob(job.job_id, frozenset(names))

    def secrets_for(self, job: HookJob | None) -> WebhookSecrets:
        """Whose secret signs for a job; without one, the account of the usual API base."""
        return self._secrets.of(self._base_of(job))

    def _base_of(self, job: HookJob | None) -> str:
        if job is None:
            return self._default_base()
        if (base := self._probes.base_of(job.job_id)) is not None:
            return base
        try:
            return self._recorder.writer.job(job.job_id).api_base
        except KeyError:
            return self._default_base()

    # -- told by the receiver -----------------------------------------------------------------

    async def take(self, event: HookEvent) -> None:
        """Work with an event; its sender has had the answer already."""
        if event.job_id and self._probes.arrived(event.job_id):
            return
        job = self._job(event)
        if event.kind == "simpletuner":
            if job is not None:
                self._own_body(job, event)
            return
        prediction = Prediction.read(event.body)
        if event.verified and (job is None or not event.job_id):
            # The address has no key: what the body says may still be a job's that is being posted.
            job = self._claims.job_for(self._default_base(), prediction) or job
        if job is None or job.prediction_id not in ("", prediction.id):
            self._import(event, prediction)
            return
        if not job.prediction_id and event.verified:
            # The answer to our POST is late or lost. Only that POST has told anybody this address.
            words = f"Replicate runs it as {prediction.id}."
            job = self._claims.assign(job, prediction.id, "webhook", words)
        self._tell(job, event, prediction)

    def _job(self, event: HookEvent) -> JobRecord | None:
        writer = self._recorder.writer
        base = self._default_base()
        for job_id in filter(None, (event.job_id, "" if event.job_id else event.subject)):
            try:
                return writer.job(job_id)
            except KeyError:
                continue
        return None if event.job_id else writer.by_prediction(base, event.subject)

    def _tell(self, job: JobRecord, event: HookEvent, prediction: Prediction) -> None:
        told = self._recorder.apply_snapshot(
            job.job_id, snapshot_of(prediction), "webhook", self._happened(job.job_id, event)
        )
        if prediction.is_terminal and not told.status.is_terminal:
            self._monitor.webhook_failed(
                job.job_id
            )  # its log could not be written: to be asked for again
            return
        self._monitor.webhook_received(job.job_id)
        if told.status.is_terminal:
            self._logged.pop(job.job_id, None)
            self._monitor.wake(job.job_id)
        else:
            self._monitor.follow(told)

    def _happened(self, job_id: str, event: HookEvent) -> tuple[str, str] | None:
        words = _WORDS.get(event.event, "Replicate sent an event.")
        if event.event != "logs":
            return event.event, words
        now = time.monotonic()
        logged = self._logged.get(job_id)
        if logged is not None and now - logged.noted_at < _LOGS_NOTED:
            logged.since += 1
            return None
        more = f" ({logged.since} more since the last such line)" if logged else ""
        self._logged[job_id] = _Logged(now)
        return "logs", f"Log output came{more}."

    def _import(self, event: HookEvent, prediction: Prediction) -> None:
        if not event.verified:
            return
        base = self._default_base()
        if self._recorder.writer.by_prediction(base, prediction.id) is not None:
            return
        job = import_prediction(prediction, base, self._recorder, self._live.now, "webhook")
        if job is not None and job.status.is_active:
            self._monitor.follow(job)
            self._monitor.webhook_received(job.job_id)

    def _own_body(self, job: JobRecord, event: HookEvent) -> None:
        """A body that SimpleTuner composed inside the trainer.

        It says what the trainer thinks; the state of the prediction is Replicate's to tell, so it
        is looked up then.
        """
        if not _uses_own_bodies(job):
            LOG.info("job %s has no webhook of SimpleTuner's own; its event is ignored", job.job_id)
            return
        self._recorder.note(job.job_id, "webhook", event.event, _own_words(event.body))
        self._monitor.wake(job.job_id)


def _uses_own_bodies(job: JobRecord) -> bool:
    return bool(job.config.get("webhook_config") or job.inputs.get("webhook_config"))


def _own_words(body: Any) -> str:
    for name in ("error", "message", "status"):
        value = body.get(name)
        if isinstance(value, str) and value.strip():
            return value.strip()[:_LONGEST]
    return "SimpleTuner sent an event."
