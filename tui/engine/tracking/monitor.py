"""Polls the predictions of active jobs, one task per job.

While webhooks of a job arrive it is polled rarely; when they stop, it is polled at the full rate.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from tui.base.clock import Clock, utc_now
from tui.base.hosts import is_loopback
from tui.base.job_status import JobStatus
from tui.engine.credentials.replicate_clients import (
    HOW_TO_GIVE_ONE,
    MissingTokenError,
    ReplicateClients,
)
from tui.engine.runtime.event_bus import EventBus
from tui.engine.runtime.tasks import TaskOwner
from tui.engine.tracking.reconcile import Snapshot, latest_end, lost_values
from tui.engine.tracking.recorder import JobRecorder
from tui.engine.tracking.silence import NOT_WRITTEN, is_silent, reason
from tui.replicate.errors import (
    AuthenticationError,
    CircuitOpenError,
    NotFoundError,
    ReplicateError,
)
from tui.replicate.models import Prediction
from tui.store.lost_contact import FACT, LostContact, read_unheard
from tui.store.records import JobRecord
from tui.store.schema import StoreError

LOG = logging.getLogger(__name__)

FOCUS_SECONDS: Final = 2.0
OTHER_SECONDS: Final = 10.0
QUEUED_SECONDS: Final = 12.0
LOOPBACK_SECONDS: Final = 0.5
"""For a server on this machine, which has no rate limit to respect."""
WEBHOOK_SECONDS: Final = 60.0
LOOPBACK_WEBHOOK_SECONDS: Final = 5.0
WEBHOOK_FLOW_SECONDS: Final = 45.0
"""Seconds after a job's last webhook for which its webhooks count as arriving."""
LOOPBACK_WEBHOOK_FLOW_SECONDS: Final = 2.0
_WEBHOOKS_ONLY_SECONDS: Final = 3600.0
"""Seconds between two looks at a job that is not polled because the user turned polling off."""
_JITTER: Final = 0.15
_RETRY_SECONDS: Final = 5.0
_CIRCUIT_SECONDS: Final = 30.0
"""Seconds until the next poll while the client sends nothing, after failures of other calls."""
FIRST_BACKOFF: Final = 5.0
LONGEST_BACKOFF: Final = 60.0
MAX_NOT_FOUND: Final = 5
"""After so many 404 answers in a row a prediction that never ran is given up."""

Wait = Callable[[asyncio.Event, float], Awaitable[None]]


async def _wait_for(wake_event: asyncio.Event, seconds: float) -> None:
    """Wait until the event is set, for so many seconds at most."""
    try:
        async with asyncio.timeout(seconds):
            await wake_event.wait()
    except TimeoutError:
        return


def failure_backoff(failures: int) -> float:
    """Seconds until the next poll after so many failures in a row: 5, 10, 20, 40, then 60."""
    return min(LONGEST_BACKOFF, FIRST_BACKOFF * 2.0 ** min(failures - 1, 10))


@dataclass(slots=True)
class _FollowedJob:
    """A followed job: its task, and the event that makes it poll at once."""

    task: asyncio.Task[None]
    wake_event: asyncio.Event = field(default_factory=asyncio.Event)


class Monitor:
    """Keeps the record of every active job up to date until the job ends."""

    def __init__(
        self,
        recorder: JobRecorder,
        clients: ReplicateClients,
        bus: EventBus,
        tasks: TaskOwner,
        polling: Callable[[], bool] = lambda: True,
        *,
        heard_until: datetime | None = None,
        now: Clock = utc_now,
        wait: Wait = _wait_for,
    ) -> None:
        """Take the services to work with.

        Args:
            recorder: stores what the polls report.
            clients: the API clients.
            bus: publishes notices.
            tasks: owns the tasks.
            polling: whether to poll jobs that have a webhook.
            heard_until: when the engine before this one last kept the jobs; None where that is
                not known.
            now: the clock.
            wait: waits until an event is set, for so many seconds at most.
        """
        self._recorder = recorder
        self._clients = clients
        self._bus = bus
        self._tasks = tasks
        self._polling = polling
        self._followed: dict[str, _FollowedJob] = {}
        self._focus: str | None = None
        self._troubles: dict[str, str] = {}
        self._now = now
        self._heard_until = heard_until
        self._wait = wait
        self._not_found_counts: dict[str, int] = {}
        self._refusals: dict[str, int] = {}
        self._failures: dict[str, int] = {}
        self._last_webhook: dict[str, float] = {}
        self._last_contact: dict[str, datetime] = {}
        self._lost_contact = read_unheard(recorder.writer.fact(FACT))
        active = {job.job_id for job in recorder.writer.active()}
        # Jobs that ended while the fact could not be updated: the engine ended in between.
        if ended := self._lost_contact.keys() - active:
            self._clear_lost_contact(*ended)

    @property
    def following(self) -> int:
        """How many jobs are being followed."""
        return len(self._followed)

    def follow(self, job: JobRecord) -> None:
        """Start to follow a job; does nothing if it is followed already or has no prediction."""
        if job.job_id in self._followed or not job.prediction_id:
            return
        wake_event = asyncio.Event()
        self._clients.networks.remember(job.job_id)
        task = self._tasks.start(self._run(job.job_id, wake_event), f"follow {job.job_id}")
        self._followed[job.job_id] = _FollowedJob(task, wake_event)

    def focus(self, job_id: str | None) -> None:
        """Poll the job that the user looks at more often; None for no job."""
        self._focus = job_id
        if job_id in self._followed:
            self._followed[job_id].wake_event.set()

    def wake(self, job_id: str | None = None) -> None:
        """Poll at once: one job, or all of them (there is a new token, or the network is back)."""
        if job_id is None:  # refusals of another token or network do not count any more
            self._not_found_counts.clear()
            self._refusals.clear()
            self._failures.clear()
        for name, followed in self._followed.items():
            if job_id in (None, name):
                followed.wake_event.set()

    def webhook_received(self, job_id: str) -> None:
        """Note that a webhook of this job was received; stored as well, unless it is postponed."""
        if job_id in self._followed:
            self._last_webhook[job_id] = time.monotonic()
            if self._recorder.is_postponed(job_id):
                self._mark_lost_contact(job_id, NOT_WRITTEN)
                return
            self._last_contact[job_id] = self._now()
            self._clear_lost_contact(job_id)

    def webhook_failed(self, job_id: str) -> None:
        """Poll at once, because the content of a webhook could not be stored."""
        self._last_webhook[job_id] = float("-inf")
        self.wake(job_id)

    async def poll(self, job_id: str, source: str = "poll") -> JobRecord:
        """Read one job's prediction from Replicate now.

        Args:
            job_id: the job.
            source: source of the event in the job's history.

        Returns:
            The job's updated record.

        Raises:
            KeyError: there is no such job.
            ReplicateError: the prediction could not be read.
        """
        job = self._recorder.writer.job(job_id)
        with self._clients.acting_for(job.api_base, job.submit.get("account")):
            client = await self._clients.get(job.api_base)
            prediction = await client.get_prediction(job.prediction_id)
        answered_at = self._now()
        if self._failures.get(job_id):  # a caller's look has got through where ours do not
            self._clients.networks.adopt(job_id)
        record = self._recorder.apply_snapshot(job_id, snapshot_of(prediction), source)
        if not self._recorder.is_postponed(job_id):
            self._last_contact[job_id] = answered_at
        return record

    async def _run(self, job_id: str, wake_event: asyncio.Event) -> None:
        try:
            while True:
                wake_event.clear()
                try:
                    pause = await self._poll_once(job_id)
                except StoreError as error:  # a full disk: the next poll reports the same again
                    self._report_store_error(job_id, error)
                    pause = _RETRY_SECONDS
                except Exception:  # a bug of ours must not leave a paid run unwatched
                    LOG.exception("job %s could not be looked at", job_id)
                    pause = _RETRY_SECONDS
                if pause is None:
                    self._clear_lost_contact(job_id)
                    return
                await self._wait(wake_event, pause)
        finally:
            self._followed.pop(job_id, None)
            self._troubles.pop(job_id, None)
            self._not_found_counts.pop(job_id, None)
            self._refusals.pop(job_id, None)
            self._failures.pop(job_id, None)
            self._last_webhook.pop(job_id, None)
            self._last_contact.pop(job_id, None)

    async def _poll_once(self, job_id: str) -> float | None:
        """Poll once; returns seconds until the next poll, None when the job has ended."""
        try:
            job = self._recorder.writer.job(job_id)
        except KeyError:
            return None
        if job.status.is_terminal:  # a webhook has reported the end
            return None
        if self._uses_webhooks_only(job):
            return _WEBHOOKS_ONLY_SECONDS
        try:
            with self._clients.networks.of(job_id):
                job = await self.poll(job_id)
        except KeyError:  # meanwhile deleted, or merged into the job that posted it
            return None
        except MissingTokenError:
            return self._unauthorized(job, "no token", "waiting for a Replicate token", "")
        except AuthenticationError as error:
            return self._unauthorized(job, "token refused", error.message, error.advice)
        except NotFoundError as error:
            return self._not_found(job, error)
        except ReplicateError as error:
            return self._failed(job, error)
        self._troubles.pop(job.job_id, None)
        self._not_found_counts.pop(job.job_id, None)
        self._refusals.pop(job.job_id, None)
        self._failures.pop(job.job_id, None)
        if self._recorder.is_postponed(job_id):
            self._mark_lost_contact(job_id, NOT_WRITTEN)
        else:
            self._clear_lost_contact(job_id)
        return None if job.status.is_terminal else self._interval(job)

    def _failed(self, job: JobRecord, error: ReplicateError) -> float:
        """Handle an API that fails or is silent; returns seconds until the next poll.

        The pause grows with each failure in a row, and is never shorter than `Retry-After`.
        """
        self._not_found_counts.pop(job.job_id, None)
        failures = self._failures[job.job_id] = self._failures.get(job.job_id, 0) + 1
        interval = self._interval(job)
        if is_silent(self._last_contact.get(job.job_id), self._now(), interval):
            self._mark_lost_contact(job.job_id, reason(error))
        self._report_trouble(job, error.message, error.advice)
        least = _CIRCUIT_SECONDS if isinstance(error, CircuitOpenError) else 0.0
        return max(error.retry_after or 0.0, least, failure_backoff(failures), interval)

    def _unauthorized(self, job: JobRecord, why: str, message: str, advice: str) -> float:
        """Handle a missing or refused token; returns seconds until the next poll.

        A service may refuse a valid token for a moment, so polling goes on. A new token is tried
        at once, because it wakes the task.
        """
        self._not_found_counts.pop(job.job_id, None)
        self._refusals[job.job_id] = self._refusals.get(job.job_id, 0) + 1
        self._mark_lost_contact(job.job_id, why)
        self._report_trouble(job, message, advice)
        return failure_backoff(self._refusals[job.job_id])

    def _not_found(self, job: JobRecord, error: NotFoundError) -> float | None:
        """Handle a 404 answer; returns seconds until the next poll, None when the job is ended."""
        posted_to, used = job.submit.get("account"), self._clients.known_account(job.api_base)
        if posted_to and used and used != posted_to:  # its answers say nothing about this job
            message = f"The job was started by {posted_to}, and the token in use is {used}'s."
            return self._unauthorized(job, "another account's token", message, HOW_TO_GIVE_ONE)
        self._refusals.pop(job.job_id, None)
        count = self._not_found_counts[job.job_id] = self._not_found_counts.get(job.job_id, 0) + 1
        if count < MAX_NOT_FOUND:  # a busy service may not show a new prediction yet
            self._report_trouble(job, error.message, error.advice)
            return self._interval(job)
        ran = job.started_at is not None or job.status is JobStatus.RUNNING
        if ran and self._now() + self._clients.clock_offset(job.api_base) < latest_end(job):
            # Its time limit is not over: the prediction may still run and cost money.
            self._mark_lost_contact(job.job_id, "not found at Replicate")
            self._report_trouble(job, error.message, error.advice)
            return max(failure_backoff(count - MAX_NOT_FOUND + 1), self._interval(job))
        self._end_lost(job)
        return None

    def give_up(self, job_id: str) -> bool:
        """End a job that the user cancels and Replicate does not know.

        Returns:
            Whether it was ended: only after `MAX_NOT_FOUND` answers 404 in a row.
        """
        if self._not_found_counts.get(job_id, 0) < MAX_NOT_FOUND:
            return False
        self._end_lost(self._recorder.writer.job(job_id))
        self.wake(job_id)
        return True

    def _end_lost(self, job: JobRecord) -> None:
        self._recorder.note(
            job.job_id, "poll", "lost", "Replicate does not know this prediction any more.",
            stage="unknown to Replicate",
            error="Replicate does not know this prediction (wrong account, or removed).",
            **lost_values(self._recorder.writer.job(job.job_id), self._now()),
        )  # fmt: skip

    def _uses_webhooks_only(self, job: JobRecord) -> bool:
        """Whether the user turned polling off, and the job's webhooks work."""
        missed = self._last_webhook.get(job.job_id, 0.0) < 0
        return not self._polling() and bool(job.submit.get("webhook")) and not missed

    def _interval(self, job: JobRecord) -> float:
        local = is_loopback(job.api_base)
        quiet = time.monotonic() - self._last_webhook.get(job.job_id, float("-inf"))
        if quiet < (LOOPBACK_WEBHOOK_FLOW_SECONDS if local else WEBHOOK_FLOW_SECONDS):
            base = LOOPBACK_WEBHOOK_SECONDS if local else WEBHOOK_SECONDS
        elif local:
            base = LOOPBACK_SECONDS
        elif job.job_id == self._focus:
            base = FOCUS_SECONDS
        else:
            base = QUEUED_SECONDS if job.status is JobStatus.QUEUED else OTHER_SECONDS
        return base * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311  spreads the load only

    def _mark_lost_contact(self, job_id: str, why: str) -> None:
        """Publish why a job cannot be followed, and since when."""
        known = self._lost_contact.get(job_id)
        since = self._last_contact.get(job_id) or (known.since if known else None)
        if since is None:  # none since the start of this engine
            made = self._recorder.writer.job(job_id).created_at
            since = max(self._heard_until or made, made)
        mark = LostContact(why, since)
        if mark != known:
            self._lost_contact[job_id] = mark
            self._publish_lost_contact()

    def _clear_lost_contact(self, *job_ids: str) -> None:
        """Clear the mark of jobs that are followed again, or have ended."""
        if [job_id for job_id in job_ids if self._lost_contact.pop(job_id, None)]:
            self._publish_lost_contact()

    def _publish_lost_contact(self) -> None:
        self._recorder.writer.set_fact(
            FACT, {job_id: mark.row() for job_id, mark in self._lost_contact.items()}
        )
        self._bus.publish("fact", name=FACT)

    def _report_store_error(self, job_id: str, error: StoreError) -> None:
        if self._troubles.get(job_id) != error.message:
            self._troubles[job_id] = error.message
            LOG.warning("job %s: %s", job_id, error.message)
            self._bus.publish(
                "notice", level="error", message=error.message, advice=error.advice, job_id=job_id
            )

    def _report_trouble(self, job: JobRecord, message: str, advice: str) -> None:
        """Report that a job cannot be followed: once per message, not at every poll."""
        if self._troubles.get(job.job_id) == message:
            return
        self._troubles[job.job_id] = message
        LOG.warning("job %s: %s", job.job_id, message)
        self._recorder.note(job.job_id, "poll", "trouble", message)
        self._bus.publish(
            "notice", level="warn", message=f"{job.name}: {message}", advice=advice,
            job_id=job.job_id,
        )  # fmt: skip


def snapshot_of(prediction: Prediction) -> Snapshot:
    """The part of a prediction that a job's record is made from."""
    return Snapshot(
        status=prediction.status,
        model=prediction.model,
        version=prediction.version,
        output=prediction.output,
        error=prediction.error or "",
        logs=prediction.logs,
        created_at=prediction.created_at,
        started_at=prediction.started_at,
        completed_at=prediction.completed_at,
        predict_seconds=prediction.predict_time,
        data_removed=prediction.data_removed,
        web_url=prediction.urls.get("web", ""),
    )
