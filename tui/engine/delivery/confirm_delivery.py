"""Confirms after a job's end that its results are at their destination.

A failed upload does not fail the job, so Replicate's “succeeded” proves nothing about the delivery.

    ended ─▶ due ─▶ checked, again while the destination cannot be asked ─▶ noted in the record

The list of due jobs is in the store, so that a restart resumes them. A file that arrives after the
verdict, and a fetch that the user asked for, have it checked again.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tui.base.clock import Clock
from tui.base.errors import RefusedError
from tui.base.hosts import is_loopback
from tui.base.job_status import UNDELIVERED, JobStatus
from tui.base.stored_names import stored_path
from tui.destinations.common.errors import PublishError
from tui.destinations.common.shards import MAX_INDEX_BYTES, is_index, read_index
from tui.destinations.delivered import Arrival, arrived_at_hub, arrived_in_bucket
from tui.destinations.s3.profile import S3Profile
from tui.engine.config.live import LiveSettings
from tui.engine.credentials.replicate_clients import ReplicateClients
from tui.engine.delivery.expected import ExpectedDelivery
from tui.engine.delivery.verdict import Evidence, judge
from tui.engine.runtime.event_bus import EventBus
from tui.engine.runtime.tasks import TaskOwner
from tui.engine.tracking.recorder import JobRecorder
from tui.engine.transfers.destinations import Destinations
from tui.simpletuner.log.delivery import upload_facts
from tui.store.job_folder import name_below
from tui.store.reader import StoreReader
from tui.store.records import FileRecord, JobRecord

if TYPE_CHECKING:
    from tui.api.jobs import DeliveredState
    from tui.store.submit_state import Refusal

DUE: Final = "arrivals_due"
"""Name of the fact that lists the ended jobs whose delivery is not confirmed yet."""
_MISSING_PAUSES: Final = (20.0, 90.0)
"""Seconds until the next checks when files are missing: listings may lag behind."""
_LOOPBACK_MISSING_PAUSES: Final = (0.2, 0.5)
_LATE_PAUSES: Final = (600.0, 3600.0)
"""Seconds until further checks after the verdict, at places that do not announce a late file."""
_SETTLE_SECONDS: Final = 0.3
"""Seconds without a further file after which late files are judged."""
_UNKNOWN_PAUSES: Final = (30.0, 120.0, 600.0, 3600.0, 3600.0, 3600.0)
"""Seconds until the next checks when the destination could not be asked."""
_TIMEOUT: Final = 60.0
_DESTINATION_NAMES: Final = {"hub": "the Hub", "s3": "the bucket", "local": "this machine"}
_EVENT_KINDS: Final = {
    "yes": "delivered",
    "partly": "partly",
    "no": "undelivered",
    "unverified": "unverified",
    "unknown": "unsure",
}
_VERDICT_TEXTS: Final = {
    "yes": "Delivered", "partly": "Delivered in part", "no": "Not delivered",
    "unverified": "Sent, cannot be verified",
    "unknown": "Whether it was delivered is not known",
}  # fmt: skip
_STAGES: Final = {
    "yes": "", "partly": f"{UNDELIVERED}partly", "no": f"{UNDELIVERED}no",
    "unverified": f"{UNDELIVERED}sent, cannot be verified", "unknown": f"{UNDELIVERED}not known",
}  # fmt: skip

Inspect = Callable[[], Arrival]


class DeliveryConfirmation:
    """Looks for the results of ended jobs, and notes the verdict in the jobs' records."""

    def __init__(
        self,
        *,
        recorder: JobRecorder,
        clients: ReplicateClients,
        bus: EventBus,
        live: LiveSettings,
        destinations: Destinations,
        reader: StoreReader,
        log_file: Callable[[str], Path],
        outputs: Path,
        tasks: TaskOwner,
        now: Clock,
    ) -> None:
        """Take the services it works with.

        `log_file` gives the path of a job's log, `outputs` is the folder of delivered files.
        """
        self._outputs = outputs
        self._late: dict[str, asyncio.Task[None]] = {}
        self._recorder = recorder
        self._clients = clients
        self._bus = bus
        self._live = live
        self._destinations = destinations
        self._reader = reader
        self._log_file = log_file
        self._tasks = tasks
        self._now = now

    def job_ended(self, job: JobRecord) -> None:
        """Start to confirm the delivery of a job that has just completed."""
        if job.status is not JobStatus.COMPLETED or job.delivery not in _DESTINATION_NAMES:
            return
        due = self._due()
        self._recorder.writer.set_fact(
            DUE, [*(due_id for due_id in due if due_id != job.job_id), job.job_id]
        )
        self._tasks.start(self._confirm(job.job_id), f"arrival {job.job_id}")

    def resume(self) -> None:
        """Resume the confirmations that were due when the engine ended.

        An engine that was killed right after a job's end has not noted that one as due.
        """
        for job_id in dict.fromkeys([*self._due(), *self._recorder.writer.unconfirmed()]):
            self._tasks.start(self._confirm(job_id), f"arrival {job_id}")

    def _due(self) -> list[str]:
        due = self._recorder.writer.fact(DUE)
        return (
            [job_id for job_id in due if isinstance(job_id, str)] if isinstance(due, list) else []
        )

    def _remove_due(self, job_id: str) -> None:
        self._recorder.writer.set_fact(DUE, [due_id for due_id in self._due() if due_id != job_id])

    # -- after the verdict --------------------------------------------------------------------

    def file_arrived(self, job: JobRecord) -> None:
        """Have the verdict of an ended job checked again, soon, because a file has come."""
        if not _has_verdict(job):
            return
        if (waiting := self._late.pop(job.job_id, None)) is not None:
            waiting.cancel()
        self._late[job.job_id] = self._tasks.start(
            self._judge_late(job.job_id), f"late arrival {job.job_id}"
        )

    def files_fetched(self, job: JobRecord) -> None:
        """Have the verdict of an ended job checked again, after the user had its files fetched."""
        if _has_verdict(job):
            self._tasks.start(self._check_again(job.job_id), f"verdict {job.job_id}")

    async def _judge_late(self, job_id: str) -> None:
        await asyncio.sleep(_SETTLE_SECONDS)
        self._late.pop(job_id, None)
        await self._check_again(job_id)

    async def _check_again(self, job_id: str) -> None:
        """Check once whether a verdict still holds, and note it when it has changed."""
        try:
            job = self._recorder.writer.job(job_id)
        except KeyError:
            return
        if not _has_verdict(job):
            return
        verdict = await self._with_evidence(job_id, await self.inspect(job))
        if verdict.state != "unknown":
            self._note(job, verdict)

    # -- the check ----------------------------------------------------------------------------

    async def _confirm(self, job_id: str) -> None:
        try:
            job = self._recorder.writer.job(job_id)
        except KeyError:
            self._remove_due(job_id)
            return
        near = is_loopback(job.api_base)
        missing_pauses = iter(_LOOPBACK_MISSING_PAUSES if near else _MISSING_PAUSES)
        unknown_pauses = iter(_UNKNOWN_PAUSES)
        late_pauses = iter(() if near or job.delivery == "local" else _LATE_PAUSES)
        for attempt in itertools.count():
            arrival = await self.inspect(job)
            verdict = await self._with_evidence(job_id, arrival)
            if not attempt and verdict.state == "unknown":
                self._note(job, verdict)
            pause = None
            if arrival.state in ("unknown", "unverified") and verdict.state == "unknown":
                pause = next(unknown_pauses, None)
            elif verdict.state in ("no", "partly"):
                if job.delivery != "local":
                    pause = next(missing_pauses, None)
                if pause is None:
                    self._conclude(job, verdict)
                    pause = next(late_pauses, None)
            if pause is None:
                break
            await asyncio.sleep(pause)
        self._conclude(job, verdict)
        self._remove_due(job_id)

    def _conclude(self, job: JobRecord, verdict: Arrival) -> None:
        """Note a verdict, and announce a bad one, each once."""
        if not self._note(job, verdict) or verdict.state not in ("no", "partly"):
            return
        extent = "nothing of it arrived" if verdict.state == "no" else "not all of it arrived"
        message = f"{job.name} has ended, and {extent}: {verdict.words}."
        self._bus.publish(
            "notice", level="error", message=message, advice=verdict.advice, job_id=job.job_id
        )

    async def _with_evidence(self, job_id: str, arrival: Arrival) -> Arrival:
        """Judge what the destination holds by the job's schedule, log and refused uploads."""
        try:
            job = self._recorder.writer.job(job_id)
        except KeyError:  # deleted meanwhile
            return arrival
        try:
            log = await asyncio.to_thread(self._log_file(job_id).read_bytes)
        except OSError:
            log = b""
        facts = await asyncio.to_thread(upload_facts, log)
        if job.delivery == "hub":  # a checkpoint that was saved need not be pushed
            facts = replace(facts, checkpoint=None)
        # Our receiver stores a name that cannot stand under another one.
        refused = {
            stored_path(name): str(refusal.get("why")) for name, refusal in refusals(job).items()
        }
        return judge(
            arrival,
            Evidence(
                facts, job.step, refused, ExpectedDelivery.of(job),
                log_cut=job.data_removed and not facts.whole,
            ),
        )  # fmt: skip

    async def inspect(self, job: JobRecord) -> Arrival:
        """What the destination holds now; errors become the state `unknown`."""
        since = job.started_at or job.created_at
        try:
            if job.delivery == "local":
                files = self._reader.files(job.job_id)
                return await asyncio.to_thread(self._on_this_machine, job, files)
            read = await (self._at_hub if job.delivery == "hub" else self._in_bucket)(job, since)
            async with asyncio.timeout(_TIMEOUT):
                return await asyncio.to_thread(read)
        except (PublishError, RefusedError) as error:
            return Arrival("unknown", error.message.rstrip("."), error.advice)
        except TimeoutError:
            message = f"{_DESTINATION_NAMES[job.delivery]} does not answer"
            return Arrival("unknown", message, "Look there yourself.")

    def _on_this_machine(self, job: JobRecord, records: Sequence[FileRecord]) -> Arrival:
        """What our receiver stored; it records a file before it answers the trainer.

        A file that the user deleted here later, because a copy is elsewhere, has arrived as well.
        """
        files = {name_below(job, file.path): file for file in records if file.size}
        if not files:
            return Arrival("no", "nothing arrived on this machine")
        indexes = {name: self._read_index(file) for name, file in files.items() if is_index(name)}
        return Arrival("yes", "on this machine", names=tuple(files), indexes=indexes)

    def _read_index(self, file: FileRecord) -> tuple[str, ...] | None:
        if file.size > MAX_INDEX_BYTES:
            return None
        try:
            return read_index((self._outputs / file.path).read_bytes())
        except OSError:
            return None

    async def _at_hub(self, job: JobRecord, since: datetime) -> Inspect:
        token = await self._clients.tokens.find("huggingface", job.api_base)
        repo = str(job.inputs.get("hub_model_id") or _option(job, "hub_model_id"))
        if "/" not in repo or not self._clients.hub_endpoint(job.api_base):
            message = "which repository of which Hub was meant is not known"
            return lambda: Arrival("unknown", message, f"Look at {job.output_url or 'the Hub'}.")
        return partial(
            arrived_at_hub,
            repo,
            token.secret if token is not None else None,
            endpoint=self._clients.hub_endpoint(job.api_base),
            network=self._live.now.network,
            since=since,
        )

    async def _in_bucket(self, job: JobRecord, since: datetime) -> Inspect:
        name, inputs = str(job.submit.get("destination") or ""), job.inputs
        if not name:
            message = "the bucket's keys are not known here"
            return lambda: Arrival("unknown", message, f"Look at {job.output_url or 'the bucket'}.")
        target = self._destinations.read(f"s3:{name}")
        if (target.options.get("endpoint") or "") != (inputs.get("s3_endpoint_url") or ""):
            message = f"the destination {name} is another server now"
            return lambda: Arrival("unknown", message, "Look at the job's bucket yourself.")
        job_options = {
            "bucket": inputs.get("s3_bucket"), "region": inputs.get("s3_region"),
            "prefix": inputs.get("s3_base_path"),
        }  # fmt: skip
        profile = S3Profile(
            **{**target.options, **{key: value for key, value in job_options.items() if value}}
        )
        keys = await self._destinations.keys.of(target.profile, target.options)
        return partial(
            arrived_in_bucket, profile, keys, network=self._live.now.network, since=since
        )

    def _note(self, job: JobRecord, verdict: Arrival) -> bool:
        """Store a verdict in the job's record and history; False if it is stored already."""
        try:
            fresh = self._recorder.writer.job(job.job_id)
        except KeyError:  # deleted meanwhile
            return False
        known = fresh.submit.get("delivered")
        delivered: DeliveredState = {
            "state": verdict.state, "words": verdict.words, "advice": verdict.advice,
            "revision": verdict.revision, "files": verdict.files, "missing": list(verdict.missing),
            "expected": list(verdict.expected), "arrived": list(verdict.arrived),
            "at": self._now().isoformat(),
        }  # fmt: skip
        if known and {**known, "at": ""} == {**delivered, "at": ""}:
            return False
        stage = " · ".join(filter(None, (_STAGES[verdict.state], ", ".join(verdict.missing))))
        self._recorder.note(
            job.job_id, "local", _EVENT_KINDS[verdict.state],
            f"{_VERDICT_TEXTS[verdict.state]}: {verdict.words}.",
            submit={**fresh.submit, "delivered": delivered}, stage=stage,
        )  # fmt: skip
        return True


def _has_verdict(job: JobRecord) -> bool:
    """Whether a job has ended and its delivery was judged."""
    return (
        job.status is JobStatus.COMPLETED
        and job.delivery in _DESTINATION_NAMES
        and isinstance(job.submit.get("delivered"), dict)
    )


def refusals(job: JobRecord) -> dict[str, Refusal]:
    """The uploads of a job that our receiver refused: `{code, why}` by key."""
    known = job.submit.get("refused")
    return known if isinstance(known, dict) else {}


def _option(job: JobRecord, name: str) -> str:
    """An option of the job's config, where the trainer has no input for it."""
    return str(job.config.get(name) or job.config.get(f"--{name}") or "")
