"""The engine: its services, wired together, behind the calls of the control API."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tui import __version__
from tui.engine.book import Book, utc_now
from tui.engine.catalog import Catalog, version_row
from tui.engine.clients import Clients
from tui.engine.collector import Collector
from tui.engine.draft import read_draft
from tui.engine.errors import RefusedError
from tui.engine.hub import Hub
from tui.engine.listening import Listening
from tui.engine.monitor import Monitor, snapshot_of
from tui.engine.prepare import Prepared, Preparer, report_of
from tui.engine.storage_keys import StorageKeys
from tui.engine.submit import Submitter
from tui.engine.syncing import import_predictions
from tui.engine.tasks import TaskOwner
from tui.replicate.errors import AuthenticationError, ReplicateError
from tui.replicate.fingerprint import input_fingerprint
from tui.settings import Home, Settings
from tui.simpletuner.config import discover_configs
from tui.store.reader import StoreReader, UnknownJobError, is_loopback
from tui.store.records import JobRecord, JobStatus
from tui.store.writer import StoreWriter

LOG = logging.getLogger(__name__)

_COLLECT_AGAIN: Final = 5.0
_COLLECT_SELDOM: Final = 300.0
_ID_LETTERS: Final = "abcdefghijkmnpqrstuvwxyz23456789"


class Engine:
    """One user's keeper of jobs. Make it, `start` it, and in the end `aclose` it."""

    def __init__(self, home: Home, settings: Settings) -> None:
        """Open the store.

        Raises:
            StoreBusyError: another engine has it.
            StoreError: it cannot be used.
        """
        self.home = home
        self.settings = settings
        self.hub = Hub()
        self.started_at = utc_now()
        self._stop = asyncio.Event()
        self._calls = 0
        self._needed_at = time.monotonic()
        self._tasks = TaskOwner()
        self._writer = StoreWriter(home)
        self._reader = StoreReader(home.database)
        self._book = Book(self._writer, home, self.hub)
        self._keys = StorageKeys(home.root / "receiver.key", self._writer, utc_now)
        self._clients = Clients(settings.network, self._token_came)
        outputs = Path(settings.cloud.outputs_dir).expanduser()
        self._outputs = outputs if settings.cloud.outputs_dir else home.outputs
        self._listening = Listening(
            settings.listener, self._outputs, self._book, self._keys, self.hub
        )
        self._catalog = Catalog(
            self._clients, self._writer, self.hub, settings.cloud.pinned_versions
        )
        self._preparer = Preparer(self._clients, self._catalog, self._listening, settings, home)
        self._collector = Collector(self._book, self._clients, self._reader, self._outputs, utc_now)
        self.monitor = Monitor(self._book, self._clients, self.hub, self._tasks, self._job_ended)
        self._submitter = Submitter(
            book=self._book,
            clients=self._clients,
            hub=self.hub,
            monitor=self.monitor,
            tasks=self._tasks,
            keys=self._keys,
            home=home,
            now=utc_now,
        )

    # -- life ---------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen, and take up every job where it was left."""
        self._outputs.mkdir(parents=True, exist_ok=True)
        await self._listening.start()
        self._take_up()

    def _take_up(self) -> None:
        for job in self._writer.active():
            if job.prediction_id:
                self.monitor.follow(job)
            else:
                self._submitter.start(job)
        for job in self._writer.at_risk(utc_now()):
            self._job_ended(job)

    def request_stop(self) -> None:
        """End the engine soon."""
        self._stop.set()

    @property
    def stopping(self) -> asyncio.Event:
        """Set when the engine shall end."""
        return self._stop

    @contextmanager
    def needed(self) -> Iterator[None]:
        """Somebody's call is being answered, an open event stream included."""
        self._calls += 1
        try:
            yield
        finally:
            self._calls -= 1
            self._needed_at = time.monotonic()

    def idle_seconds(self) -> float:
        """For how long nothing has needed the engine: no call, no active job, no task."""
        if self._calls or self._tasks.running:
            self._needed_at = time.monotonic()
        return time.monotonic() - self._needed_at

    async def aclose(self) -> None:
        """Stop everything; what was under way is taken up at the next start."""
        await self._tasks.aclose()
        await self._listening.aclose()
        await self._clients.aclose()
        self._reader.close()
        self._writer.close()

    # -- about the engine ---------------------------------------------------------------------

    def info(self) -> dict[str, Any]:
        """`{pid, version, started_at, listener, active_jobs, home}`."""
        return {
            "pid": os.getpid(),
            "version": __version__,
            "started_at": self.started_at.isoformat(),
            "listener": self._listening.state(),
            "active_jobs": self.monitor.following + self._submitter.busy,
            "home": str(self.home.root),
        }

    def set_session(self, api_base: str, values: dict[str, Any]) -> None:
        """Take over what a client's environment holds, or that it changed the keyring."""
        if values.get("keyring_changed"):
            self._clients.keyring_changed(api_base)
        token, hub = values.get("replicate_token"), values.get("hf_token")
        if isinstance(token, str) and token.strip():
            self._clients.set_token(api_base, token.strip(), "environment")
        if isinstance(hub, str) and hub.strip():
            self._clients.set_hub_token(api_base, hub.strip())

    def _token_came(self, api_base: str) -> None:
        self.monitor.wake()
        for job in self._writer.active():
            if job.api_base == api_base and not job.prediction_id:
                self._submitter.start(job)

    # -- Replicate ----------------------------------------------------------------------------

    async def validate(self, api_base: str) -> dict[str, Any]:
        """Whether the token works, and whose it is; remembered for the windows."""
        answer: dict[str, Any] = {
            "valid": False, "user_info": None, "error": None, "token_source": None,
            "api_base": api_base, "sandbox": is_loopback(api_base),
        }  # fmt: skip
        try:
            answer["token_source"] = (await self._clients.token(api_base)).source
            account = await (await self._clients.get(api_base)).account()
        except AuthenticationError as error:
            answer.update(error=error.message, advice=error.advice)
        except ReplicateError as error:
            answer.update(error=error.message, advice=error.advice, unreachable=True)
        else:
            user = {
                "username": account.username,
                "name": account.name,
                "type": account.type,
                "github_url": account.github_url,
            }
            answer.update(valid=True, user_info=user)
        self._writer.set_fact("account", answer)
        self.hub.publish("fact", name="account")
        return answer

    async def versions(self, api_base: str, model: str) -> dict[str, Any]:
        """`{versions, current_version, error}` of a model."""
        if not model:
            raise RefusedError("Which model?", "Add ?model_id=owner/name.")
        rows = await self._catalog.versions(api_base, model, fresh=True)
        return {
            "versions": [version_row(model, row) for row in rows],
            "current_version": self.settings.cloud.pinned_versions.get(model),
            "error": None,
        }

    async def configs(self, cwd: str | None = None) -> dict[str, Any]:
        """`{configs: [{name, path}]}` found below the roots."""
        roots = self._preparer.config_roots(cwd)
        found = await asyncio.to_thread(discover_configs, roots)
        return {"configs": [{"name": ref.name, "path": str(ref.path)} for ref in found]}

    # -- jobs ---------------------------------------------------------------------------------

    async def check(self, api_base: str, body: dict[str, Any]) -> dict[str, Any]:
        """The preparation of a draft, as plain data."""
        return report_of(await self._preparer.prepare(api_base, read_draft(body)), api_base)

    async def submit(self, api_base: str, body: dict[str, Any]) -> dict[str, Any]:
        """Check a draft and start it; packing, upload and the rest go on afterwards.

        Raises:
            RefusedError: something stands in the way, or the user has not agreed to the upload.
        """
        draft = read_draft(body)
        key = f"idempotency:{api_base}:{draft.idempotency_key}" if draft.idempotency_key else ""
        if known := self._made_before(key):
            return _submitted(known, again=True)
        prepared = await self._preparer.prepare(api_base, draft)
        self._allow(prepared, api_base)
        if known := self._made_before(key):  # the same request, twice at once
            return _submitted(known, again=True)
        record = self._record(prepared, api_base)
        job = self._book.insert(
            record,
            ("created", f"Made from {prepared.config.path}."),
            facts={key: record.job_id} if key else {},
        )
        self._submitter.start(job, prepared.report)
        return _submitted(job)

    def _made_before(self, key: str) -> JobRecord | None:
        """The job that an earlier request with the same key made."""
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
            raise RefusedError(
                _sentence(first.message),
                first.advice,
                status=422,
                code="check_failed",
                details={"checks": report_of(prepared, api_base)["checks"]},
            )
        consent = self.settings.cloud.consent
        if not prepared.uploads or consent == "allow" or is_loopback(api_base):
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
                f"{prepared.report.images} images would leave this machine for Replicate.",
                "Agree to it (--yes on the command line).",
                status=403,
                code="consent_required",
            )

    def _record(self, prepared: Prepared, api_base: str) -> JobRecord:
        config, choice, draft = prepared.config, prepared.choice, prepared.draft
        if choice is None:
            raise RefusedError("Replicate could not be asked.", status=502, code="provider_error")
        inputs = prepared.inputs
        job_id = "".join(secrets.choice(_ID_LETTERS) for _ in range(10))
        fingerprint = input_fingerprint(inputs.values, inputs.secret_names)
        return JobRecord(
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
                "draft": draft.model_dump(exclude_none=True, exclude={"idempotency_key"}),
                "secret_names": sorted(inputs.secret_names),
                "fingerprint": fingerprint,
                "cancel_after": draft.cancel_after,
            },
            inputs=dict(inputs.values),
            config=dict(config.values),
            dataloader=[dict(entry) for entry in config.dataloader],
        )

    async def cancel(self, job_id: str) -> dict[str, Any]:
        """Cancel a job wherever it stands.

        Raises:
            RefusedError: it has ended already.
        """
        job = self._find(job_id)
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
        client = await self._clients.get(job.api_base)
        answer = await client.cancel_prediction(job.prediction_id)
        self._book.note(job.job_id, "local", "cancel", "Cancel asked for.", cancel_requested=True)
        job = self._book.tell(job.job_id, snapshot_of(answer), "local")
        self.monitor.wake(job.job_id)
        return {"success": True, "job_id": job.job_id, "status": job.status.value}

    async def collect(self, job_id: str) -> dict[str, Any]:
        """Fetch what a job produced."""
        job = self._find(job_id)
        if job.prediction_id and not job.status.is_terminal:
            job = await self.monitor.look(job.job_id)
        return await self._collector.collect(job)

    async def delete(self, job_id: str) -> dict[str, Any]:
        """Drop a finished job's record and log; delivered files stay.

        Raises:
            RefusedError: the job is still active.
        """
        job = self._find(job_id)
        if job.status.is_active:
            raise RefusedError(
                f"{job.name} is {job.status.value}.",
                "Cancel it first.",
                status=400,
                code="invalid_job_state",
            )
        self._book.forget(job.job_id)
        return {"success": True, "job_id": job.job_id}

    async def sync(self, api_base: str) -> dict[str, Any]:
        """Bring in jobs of this account that were started elsewhere."""
        client = await self._clients.get(api_base)
        count = 0
        async for job in import_predictions(client, api_base, self._book, self.settings):
            count += 1
            if job.status.is_active:
                self.monitor.follow(job)
        words = f"{count} new job{'' if count == 1 else 's'} from Replicate."
        return {"synced": count, "message": words}

    def _find(self, job_id: str) -> JobRecord:
        try:
            return self._reader.find(job_id)
        except UnknownJobError as error:
            raise RefusedError(
                error.message, error.advice, status=404, code="job_not_found"
            ) from None

    def _job_ended(self, job: JobRecord) -> None:
        self._tasks.start(self._after_end(job), f"collect {job.job_id}")

    async def _after_end(self, job: JobRecord) -> None:
        """Fetch results at once, and again as long as Replicate has some that are not here."""
        told: set[str] = set()
        pause = _COLLECT_AGAIN
        while True:
            result = await self._collector.collect(job)
            for item in result["missing"] if job.status is JobStatus.COMPLETED else ():
                words = f"{item['what']}: {item['why']}"
                if words not in told:
                    told.add(words)
                    self._book.note(job.job_id, "local", "missing", words)
            job = self._writer.job(job.job_id)
            if job.data_expires_at is None or job.data_expires_at <= utc_now():
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, _COLLECT_SELDOM)


def _submitted(job: JobRecord, *, again: bool = False) -> dict[str, Any]:
    return {
        "success": True,
        "job_id": job.job_id,
        "status": job.status.value,
        "idempotent_hit": again,
    }


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
