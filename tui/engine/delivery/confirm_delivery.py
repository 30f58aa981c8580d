"""Confirms after a job's end that its results are at their destination.

A failed upload does not fail the job, so Replicate's “succeeded” proves nothing about the delivery.

    ended ─▶ due ─▶ checked, again while the destination cannot be asked ─▶ noted in the record

The list of due jobs is in the store, so that a restart resumes them.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from tui.base.clock import Clock
from tui.base.errors import RefusedError
from tui.base.hosts import is_loopback
from tui.base.job_status import UNDELIVERED, JobStatus
from tui.destinations.common.errors import PublishError
from tui.destinations.delivered import Arrival, arrived_at_hub, arrived_in_bucket
from tui.destinations.s3.profile import S3Profile
from tui.engine.config.live import LiveSettings
from tui.engine.credentials.replicate_clients import ReplicateClients
from tui.engine.credentials.storage_keys import folder_of
from tui.engine.delivery.verdict import Evidence, judge
from tui.engine.runtime.event_bus import EventBus
from tui.engine.runtime.tasks import TaskOwner
from tui.engine.tracking.recorder import JobRecorder
from tui.engine.transfers.destinations import Destinations
from tui.simpletuner.log.delivery import upload_facts
from tui.store.reader import StoreReader
from tui.store.records import JobRecord
from tui.store.writer import Change

DUE: Final = "arrivals_due"
"""Name of the fact that lists the ended jobs whose delivery is not confirmed yet."""
_LATE: Final = (20.0, 90.0)
"""Seconds until the next checks when files are missing: listings may lag behind."""
_SOON: Final = (0.2, 0.5)
_ASK_AGAIN: Final = (30.0, 120.0, 600.0, 3600.0, 3600.0, 3600.0)
"""Seconds until the next checks when the destination could not be asked."""
_LIMIT: Final = 60.0
_PLACES: Final = {"hub": "the Hub", "s3": "the bucket", "local": "this machine"}
_KINDS: Final = {"yes": "delivered", "partly": "partly", "no": "undelivered", "unknown": "unsure"}
_BEGIN: Final = {
    "yes": "Delivered", "partly": "Delivered in part", "no": "Not delivered",
    "unknown": "Whether it was delivered is not known",
}  # fmt: skip
_STAGES: Final = {
    "yes": "", "partly": f"{UNDELIVERED}partly", "no": f"{UNDELIVERED}no",
    "unknown": f"{UNDELIVERED}not known",
}  # fmt: skip

Look = Callable[[], Arrival]


class DeliveryConfirmation:
    """Looks for the results of ended jobs, and notes the verdict in the jobs' records."""

    def __init__(
        self,
        *,
        recorder: JobRecorder,
        clients: ReplicateClients,
        bus: EventBus,
        live: LiveSettings,
        places: Destinations,
        reader: StoreReader,
        log_file: Callable[[str], Path],
        tasks: TaskOwner,
        now: Clock,
    ) -> None:
        """Take the services it works with; `log_file` gives the path of a job's log."""
        self._recorder = recorder
        self._clients = clients
        self._bus = bus
        self._live = live
        self._places = places
        self._reader = reader
        self._log_file = log_file
        self._tasks = tasks
        self._now = now

    def job_ended(self, job: JobRecord) -> None:
        """Start to confirm the delivery of a job that has just completed."""
        if job.status is not JobStatus.COMPLETED or job.delivery not in _PLACES:
            return
        self._recorder.write(job.job_id, Change(values={"stage": f"{UNDELIVERED}not known yet"}))
        due = self._due()
        self._recorder.writer.set_fact(
            DUE, [*(one for one in due if one != job.job_id), job.job_id]
        )
        self._tasks.start(self._until_known(job.job_id), f"arrival {job.job_id}")

    def take_up(self) -> None:
        """Resume the confirmations that were due when the engine ended."""
        for job_id in self._due():
            self._tasks.start(self._until_known(job_id), f"arrival {job_id}")

    def _due(self) -> list[str]:
        known = self._recorder.writer.fact(DUE)
        return [one for one in known if isinstance(one, str)] if isinstance(known, list) else []

    def _done(self, job_id: str) -> None:
        self._recorder.writer.set_fact(DUE, [one for one in self._due() if one != job_id])

    async def _until_known(self, job_id: str) -> None:
        try:
            job = self._recorder.writer.job(job_id)
        except KeyError:
            self._done(job_id)
            return
        late: Iterator[float] = iter(_SOON if is_loopback(job.api_base) else _LATE)
        again: Iterator[float] = iter(_ASK_AGAIN)
        for attempt in itertools.count():
            place = await self.look(job)
            found = place if job.delivery == "hub" else await self._judged(job_id, place)
            if not attempt and found.state == "unknown":
                self._note(job, found)
            pause = None
            if place.state == "unknown" and found.state == "unknown":
                pause = next(again, None)
            elif found.state in ("no", "partly") and job.delivery != "local":
                pause = next(late, None)
            if pause is None:
                break
            await asyncio.sleep(pause)
        self._note(job, found)
        self._done(job_id)
        if found.state in ("no", "partly"):
            what = "nothing of it arrived" if found.state == "no" else "not all of it arrived"
            words = f"{job.name} has ended, and {what}: {found.words}."
            self._bus.publish(
                "notice", level="error", message=words, advice=found.advice, job_id=job_id
            )

    async def _judged(self, job_id: str, place: Arrival) -> Arrival:
        """Combine what the destination holds with the job's log and our receiver's refusals."""
        try:
            job = self._recorder.writer.job(job_id)
        except KeyError:  # deleted meanwhile
            return place
        try:
            log = await asyncio.to_thread(self._log_file(job_id).read_bytes)
        except OSError:
            log = b""
        facts = await asyncio.to_thread(upload_facts, log)
        refused = {name: str(one.get("why")) for name, one in refusals(job).items()}
        return judge(place, Evidence(facts, job.step, refused))

    async def look(self, job: JobRecord) -> Arrival:
        """What the destination holds now; errors become the state `unknown`."""
        since = job.started_at or job.created_at
        try:
            if job.delivery == "local":
                return self._here(job)
            ask = await (self._at_hub if job.delivery == "hub" else self._in_bucket)(job, since)
            async with asyncio.timeout(_LIMIT):
                return await asyncio.to_thread(ask)
        except (PublishError, RefusedError) as error:
            return Arrival("unknown", error.message.rstrip("."), error.advice)
        except TimeoutError:
            words = f"{_PLACES[job.delivery]} does not answer"
            return Arrival("unknown", words, "Look there yourself.")

    def _here(self, job: JobRecord) -> Arrival:
        """What our receiver stored; it records a file before it answers the trainer."""
        top = f"{folder_of(job)}/"
        files = [one for one in self._reader.files(job.job_id) if one.size and not one.missing]
        if not files:
            return Arrival("no", "nothing arrived on this machine")
        names = tuple(one.path.removeprefix(top) for one in files)
        return Arrival("yes", "on this machine", names=names)

    async def _at_hub(self, job: JobRecord, since: datetime) -> Look:
        found = await self._clients.tokens.find("huggingface", job.api_base)
        repo = str(job.inputs.get("hub_model_id") or _option(job, "hub_model_id"))
        if "/" not in repo or not self._clients.hub_endpoint(job.api_base):
            words = "which repository of which Hub was meant is not known"
            return lambda: Arrival("unknown", words, f"Look at {job.output_url or 'the Hub'}.")
        return partial(
            arrived_at_hub,
            repo,
            found.secret if found is not None else None,
            endpoint=self._clients.hub_endpoint(job.api_base),
            network=self._live.now.network,
            since=since,
        )

    async def _in_bucket(self, job: JobRecord, since: datetime) -> Look:
        name, inputs = str(job.submit.get("destination") or ""), job.inputs
        if not name:
            words = "the bucket's keys are not known here"
            return lambda: Arrival("unknown", words, f"Look at {job.output_url or 'the bucket'}.")
        place = self._places.read(f"s3:{name}")
        if (place.options.get("endpoint") or "") != (inputs.get("s3_endpoint_url") or ""):
            words = f"the destination {name} is another server now"
            return lambda: Arrival("unknown", words, "Look at the job's bucket yourself.")
        told = {
            "bucket": inputs.get("s3_bucket"), "region": inputs.get("s3_region"),
            "prefix": inputs.get("s3_base_path"),
        }  # fmt: skip
        profile = S3Profile(**{**place.options, **{key: one for key, one in told.items() if one}})
        keys = await self._places.keys.of(place.profile, place.options)
        return partial(
            arrived_in_bucket, profile, keys, network=self._live.now.network, since=since
        )

    def _note(self, job: JobRecord, found: Arrival) -> None:
        """Store the verdict in the job's record and history."""
        try:
            fresh = self._recorder.writer.job(job.job_id)
        except KeyError:  # deleted meanwhile
            return
        delivered: dict[str, Any] = {
            "state": found.state, "words": found.words, "advice": found.advice,
            "revision": found.revision, "files": found.files, "missing": list(found.missing),
            "at": self._now().isoformat(),
        }  # fmt: skip
        stage = " · ".join(filter(None, (_STAGES[found.state], ", ".join(found.missing))))
        self._recorder.note(
            job.job_id, "local", _KINDS[found.state], f"{_BEGIN[found.state]}: {found.words}.",
            submit={**fresh.submit, "delivered": delivered}, stage=stage,
        )  # fmt: skip


def refusals(job: JobRecord) -> dict[str, dict[str, Any]]:
    """The uploads of a job that our receiver refused: `{code, why}` by key."""
    known = job.submit.get("refused")
    return known if isinstance(known, dict) else {}


def _option(job: JobRecord, name: str) -> str:
    """An option of the job's config, where the trainer has no input for it."""
    return str(job.config.get(name) or job.config.get(f"--{name}") or "")
