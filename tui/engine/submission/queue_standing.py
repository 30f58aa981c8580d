"""How long a job has waited for a machine, how long jobs usually wait, and what others cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Final, cast

from tui.base.formatting import duration, money
from tui.base.hosts import is_loopback
from tui.base.job_status import JobStatus
from tui.engine.config.live import LiveSettings
from tui.engine.diagnostics.status_page import StatusPage
from tui.engine.submission.history import QueueWait, config_of, measured_step, queue_wait
from tui.simpletuner.checks.estimate import estimate
from tui.simpletuner.request.hardware import PROFILES
from tui.store.past_runs import PastRun
from tui.store.reader import StoreReader
from tui.store.records import JobRecord

if TYPE_CHECKING:
    from tui.api.jobs import OtherHardware, QueueStanding

_WITHOUT_HISTORY: Final = 900
"""Seconds after which a wait is long where no earlier job tells: 15 minutes."""
_LEAST: Final = 120
"""No wait is called long before so many seconds: a cold boot takes that long."""
_FACTOR: Final = 2


def stuck_after(wait: QueueWait | None) -> int:
    """Seconds after which a wait is unusual: twice what 95 of 100 jobs waited at most."""
    return _WITHOUT_HISTORY if wait is None else max(_LEAST, _FACTOR * wait.long_seconds)


class QueueStandings:
    """Computes the standing of jobs in the queue."""

    def __init__(
        self,
        *,
        reader: StoreReader,
        live: LiveSettings,
        status_page: StatusPage,
        now: Callable[[], datetime],
    ) -> None:
        self._reader = reader
        self._live = live
        self._status_page = status_page
        self._now = now

    def is_stuck(self, job: JobRecord, runs: Sequence[PastRun] | None = None) -> bool:
        """Whether a job has waited longer than is usual for its hardware."""
        if job.status is not JobStatus.QUEUED:
            return False
        if runs is None:
            runs = self._reader.past_runs(sandbox=is_loopback(job.api_base))
        return self._waited(job) >= stuck_after(queue_wait(runs, job.hardware))

    def _waited(self, job: JobRecord) -> int:
        since = job.queued_at or job.created_at
        until = job.started_at or job.completed_at or self._now()
        return max(0, int((until - since).total_seconds()))

    async def standing(self, job: JobRecord) -> QueueStanding:
        """Describe a job's wait, Replicate's own state, and what other hardware would cost."""
        runs = self._reader.past_runs(sandbox=is_loopback(job.api_base))
        wait = queue_wait(runs, job.hardware)
        page = await self._status_page.read(job.api_base)
        waited, limit = self._waited(job), stuck_after(wait)
        card = job.hardware.partition("-")[0]
        standing: QueueStanding = {
            "job_id": job.job_id,
            "hardware": job.hardware,
            "waited_seconds": waited,
            "usual_seconds": wait.seconds if wait else None,
            "long_seconds": wait.long_seconds if wait else None,
            "runs": wait.runs if wait else 0,
            "stuck_after_seconds": limit,
            "stuck": job.status is JobStatus.QUEUED and waited >= limit,
            "service": page["state"],
            "service_words": page["gpus"].get(card, "") or page["description"],
            "others": [
                self._other(job, name, runs)
                for name, profile in PROFILES.items()
                if profile.model is not None and name != job.hardware
            ],
            "words": "",
        }
        standing["words"] = _words(standing)
        return standing

    def _other(self, job: JobRecord, name: str, runs: Sequence[PastRun]) -> OtherHardware:
        profile = PROFILES[name]
        rate = self._live.now.rates_micros.get(name, profile.micros_per_second)
        config = config_of(job.config, job.dataloader)
        if job.total_steps:
            values = {**config.values, "max_train_steps": job.total_steps, "num_train_epochs": 0}
            config = replace(config, values=values)
        step = measured_step(runs, config, name)
        guess = estimate(
            config, profile, micros_per_second=rate, step_seconds=step.seconds if step else None
        )
        wait = queue_wait(runs, name)
        return cast(
            "OtherHardware",
            {
                "id": name,
                "label": profile.label,
                "rate_micros": rate,
                "seconds": guess.seconds,
                "estimate_micros": guess.micros,
                "usual_wait_seconds": wait.seconds if wait else None,
            },
        )


def _words(standing: QueueStanding) -> str:
    """The standing in a sentence or two, for the screen."""
    label = PROFILES[standing["hardware"]].label if standing["hardware"] in PROFILES else "a GPU"
    words = f"It has waited {duration(standing['waited_seconds'])} for {label}"
    if standing["long_seconds"] is not None:
        words += f"; 95 of 100 jobs started within {duration(standing['long_seconds'])}"
    service = standing["service"]
    told = standing["service_words"] or service
    words += f". Replicate's status page: {'cannot be read' if service == 'unknown' else told}."
    cheapest = min(standing["others"], key=lambda other: other["estimate_micros"], default=None)
    if standing["stuck"] and cheapest is not None:
        words += f" {cheapest['label']} would cost about {money(cheapest['estimate_micros'])}."
    return words
