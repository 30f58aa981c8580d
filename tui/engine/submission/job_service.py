"""The operations on jobs behind the HTTP API: submit, cancel, collect, delete, sync."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from tui.api.jobs import Collected, JobCancelled, JobDeleted, JobsSynced
from tui.api.submission import JobSubmitted
from tui.base.clock import utc_now
from tui.base.errors import RefusedError
from tui.base.formatting import plural
from tui.base.hosts import is_loopback
from tui.base.job_status import JobStatus
from tui.engine.config.live import LiveSettings
from tui.engine.config.watch import unreadable_address, unreadable_consent
from tui.engine.credentials.replicate_clients import ReplicateClients
from tui.engine.delivery.result import CheckDelivery
from tui.engine.results.collector import Collector, collect_after_end
from tui.engine.runtime.tasks import TaskOwner
from tui.engine.spending.service import SpendingService
from tui.engine.staging.findings import reading_findings
from tui.engine.staging.service import StagingService
from tui.engine.submission.agreement import ShownPlaces
from tui.engine.submission.draft import Draft, read_draft
from tui.engine.submission.overriding import accepted_by, accepting_field, apply_overrides
from tui.engine.submission.prepare import Preparer
from tui.engine.submission.prepared import Prepared, cancel_after_seconds
from tui.engine.submission.report import leaving, report_of
from tui.engine.submission.resume import CheckpointSharing
from tui.engine.submission.run_names import run_name_of, unique_run_name, with_run_name
from tui.engine.submission.submit import Submitter
from tui.engine.tracking.monitor import Monitor, snapshot_of
from tui.engine.tracking.prediction_claims import PredictionClaims
from tui.engine.tracking.recorder import JobRecorder
from tui.engine.tracking.redaction import is_signed, redact_settings
from tui.engine.tracking.sync import import_predictions
from tui.replicate.errors import NotFoundError, ReplicateError
from tui.replicate.lookup import input_fingerprint
from tui.replicate.redact import redact_url
from tui.replicate.secret import Secret
from tui.simpletuner.datasets.trigger_words import caption_words
from tui.simpletuner.delivery_schedule.sizes import delivery_size
from tui.simpletuner.request.delivery import JOB_ID, Delivery
from tui.store.reader import StoreReader, UnknownJobError
from tui.store.records import JobRecord
from tui.store.writer import StoreWriter

if TYPE_CHECKING:
    from tui.store.submit_state import SubmitState

_ID_LETTERS: Final = "abcdefghijkmnpqrstuvwxyz23456789"


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job that is not stored yet.

    Attributes:
        record: its record.
        prepared: what it was made of.
        secret_inputs: what must not be stored.
    """

    record: JobRecord
    prepared: Prepared
    secret_inputs: Mapping[str, Secret]


class JobService:
    """Carries out the user's requests about jobs."""

    def __init__(
        self,
        *,
        recorder: JobRecorder,
        claims: PredictionClaims,
        clients: ReplicateClients,
        collector: Collector,
        live: LiveSettings,
        monitor: Monitor,
        preparer: Preparer,
        check_delivery: CheckDelivery,
        reader: StoreReader,
        resume: CheckpointSharing,
        spending: SpendingService,
        submitter: Submitter,
        tasks: TaskOwner,
        staging: StagingService,
    ) -> None:
        self.on_collected: Callable[[JobRecord], None] = lambda _job: None
        self._staging = staging
        self._recorder = recorder
        self._claims = claims
        self._clients = clients
        self._collector = collector
        self._live = live
        self._monitor = monitor
        self._preparer = preparer
        self._check_delivery = check_delivery
        self._reader = reader
        self._resume = resume
        self._spending = spending
        self._submitter = submitter
        self._tasks = tasks
        self.shown = ShownPlaces(recorder.writer)

    @property
    def _writer(self) -> StoreWriter:
        return self._recorder.writer

    async def submit(self, api_base: str, body: Mapping[str, Any]) -> JobSubmitted:
        """Check a draft, store its job and start the submission as a background task.

        Raises:
            RefusedError: a check failed, the user has not agreed to the upload, or the cost limit
                refuses the job.
        """
        draft = read_draft(body)
        key = _key_of(api_base, draft)
        if earlier := self._job_of_key(key):
            return _submitted(earlier, again=True)
        new = await self.make(api_base, await self.startable(api_base, draft))
        await self.remember_data(new)
        if earlier := self._job_of_key(key):  # the same request, twice at once
            return _submitted(earlier, again=True)
        # No `await` between here and the insert: of two concurrent submits the second one's sum
        # must include the first one's estimate.
        warning = self._spending.allow(api_base, new.record.estimate_micros or 0)
        job = self.insert(new, {key: new.record.job_id} if key else {})
        return _submitted(job, warning=warning)

    def job_of_draft(self, api_base: str, draft: Draft) -> JobSubmitted | None:
        """Return the answer of an earlier submit with a draft's idempotency key; else None.

        Raises:
            RefusedError: that job has been deleted.
        """
        earlier = self._job_of_key(_key_of(api_base, draft))
        return None if earlier is None else _submitted(earlier, again=True)

    async def require_startable(
        self, api_base: str, body: Mapping[str, Any], *, freed_micros: int = 0
    ) -> None:
        """Check a draft as `submit` does, the cost limit included, and start nothing.

        Args:
            api_base: the API.
            body: the draft.
            freed_micros: what a job that ends before this one starts is counted with now.

        Raises:
            RefusedError: `submit` would refuse it.
        """
        prepared = await self.startable(api_base, read_draft(body))
        self._spending.allow(api_base, prepared.estimate.micros - freed_micros)

    async def startable(self, api_base: str, draft: Draft) -> Prepared:
        """Prepare a draft that may be started.

        Raises:
            RefusedError: a check failed, the user has not agreed to the upload, or the cost limit
                refuses the job.
        """
        prepared = await self._preparer.prepare(api_base, draft)
        prepared = apply_overrides(await self._with_reading_proof(api_base, prepared))
        self._allow(prepared, api_base)
        prepared = await self._with_delivery_check(api_base, prepared)
        self._allow(prepared, api_base)
        self._resume.check(
            prepared.delivery.kind, prepared.config.values.get("resume_from_checkpoint")
        )
        return prepared

    async def make(self, api_base: str, prepared: Prepared) -> NewJob:
        """Build the job of a prepared draft; nothing is stored or sent."""
        trigger_words = await asyncio.to_thread(caption_words, prepared.report)
        account = await self.account(api_base)
        record, secret_inputs = self._record(prepared, api_base, trigger_words)
        more: SubmitState = {"account": account} if account else {}
        if prepared.staging is not None:
            more["staging"] = {
                "key": prepared.staging.key(api_base),
                "place": prepared.staging.place.name,
                "receiver": prepared.staging.receiver.stored(),
                "images": prepared.staging.manifest.images,
                "bytes": prepared.staging.manifest.bytes,
            }
        if prepared.same_data is not None and prepared.uploads:
            earlier = self._writer.job(str(prepared.draft.rerun_of))
            more["same_sha256"] = earlier.submit.get("sha256")
        record = replace(record, submit={**record.submit, **more})
        return NewJob(record, prepared, secret_inputs)

    async def remember_data(self, new: NewJob) -> None:
        """Write down what a job will stage; it is stored before anything else is awaited."""
        if new.prepared.staging is not None:
            await self._staging.remember(
                new.record.api_base, new.prepared.staging, keep=new.prepared.draft.keep_staged
            )

    def insert(self, new: NewJob, facts: Mapping[str, Any]) -> JobRecord:
        """Store a job, and start its submission unless it is held back; returns its record.

        Args:
            new: the job.
            facts: are stored with it.
        """
        job = self._recorder.insert(
            new.record,
            ("created", f"Made from {new.prepared.config.path}."),
            facts=facts,
            tags=new.prepared.draft.tags,
        )
        self._recorder.afterwards(
            lambda: self._submitter.start(job, new.prepared.report, new.secret_inputs)
        )
        return job

    async def account(self, api_base: str) -> str:
        """Return the account that a job is submitted for; "" when Replicate does not tell."""
        try:
            return (await self._clients.with_account(api_base))[1]
        except ReplicateError:
            return ""

    async def _with_delivery_check(self, api_base: str, prepared: Prepared) -> Prepared:
        """Add the findings of the delivery check; it is skipped when the job cannot work."""
        if prepared.ok or accepted_by(prepared):
            result = await self._check_delivery(
                api_base, prepared.delivery, prepared.config, prepared.other_hub_token, submit=True
            )
            prepared = prepared.with_checks(*result.steps)
        return apply_overrides(prepared)

    async def _with_reading_proof(self, api_base: str, prepared: Prepared) -> Prepared:
        """Test that a trainer can read what is staged on this machine, and prepare again with it.

        The sandbox's trainer is on this machine too. The place stays the one that was planned: the
        user has agreed to no other.
        """
        plan = prepared.staging
        if plan is None or plan.place.kind != "here" or is_loopback(api_base):
            return prepared
        wrong = [check for check in prepared.checks if check.level == "error"]
        if any(check.id != "staging" and not accepting_field(check) for check in wrong):
            return prepared  # it is refused for another reason
        local = Delivery("local")
        result = await self._check_delivery(
            api_base, local, prepared.config, prepared.other_hub_token, submit=True
        )
        pinned = prepared.draft.model_copy(update={"staging": plan.place.name})
        again = await self._preparer.prepare(api_base, pinned)
        again = replace(again, draft=prepared.draft)
        if any(check.id == "staging" and check.level == "error" for check in again.checks):
            return again
        return again.with_checks(*reading_findings(result.steps))

    def _job_of_key(self, key: str) -> JobRecord | None:
        """The job that an earlier submit with the same idempotency key created."""
        job_id = self._writer.fact(key) if key else None
        if job_id is None:
            return None
        try:
            return self._writer.job(job_id)
        except KeyError:
            raise RefusedError(
                "The job of this idempotency key has been deleted.",
                "Use another key to run it again.",
                status=409,
                code="idempotency_conflict",
            ) from None

    def _allow(self, prepared: Prepared, api_base: str) -> None:
        if not prepared.ok:
            first = next(check for check in prepared.checks if check.level == "error")
            report = report_of(prepared, api_base)
            raise RefusedError(
                _sentence(first.message),
                first.advice,
                status=422,
                code="check_failed",
                details={
                    "checks": report["checks"],
                    "acceptable": report["acceptable"],
                    "accepts": report["accepts"],
                },
            )
        leaves = leaving(prepared, api_base)
        self.shown.require_agreed(api_base, prepared.draft, leaves)
        stays = not leaves["images"] or leaves["stays_here"]
        if is_loopback(api_base) and stays:
            return
        settings = self._live.now
        if settings.wrong("cloud.api_base"):  # another server than Replicate may have been meant
            raise unreadable_address(settings)
        consent = settings.cloud.consent
        if not leaves["images"]:
            return
        if settings.wrong("cloud.consent"):  # `never` may have been meant
            raise unreadable_consent(settings)
        if consent == "allow":
            return
        if consent == "never":
            raise RefusedError(
                "Your settings forbid uploading datasets (cloud.consent = never).",
                "Use hosted data, or change the setting.",
                status=403,
                code="consent_denied",
            )
        if not prepared.draft.consent:
            raise RefusedError(
                f"{plural(leaves['images'], 'image')} would leave this machine for "
                f"{leaves['destination']}.",
                "Agree to it (--yes on the command line).",
                status=403,
                code="consent_required",
            )

    def _record(
        self, prepared: Prepared, api_base: str, trigger_words: Sequence[str]
    ) -> tuple[JobRecord, dict[str, Secret]]:
        """Build the job's record, and the secret inputs that must not be stored in it."""
        config, choice, draft = prepared.config, prepared.choice, prepared.draft
        if choice is None:
            raise RefusedError("Replicate could not be asked.", status=502, code="provider_error")
        values, secret_inputs = dict(prepared.inputs.values), {}
        draft_values = draft.model_dump(exclude_none=True, exclude={"idempotency_key", "agreed"})
        if draft.images_url and is_signed(draft.images_url) and "images" in values:
            secret_inputs["images"] = Secret(draft.images_url)
            values["images"] = draft_values["images_url"] = redact_url(draft.images_url)
        hidden = prepared.inputs.secret_names | secret_inputs.keys()
        job_id = "".join(secrets.choice(_ID_LETTERS) for _ in range(10))
        if "s3_base_path" in values:
            values["s3_base_path"] = str(values["s3_base_path"]).replace(JOB_ID, job_id)
        schedule = prepared.outlook.schedule
        values = with_run_name(values, unique_run_name(prepared.run_name, job_id))
        record = JobRecord(
            job_id=job_id,
            api_base=api_base,
            name=prepared.run_name,
            config_name=config.name,
            config_path=str(config.path),
            model=choice.model,
            version=choice.version,
            model_family=config.family or "",
            model_flavour=config.flavour or "",
            model_type=config.model_type,
            lora_type=config.lora_type or "",
            hardware=prepared.profile.id,
            rate_micros=prepared.rate_micros,
            delivery=prepared.delivery.kind,
            created_at=utc_now(),
            total_steps=prepared.estimate.steps or None,
            estimate_micros=prepared.estimate.micros,
            submit={
                "phase": "new",
                "pack": prepared.uploads,
                "images": leaving(prepared, api_base)["images"] or None,
                "trigger_words": list(trigger_words),
                "draft": draft_values,
                "secret_names": sorted(hidden),
                "mark": run_name_of(values),
                "fingerprint": input_fingerprint(values, hidden),
                "cancel_after": cancel_after_seconds(prepared),
                "destination": prepared.delivery.destination,
                "expected_bytes": _expected_bytes(prepared),
                "expected_delivery": schedule.expected() if schedule is not None else None,
            },
            inputs=values,
            config=redact_settings(config.values),
            dataloader=redact_settings(config.dataloader),
        )
        return record, secret_inputs

    async def cancel(self, job_id: str) -> JobCancelled:
        """Cancel a job in any phase: before, during or after its POST to Replicate.

        Raises:
            RefusedError: the job has ended already.
            ReplicateError: Replicate could not be asked to cancel it.
        """
        job = self.find(job_id)
        if job.status.is_terminal:
            raise RefusedError(
                f"{job.name} has ended already ({job.status.value}).",
                status=409,
                code="invalid_job_state",
            )
        if not job.prediction_id:
            stopped = await self._submitter.cancel(job)
            if stopped:
                return {"success": True, "job_id": job.job_id, "status": "cancelled"}
            return {"success": True, "job_id": job.job_id, "status": job.status.value}
        client = await self._clients.get_for(job)
        try:
            answer = await client.cancel_prediction(job.prediction_id)
        except NotFoundError:
            if not self._monitor.give_up(job.job_id):
                raise
            return {"success": True, "job_id": job.job_id, "status": JobStatus.FAILED.value}
        self._recorder.note(
            job.job_id, "local", "cancel", "Cancel asked for.", cancel_requested=True
        )
        job = self._recorder.apply_snapshot(job.job_id, snapshot_of(answer), "local")
        self._monitor.wake(job.job_id)
        return {"success": True, "job_id": job.job_id, "status": job.status.value}

    async def collect(self, job_id: str) -> Collected:
        """Fetch a job's results again, after a poll of its prediction when it still runs."""
        job = self.find(job_id)
        if job.prediction_id and not job.status.is_terminal:
            job = await self._monitor.poll(job.job_id)
        collected = await self._collector.collect(job, again=True)
        self.on_collected(job)
        return collected

    async def delete(self, job_id: str) -> JobDeleted:
        """Delete a finished job's record and log; delivered files stay.

        Raises:
            RefusedError: the job is still active.
        """
        job = self.find(job_id)
        if job.status.is_active:
            raise RefusedError(
                f"{job.name} is {job.status.value}.",
                "Cancel it first.",
                status=400,
                code="invalid_job_state",
            )
        self._recorder.delete(job.job_id)
        return {"success": True, "job_id": job.job_id}

    async def sync(self, api_base: str) -> JobsSynced:
        """Import predictions of this account that other programs started."""
        client = await self._clients.get(api_base)
        count = 0
        new_jobs = import_predictions(
            client, api_base, self._recorder, self._live.now, self._claims,
            account=self._clients.known_account(api_base),
        )  # fmt: skip
        async for job in new_jobs:
            count += 1
            if job.status.is_active:
                self._monitor.follow(job)
        message = f"{count} new job{'' if count == 1 else 's'} from Replicate."
        return {"synced": count, "message": message}

    def find(self, job_id: str) -> JobRecord:
        """Look up a job by its id, its prediction's id, or an unambiguous prefix of either.

        Raises:
            RefusedError: no job matches, or several do.
        """
        try:
            return self._reader.find(job_id)
        except UnknownJobError as error:
            raise RefusedError(
                error.message, error.advice, status=404, code="job_not_found"
            ) from None

    def job_ended(self, job: JobRecord) -> None:
        """Start to collect the results of a job that has just ended.

        A job that another program started is left alone unless its outputs will expire.
        """
        if not job.delivery and job.data_expires_at is None:
            return
        collect = collect_after_end(self._collector, self._recorder, job, utc_now)
        self._tasks.start(collect, f"collect {job.job_id}")


def _key_of(api_base: str, draft: Draft) -> str:
    return f"idempotency:{api_base}:{draft.idempotency_key}" if draft.idempotency_key else ""


def _submitted(job: JobRecord, *, again: bool = False, warning: str = "") -> JobSubmitted:
    return {
        "success": True,
        "job_id": job.job_id,
        "status": job.status.value,
        "idempotent_hit": again,
        "cost_limit_warning": warning or None,
        "error": None,
        "data_uploaded": bool(job.submit.get("pack")),
        "upload_id": job.job_id if job.submit.get("pack") else None,
        "quota_warnings": [],
    }


def _expected_bytes(prepared: Prepared) -> int | None:
    """Estimated bytes that the job delivers; None when unknown."""
    schedule = prepared.outlook.schedule
    estimate = delivery_size(prepared.config, schedule) if schedule else None
    return estimate.stored if estimate else None


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
