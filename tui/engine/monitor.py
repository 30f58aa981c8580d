"""Following jobs at Replicate by polling, one task for each job that is not at its end.

While a job's webhooks flow it is polled seldom; when they stop, polling takes over.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from tui.engine.book import Book, utc_now
from tui.engine.clients import Clients, MissingTokenError
from tui.engine.hub import Hub
from tui.engine.lost import as_lost
from tui.engine.reconcile import Snapshot
from tui.engine.tasks import TaskOwner
from tui.replicate.errors import (
    AuthenticationError,
    CircuitOpenError,
    NotFoundError,
    ReplicateError,
)
from tui.replicate.models import Prediction
from tui.store.reader import is_loopback
from tui.store.records import JobRecord, JobStatus
from tui.store.schema import StoreError

LOG = logging.getLogger(__name__)

FOCUS_SECONDS: Final = 2.0
OTHER_SECONDS: Final = 10.0
QUEUED_SECONDS: Final = 12.0
LOOPBACK_SECONDS: Final = 0.5
"""A server on this machine has no other callers to be polite to."""
HOOKED_SECONDS: Final = 60.0
LOOPBACK_HOOKED_SECONDS: Final = 5.0
FLOW_SECONDS: Final = 45.0
"""So long after a job's last webhook its webhooks still count as flowing."""
LOOPBACK_FLOW_SECONDS: Final = 2.0
_WAIT_FOR_TOKEN: Final = 3600.0
_SHAKE: Final = 0.15
_STORE_AGAIN: Final = 5.0
_ABSENT: Final = 5
"""After so many “not found” in a row a prediction is given up."""


@dataclass(slots=True)
class _Followed:
    """A job under watch: its task, and the bell that makes it look at once."""

    task: asyncio.Task[None]
    bell: asyncio.Event = field(default_factory=asyncio.Event)


class Monitor:
    """Keeps every active job's record true until it ends."""

    def __init__(
        self,
        book: Book,
        clients: Clients,
        hub: Hub,
        tasks: TaskOwner,
        polling: Callable[[], bool] = lambda: True,
    ) -> None:
        """Args: the services it works with, and whether to poll jobs that have a webhook."""
        self._book = book
        self._clients = clients
        self._hub = hub
        self._tasks = tasks
        self._polling = polling
        self._followed: dict[str, _Followed] = {}
        self._focus: str | None = None
        self._troubles: dict[str, str] = {}
        self._absent: dict[str, int] = {}
        self._heard: dict[str, float] = {}

    @property
    def following(self) -> int:
        """How many jobs are under watch."""
        return len(self._followed)

    def follow(self, job: JobRecord) -> None:
        """Watch a job from now on; does nothing for one that is watched or has no prediction."""
        if job.job_id in self._followed or not job.prediction_id:
            return
        bell = asyncio.Event()
        task = self._tasks.start(self._run(job.job_id, bell), f"follow {job.job_id}")
        self._followed[job.job_id] = _Followed(task, bell)

    def focus(self, job_id: str | None) -> None:
        """The job that somebody looks at is polled more often."""
        self._focus = job_id
        if job_id in self._followed:
            self._followed[job_id].bell.set()

    def wake(self, job_id: str | None = None) -> None:
        """Look at once: at one job, or at all (a token has come, the network is back)."""
        for name, followed in self._followed.items():
            if job_id in (None, name):
                followed.bell.set()

    def heard(self, job_id: str) -> None:
        """A webhook of this job has come and was taken in."""
        if job_id in self._followed:
            self._heard[job_id] = time.monotonic()

    def unheard(self, job_id: str) -> None:
        """What a webhook told could not be kept: look for oneself."""
        self._heard[job_id] = float("-inf")
        self.wake(job_id)

    async def look(self, job_id: str, source: str = "poll") -> JobRecord:
        """Ask Replicate about one job now.

        Raises:
            ReplicateError: it could not be asked.
        """
        job = self._book.writer.job(job_id)
        client = await self._clients.get(job.api_base)
        prediction = await client.get_prediction(job.prediction_id)
        return self._book.tell(job_id, snapshot_of(prediction), source)

    async def _run(self, job_id: str, bell: asyncio.Event) -> None:
        try:
            while True:
                bell.clear()
                try:
                    pause = await self._once(job_id)
                except StoreError as error:  # a full disk: what is told now is told again
                    self._cannot_write(job_id, error)
                    pause = _STORE_AGAIN
                except Exception:  # a bug of ours must not leave a paid run unwatched
                    LOG.exception("job %s could not be looked at", job_id)
                    pause = _STORE_AGAIN
                if pause is None:
                    return
                try:
                    async with asyncio.timeout(pause):
                        await bell.wait()
                except TimeoutError:
                    continue
        finally:
            self._followed.pop(job_id, None)
            self._troubles.pop(job_id, None)
            self._absent.pop(job_id, None)
            self._heard.pop(job_id, None)

    async def _once(self, job_id: str) -> float | None:
        """One look; returns seconds until the next, or None when there is nothing more to see."""
        try:
            job = self._book.writer.job(job_id)
        except KeyError:
            return None
        if job.status.is_terminal:  # a webhook has told the end
            return None
        if self._left_to_webhooks(job):
            return _WAIT_FOR_TOKEN
        try:
            job = await self.look(job_id)
        except KeyError:  # deleted, or joined into the job that posted it, while Replicate answered
            return None
        except MissingTokenError:
            self._trouble(job, "waiting for a Replicate token", "")
            return _WAIT_FOR_TOKEN
        except AuthenticationError as error:
            self._trouble(job, error.message, error.advice)
            return _WAIT_FOR_TOKEN
        except NotFoundError as error:
            self._absent[job_id] = self._absent.get(job_id, 0) + 1
            if self._absent[job_id] < _ABSENT:  # lists and rows of a busy service lag behind
                self._trouble(job, error.message, error.advice)
                return self._interval(job)
            self._book.note(
                job_id, "poll", "lost", "Replicate does not know this prediction any more.",
                stage="unknown to Replicate",
                error="Replicate does not know this prediction (wrong account, or removed).",
                **as_lost(self._book.writer.job(job_id), utc_now()),
            )  # fmt: skip
            return None
        except ReplicateError as error:
            self._trouble(job, error.message, error.advice)
            least = error.retry_after or (30.0 if isinstance(error, CircuitOpenError) else 5.0)
            return max(least, self._interval(job))
        self._troubles.pop(job.job_id, None)
        self._absent.pop(job.job_id, None)
        return None if job.status.is_terminal else self._interval(job)

    def _left_to_webhooks(self, job: JobRecord) -> bool:
        """Whether the user wants no polling and webhooks do without it."""
        missed = self._heard.get(job.job_id, 0.0) < 0
        return not self._polling() and bool(job.submit.get("webhook")) and not missed

    def _interval(self, job: JobRecord) -> float:
        local = is_loopback(job.api_base)
        quiet = time.monotonic() - self._heard.get(job.job_id, float("-inf"))
        if quiet < (LOOPBACK_FLOW_SECONDS if local else FLOW_SECONDS):
            base = LOOPBACK_HOOKED_SECONDS if local else HOOKED_SECONDS
        elif local:
            base = LOOPBACK_SECONDS
        elif job.job_id == self._focus:
            base = FOCUS_SECONDS
        else:
            base = QUEUED_SECONDS if job.status is JobStatus.QUEUED else OTHER_SECONDS
        return base * random.uniform(1 - _SHAKE, 1 + _SHAKE)  # noqa: S311  spreads the load only

    def _cannot_write(self, job_id: str, error: StoreError) -> None:
        if self._troubles.get(job_id) != error.message:
            self._troubles[job_id] = error.message
            LOG.warning("job %s: %s", job_id, error.message)
            self._hub.publish(
                "notice", level="error", message=error.message, advice=error.advice, job_id=job_id
            )

    def _trouble(self, job: JobRecord, message: str, advice: str) -> None:
        """Say once that a job cannot be followed, not at every try."""
        if self._troubles.get(job.job_id) == message:
            return
        self._troubles[job.job_id] = message
        LOG.warning("job %s: %s", job.job_id, message)
        self._book.note(job.job_id, "poll", "trouble", message)
        self._hub.publish(
            "notice", level="warn", message=f"{job.name}: {message}", advice=advice,
            job_id=job.job_id,
        )  # fmt: skip


def snapshot_of(prediction: Prediction) -> Snapshot:
    """What a prediction object tells about a job."""
    seconds = prediction.metrics.get("predict_time")
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
        predict_seconds=float(seconds) if isinstance(seconds, int | float) else None,
        data_removed=prediction.data_removed,
        web_url=prediction.urls.get("web", ""),
    )
