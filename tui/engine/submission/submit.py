"""Runs the submission of a job: pack, upload, post, follow; one stored phase at a time.

    new ─▶ packed ─▶ uploaded ─▶ posting ─▶ accepted
     └───▶ staged ──────────────────┘│ ▲
                                     ▼ │
                                   looked up

Each phase is stored before its step is taken. After a crash the engine therefore knows what it may
repeat (packing and uploading are free) and what it must look up first (a POST is paid). The inputs
are fixed when the job is created, except the address of the archive: what the user agreed to is
what is sent, even when the config file changes meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Final

from tui.base.clock import Clock
from tui.base.job_status import JobStatus
from tui.engine.credentials.replicate_clients import MissingTokenError, ReplicateClients
from tui.engine.credentials.storage_keys import StorageKeys
from tui.engine.runtime.event_bus import EventBus
from tui.engine.runtime.tasks import TaskOwner
from tui.engine.staging.service import StagingService
from tui.engine.submission.archives import Archives
from tui.engine.submission.phases import note_phase
from tui.engine.submission.post_once import (
    CancelledWhilePostingError,
    PredictionPoster,
    UnknownOutcomeError,
)
from tui.engine.tracking.monitor import Monitor
from tui.engine.tracking.prediction_claims import CARRIED_OUT_WITHIN, PredictionClaims
from tui.engine.tracking.reconcile import lost_values
from tui.engine.tracking.recorder import JobRecorder
from tui.replicate.errors import InvalidInputError, ReplicateError
from tui.replicate.secret import Secret
from tui.settings import Home
from tui.simpletuner.datasets.scan import DataReport
from tui.simpletuner.errors import CancelledByUser, SimpleTunerError
from tui.store.job_values import JobValues
from tui.store.records import JobRecord
from tui.store.schema import DuplicateError, StoreError

LOG = logging.getLogger(__name__)

_STORE_RETRY_SECONDS: Final = 5.0
"""Seconds until the next try when the store cannot be written."""


class Submitter:
    """Owns the tasks of jobs that are being submitted."""

    def __init__(
        self,
        *,
        recorder: JobRecorder,
        claims: PredictionClaims,
        clients: ReplicateClients,
        bus: EventBus,
        monitor: Monitor,
        tasks: TaskOwner,
        keys: StorageKeys,
        home: Home,
        now: Clock,
        keys_for: Callable[[JobRecord], Awaitable[dict[str, Secret]]],
        staging: StagingService,
        share_checkpoint: Callable[[JobRecord], Awaitable[None]],
        webhook_for: Callable[[JobRecord], str | None] = lambda _job: None,
        is_held: Callable[[str], bool] = lambda _job_id: False,
    ) -> None:
        """Take the services it works with.

        Args:
            recorder: stores phases and events.
            claims: matches predictions to jobs.
            clients: the Replicate clients.
            bus: publishes notices and progress.
            monitor: follows the prediction once it exists.
            tasks: owns the tasks.
            keys: the keys of the local storage receiver.
            home: the state directory.
            now: the clock.
            keys_for: reads the keys of the user's own bucket for one POST.
            staging: sends datasets to the place that the trainer reads from.
            share_checkpoint: lets a job read the checkpoint that it goes on from.
            webhook_for: the webhook address of a job; None for none.
            is_held: whether a job waits for its turn in a sweep, by its id.
        """
        self._share_checkpoint = share_checkpoint
        self._recorder = recorder
        self._bus = bus
        self._monitor = monitor
        self._networks = clients.networks
        self._staging = staging
        self._tasks = tasks
        self._now = now
        self._archives = Archives(recorder=recorder, clients=clients, bus=bus, home=home)
        self._poster = PredictionPoster(
            recorder=recorder,
            claims=claims,
            clients=clients,
            keys=keys,
            now=now,
            webhook_for=webhook_for,
            keys_for=self._secret_values,
        )
        self._keys_for = keys_for
        self._is_held = is_held
        self._looking_again: set[str] = set()
        self._running: dict[str, asyncio.Task[None]] = {}
        self._cancels: dict[str, threading.Event] = {}

    @property
    def busy(self) -> int:
        """How many jobs are being submitted."""
        return len(self._running)

    def start(
        self,
        job: JobRecord,
        report: DataReport | None = None,
        secret_inputs: Mapping[str, Secret] | None = None,
    ) -> None:
        """Start or resume a job's submission; does nothing while its task runs.

        A job whose turn in its sweep has not come is left alone.

        Args:
            job: a job in state pending or uploading, or one with a cancel to pass on.
            report: the scan of its datasets; None (after a restart) scans them again.
            secret_inputs: kept in memory only, never stored.
        """
        if secret_inputs:
            self._poster.hold_secrets(job.job_id, secret_inputs)
        if self._is_held(job.job_id):
            return
        task = self._running.get(job.job_id)
        if task is not None and not task.done():
            return
        self._cancels[job.job_id] = threading.Event()
        self._networks.remember(job.job_id)
        with self._networks.of(job.job_id):
            task = self._tasks.start(self._run(job.job_id, report), f"submit {job.job_id}")
        self._running[job.job_id] = task
        task.add_done_callback(lambda ended: self._forget(job.job_id, ended))

    def follow(self, job: JobRecord) -> None:
        """Follow a job that has got its prediction, and pass on a cancel requested before."""
        self._monitor.follow(job)
        if job.cancel_requested and not job.status.is_terminal:
            self.start(job)
        self.look_again(job)

    def look_again(self, job: JobRecord) -> None:
        """Look for runs of a job's POSTs that were not found, and may come late or be a second."""
        if job.submit.get("looked_up") and job.job_id not in self._looking_again:
            posted_at = datetime.fromisoformat(job.submit.get("posted_at", job.submit["since"]))
            if self._now() - posted_at < CARRIED_OUT_WITHIN:
                self._looking_again.add(job.job_id)
                with self._networks.of(job.job_id):
                    self._tasks.start(self._poster.look_again(job.job_id), f"late {job.job_id}")

    def _forget(self, job_id: str, task: asyncio.Task[None]) -> None:
        if self._running.get(job_id) is not task:  # a newer task has replaced it
            return
        self._running.pop(job_id, None)
        self._cancels.pop(job_id, None)

    async def cancel(self, job: JobRecord) -> bool:
        """Cancel a job that has no prediction yet.

        A job that is being posted is marked; its prediction is cancelled as soon as it is known.

        Returns:
            Whether the job has ended without a prediction.
        """
        phase = job.submit.get("phase")
        if phase in ("posting", "accepted"):
            self._recorder.note(
                job.job_id, "local", "cancel", "Cancel asked for.", cancel_requested=True
            )
            return False
        task = self._running.get(job.job_id)
        if event := self._cancels.get(job.job_id):
            event.set()
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(asyncio.gather(task, return_exceptions=True))
        fresh = self._recorder.writer.job(job.job_id)
        if fresh.submit.get("phase") in ("posting", "accepted"):
            await self.cancel(fresh)
            # The task ended before it could see the request: a new one passes the cancel on.
            self.start(self._recorder.writer.job(job.job_id))
            return False
        self._end_cancelled(job.job_id)
        return True

    def _end_cancelled(self, job_id: str) -> None:
        self._archives.remove(job_id)
        ended = self._recorder.note(
            job_id, "local", "state", "Cancelled before anything was started at Replicate.",
            status=JobStatus.CANCELLED, stage="", completed_at=self._now(), cost_micros=0,
            cancel_requested=True,
        )  # fmt: skip
        self._staging.job_ended(ended)

    # -- the steps ----------------------------------------------------------------------------

    async def _run(self, job_id: str, report: DataReport | None) -> None:
        while True:
            try:
                return await self._try(job_id, report)
            except StoreError as error:  # a full disk: resume from the last stored phase
                LOG.warning("job %s waits: %s", job_id, error.message)
                self._bus.publish(
                    "notice", level="error", message=error.message, advice=error.advice,
                    job_id=job_id,
                )  # fmt: skip
                await asyncio.sleep(_STORE_RETRY_SECONDS)

    async def _try(self, job_id: str, report: DataReport | None) -> None:
        try:
            await self._steps(job_id, report)
        except MissingTokenError as error:
            self._recorder.note(
                job_id, "local", "waiting", error.message, stage="waiting for a Replicate token"
            )
        except InvalidInputError as error:
            refused = {item.field: item.message for item in error.fields if item.field}
            self._fail(job_id, error.message, error.advice, refused)
        except UnknownOutcomeError as error:
            self._fail(job_id, error.message, error.advice, lost=True)
        except ReplicateError as error:
            self._fail(job_id, error.message, error.advice)
        except DuplicateError as error:  # a prediction was started; another POST must not follow
            self._fail(job_id, error.message, error.advice, lost=True)
        except CancelledByUser:
            return
        except CancelledWhilePostingError:
            self._end_cancelled(job_id)
        except SimpleTunerError as error:
            self._fail(job_id, error.message, error.advice)
        except OSError as error:
            self._fail(
                job_id,
                f"The dataset could not be packed: {error.strerror or error}.",
                "Is the disk full? Free some space and run the job again.",
            )

    async def _steps(self, job_id: str, report: DataReport | None) -> None:
        cancel = self._cancels[job_id]
        job = self._recorder.writer.job(job_id)
        if job.prediction_id:  # posted already: at most a cancel remains to be passed on
            await self._follow_prediction(job)
            return
        await self._poster.require_account(job)
        if job.submit.get("phase") == "new" and job.submit.get("pack"):
            await self._archives.pack(job, report, cancel)
            job = self._recorder.writer.job(job_id)
        if job.submit.get("phase") == "packed":
            await self._archives.upload(job, cancel)
            job = self._recorder.writer.job(job_id)
        if job.submit.get("phase") == "new" and job.submit.get("staging"):
            inputs = await self._staging.stage(job, cancel)
            job = self._recorder.writer.job(job_id)
            note_phase(
                self._recorder, job, "staged", "The datasets are staged and verified.",
                inputs=inputs,
            )  # fmt: skip
            job = self._recorder.writer.job(job_id)
        await self._share_checkpoint(job)
        await self._follow_prediction(await self._poster.post(job))

    async def _secret_values(self, job: JobRecord) -> dict[str, Secret]:
        return {**await self._keys_for(job), **await self._staging.secrets_for(job)}

    async def _follow_prediction(self, job: JobRecord) -> None:
        self._monitor.follow(job)
        self.look_again(job)
        if job.cancel_requested and not job.status.is_terminal:
            await self._poster.pass_on_cancel(job)

    def _fail(
        self,
        job_id: str,
        message: str,
        advice: str,
        refused: Mapping[str, str] | None = None,
        *,
        lost: bool = False,
    ) -> None:
        """End a job whose submission failed.

        Args:
            job_id: the job. One that has a prediction is not ended but followed.
            message: why it failed.
            advice: what the user can do.
            refused: Replicate's message by refused input.
            lost: a prediction may have been started, so its cost counts.
        """
        self._archives.remove(job_id)
        job = self._recorder.writer.job(job_id)
        if job.prediction_id:
            self._recorder.note(job_id, "local", "trouble", message)
            self._monitor.follow(job)
            self._bus.publish(
                "notice", level="error", message=message, advice=advice, job_id=job_id
            )
            return
        now = self._now()
        ending: JobValues = {"status": JobStatus.FAILED, "completed_at": now, "cost_micros": 0}
        if lost:
            ending = lost_values(job, now)
        ended = self._recorder.note(
            job_id, "local", "state", message,
            **ending, stage=message, error=message,
            diagnosis={
                "kind": "submit", "title": message, "what": message, "evidence": [],
                "advice": [advice] if advice else [], "changes": {}, "inputs": dict(refused or {}),
            },
        )  # fmt: skip
        self._staging.job_ended(ended)
        self.look_again(ended)
        self._bus.publish("notice", level="error", message=message, advice=advice, job_id=job_id)
