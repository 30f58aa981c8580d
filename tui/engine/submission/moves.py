"""Moves a job that waits for a machine to other hardware: cancel, see it cancelled, post again.

Two runs of one job would be paid twice. So the second is posted only after Replicate itself has
named the first one cancelled; an answer to the cancel that is lost or late changes nothing. A move
survives the engine: it is stored before the cancel, and the new job has a key that makes it once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from tui.base.errors import RefusedError
from tui.base.job_status import LOST, JobStatus
from tui.base.json_types import JsonObject
from tui.engine.credentials.replicate_clients import MissingTokenError, ReplicateClients
from tui.engine.runtime.event_bus import EventBus
from tui.engine.runtime.tasks import TaskOwner
from tui.engine.submission.job_service import JobService
from tui.engine.tracking.monitor import Monitor
from tui.engine.tracking.recorder import JobRecorder
from tui.replicate.errors import ReplicateError
from tui.simpletuner.errors import SimpleTunerError
from tui.simpletuner.request.hardware import PROFILES, normalise_profile
from tui.store.records import JobRecord
from tui.store.schema import StoreError

if TYPE_CHECKING:
    from tui.api.jobs import JobMoved

LOG = logging.getLogger(__name__)
FACT: Final = "moves"
"""Moves under way: hardware by the id of the job that is left."""
_PAUSES: Final = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds between two looks at the job that is being cancelled."""
_TOKEN_PAUSE: Final = 1.0
"""Seconds between two looks for a token."""
_ASK_AGAIN: Final = 10
"""Looks after which a cancel is sent again."""


class MoveService:
    """Owns the moves under way."""

    def __init__(
        self,
        *,
        recorder: JobRecorder,
        jobs: JobService,
        monitor: Monitor,
        clients: ReplicateClients,
        bus: EventBus,
        tasks: TaskOwner,
    ) -> None:
        self._recorder = recorder
        self._jobs = jobs
        self._monitor = monitor
        self._clients = clients
        self._bus = bus
        self._tasks = tasks
        self._moving: set[str] = set()
        self.on_end: Callable[[], None] = lambda: None
        """Called when a move is over, whatever its end."""

    def under_way(self) -> list[str]:
        """Ids of the jobs that are being moved; stored, so also those of an earlier engine."""
        return list(self._stored())

    def resume(self) -> None:
        """Go on with the moves that the last engine left."""
        for job_id, hardware in self._stored().items():
            self._start(job_id, hardware)

    async def move(self, job_id: str, hardware: str) -> JobMoved:
        """Begin to move a waiting job to other hardware.

        Raises:
            RefusedError: the job does not wait, or its like cannot be started there.
            ConfigError: its config cannot be read any more.
        """
        job = self._jobs.find(job_id)
        try:
            target = normalise_profile(hardware)
        except ValueError as error:
            raise RefusedError(f"{error}".capitalize() + ".", status=400) from None
        under_way = self._stored().get(job.job_id)
        if under_way is None:
            await self._allow(job, target)
            job = self._jobs.find(job.job_id)  # it may have started while the checks ran
            _must_wait(job)
            self._store(job.job_id, target)
            self._recorder.note(
                job.job_id, "local", "move",
                f"Moving to {PROFILES[target].label}: it is cancelled first.",
            )  # fmt: skip
        self._start(job.job_id, under_way or target)
        return {
            "success": True, "job_id": job.job_id, "hardware": under_way or target,
        }  # fmt: skip

    async def _allow(self, job: JobRecord, target: str) -> None:
        """Refuse a move whose second job could not be started.

        Raises:
            RefusedError: why.
        """
        _must_wait(job)
        draft = job.submit.get("draft")
        if not draft:
            raise RefusedError(
                f"{job.name} was started elsewhere; its config is not here.", status=409
            )
        if draft.get("model"):
            raise RefusedError(
                f"{job.name} runs on a model that was named, and the model decides its hardware.",
                "Cancel it and start it with another model.",
                status=409,
            )
        if "images" in (job.submit.get("secret_names") or ()):
            raise RefusedError(
                f"The address of {job.name}'s archive holds a secret, which is not kept.",
                "Cancel it and start it again with the address.",
                status=409,
            )
        if PROFILES[target].model is None:
            raise RefusedError(f"There is no public trainer on {PROFILES[target].label}.")
        if target == job.hardware:
            raise RefusedError(f"{job.name} waits for {PROFILES[target].label} already.")
        await self._same_account(job)
        try:
            await self._jobs.require_startable(
                job.api_base, draft_for(job, target), freed_micros=job.estimate_micros or 0
            )
        except RefusedError as error:
            over = error.code == "cost_limit_exceeded"
            raise RefusedError(
                f"The job could not be started on {PROFILES[target].label}: {error.message}",
                f"{job.name} stays where it is. {error.advice}".rstrip(),
                status=error.status if over else 409,
                code=error.code if over else "",
                details=error.details if over else None,
            ) from None

    async def _same_account(self, job: JobRecord) -> None:
        """Refuse to post a job for another account than the one it was made for.

        Raises:
            RefusedError: another account is signed in.
            ReplicateError: Replicate cannot be asked.
        """
        account = job.submit.get("account")
        if account and (await self._clients.with_account(job.api_base))[1] not in ("", account):
            raise RefusedError(
                f"{job.name} belongs to the account {account}, and another one is signed in.",
                "Sign in with that account's token.",
                status=409,
            )

    # -- the move -----------------------------------------------------------------------------

    def _stored(self) -> dict[str, str]:
        return dict(self._recorder.writer.fact(FACT) or {})

    def _store(self, job_id: str, hardware: str | None) -> None:
        moves = self._stored()
        if hardware is None:
            moves.pop(job_id, None)
        else:
            moves[job_id] = hardware
        self._recorder.writer.set_fact(FACT, moves)

    def _start(self, job_id: str, hardware: str) -> None:
        if job_id not in self._moving:
            self._moving.add(job_id)
            self._tasks.start(self._run(job_id, hardware), f"move {job_id}")

    async def _run(self, job_id: str, hardware: str) -> None:
        try:
            try:
                job = await self._until_ended(job_id)
            except RefusedError:  # its record was deleted
                self._end(job_id)
                return
            if job.status is JobStatus.CANCELLED and job.provider_status != LOST:
                await self._post(job, hardware)
            else:
                self._tell(
                    job, "warn",
                    f"{job.name} ended before it could be moved: {job.status.value}.",
                    "Nothing was started on other hardware.",
                )  # fmt: skip
            self._end(job_id)
        finally:
            self._moving.discard(job_id)

    def _end(self, job_id: str) -> None:
        self._store(job_id, None)
        self.on_end()

    async def _until_ended(self, job_id: str) -> JobRecord:
        """Cancel a job and look at it until Replicate says that it has ended."""
        look = 0
        while True:
            job = self._jobs.find(job_id)
            if job.status.is_terminal:
                return job
            try:
                if not job.cancel_requested or (look and look % _ASK_AGAIN == 0):
                    await self._jobs.cancel(job_id)
                else:
                    await self._monitor.poll(job_id)
            except RefusedError:  # it has ended meanwhile
                pass
            except (ReplicateError, StoreError) as error:
                LOG.warning("%s is not cancelled yet: %s", job_id, error.message)
            if not self._jobs.find(job_id).status.is_terminal:
                await asyncio.sleep(_PAUSES[min(look, len(_PAUSES) - 1)])
            look += 1

    async def _post(self, job: JobRecord, hardware: str) -> None:
        label = PROFILES[hardware].label
        await self._until_tokens_are_known(job)
        try:
            await self._same_account(job)
            tags = list(self._recorder.writer.annotation(job.job_id).tags)
            draft = draft_for(job, hardware) | {"tags": tags}
            answer = await self._jobs.submit(job.api_base, draft)
        except (RefusedError, ReplicateError, SimpleTunerError, StoreError) as error:
            self._tell(
                job, "error", f"{job.name} was cancelled, but not started on {label}: "
                f"{error.message}", "Start it again from its page (r).",
            )  # fmt: skip
            return
        new_id = str(answer["job_id"])
        self._recorder.note(job.job_id, "local", "move", f"Goes on as {new_id} on {label}.")
        self._recorder.note(new_id, "local", "move", f"Moved here from {job.job_id}.")

    async def _until_tokens_are_known(self, job: JobRecord) -> None:
        """Wait for the tokens that a shell hands in just after it has started the engine."""
        while True:
            try:
                await self._clients.get(job.api_base)
            except MissingTokenError:
                await asyncio.sleep(_TOKEN_PAUSE)
            else:
                break
        if job.submit.get("staging") or job.delivery == "hub":
            await self._clients.resumed_hub_token(job.api_base)

    def _tell(self, job: JobRecord, level: str, message: str, advice: str) -> None:
        self._recorder.note(job.job_id, "local", "move", message)
        self._bus.publish("notice", level=level, message=message, advice=advice, job_id=job.job_id)


def _must_wait(job: JobRecord) -> None:
    """Refuse a job that does not wait for a machine.

    Raises:
        RefusedError: it has started or ended, or Replicate has not accepted it yet.
    """
    if job.status is not JobStatus.QUEUED or not job.prediction_id:
        raise RefusedError(
            f"{job.name} does not wait for a machine: it is {job.status.value}.",
            "Only a job that waits can be moved.",
            status=409,
            code="invalid_job_state",
        )


def draft_for(job: JobRecord, hardware: str) -> JsonObject:
    """Return the job's request for other hardware, with its config and data as they were sent.

    Its idempotency key is derived from the job, so that a second one is never made. It names the
    place that the job's datasets lie in, so that they are not sent to another one. A version of
    the model stays only where the other hardware has the same model.
    """
    draft = {**job.submit["draft"], "hardware": hardware, "name": job.name}
    draft["rerun_of"] = job.job_id
    if PROFILES[hardware].model != job.model:
        draft.pop("version", None)
    if place := (job.submit.get("staging") or {}).get("place"):
        draft |= {"data": "staged", "staging": place}
    return draft | {"idempotency_key": f"move:{job.job_id}"}
