"""The engine: its services, wired together, behind the calls of the control API."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tui import __version__
from tui.base.clock import utc_now
from tui.base.token_text import judge_token
from tui.engine.config.live import LiveSettings
from tui.engine.config.watch import SettingsWatcher
from tui.engine.credentials.account import AccountService
from tui.engine.credentials.api_keys import ApiKeys
from tui.engine.credentials.caller_tokens import CallerTokens, engine_tokens
from tui.engine.credentials.proxy_password import ProxyPassword
from tui.engine.credentials.replicate_clients import ReplicateClients
from tui.engine.credentials.storage_keys import StorageKeys
from tui.engine.credentials.token_service import TokenService
from tui.engine.credentials.token_takeover import Takeover
from tui.engine.delivery.check import DeliveryCheck
from tui.engine.delivery.confirm_delivery import DeliveryConfirmation
from tui.engine.delivery.gated_models import base_model_findings
from tui.engine.delivery.hub_repositories import HubRepositories
from tui.engine.delivery.local import LocalDelivery
from tui.engine.delivery.proofs import JobProofs
from tui.engine.delivery.resolve import JobDelivery
from tui.engine.delivery.result import DeliveryResult
from tui.engine.delivery.s3 import S3Delivery
from tui.engine.diagnostics.network_check import NetworkCheck
from tui.engine.diagnostics.onboarding import OnboardingService
from tui.engine.diagnostics.status_page import StatusPage
from tui.engine.listener.service import ListenerService
from tui.engine.listener.webhook_events import WebhookEvents
from tui.engine.listener.webhook_probes import WebhookProbes
from tui.engine.listener.webhook_secrets import AccountWebhookSecrets
from tui.engine.listener.webhook_tests import WebhookTests
from tui.engine.notices.service import RunNotices
from tui.engine.results.collector import Collector
from tui.engine.results.locations import ResultLocations
from tui.engine.runtime.event_bus import EventBus
from tui.engine.runtime.tasks import TaskOwner
from tui.engine.spending.service import SpendingService
from tui.engine.spending.watch import SpendingWatch
from tui.engine.staging.places import staging_service
from tui.engine.staging.watch import StagingWatch
from tui.engine.submission.check_service import CheckService
from tui.engine.submission.confinement import Confinement
from tui.engine.submission.job_service import JobService
from tui.engine.submission.model_catalog import ModelCatalog
from tui.engine.submission.prepare import Preparer
from tui.engine.submission.queue_service import QueueService
from tui.engine.submission.release_profiles import ReleaseProfiles
from tui.engine.submission.reruns import RerunService
from tui.engine.submission.resume import CheckpointSharing
from tui.engine.submission.submit import Submitter
from tui.engine.submission.version_service import VersionService
from tui.engine.sweeps.service import SweepService
from tui.engine.tracking.annotator import Annotator
from tui.engine.tracking.job_texts import JobTexts
from tui.engine.tracking.monitor import Monitor
from tui.engine.tracking.prediction_claims import CARRIED_OUT_WITHIN, PredictionClaims
from tui.engine.tracking.recorder import JobRecorder
from tui.engine.tracking.run_warnings import thresholds_of
from tui.engine.transfers.retention import Retention
from tui.engine.transfers.service import TransferService
from tui.listener.app import Part
from tui.listener.storage.grants import GIB
from tui.listener.storage.staged import StagedFolder
from tui.replicate.secret import Secret
from tui.settings import Home, Settings
from tui.simpletuner.config.training_config import TrainingConfig
from tui.simpletuner.request.delivery import Delivery
from tui.store.reader import StoreReader
from tui.store.records import JobRecord
from tui.store.writer import StoreWriter

if TYPE_CHECKING:
    from tui.api.engine import EngineInfo

LOG = logging.getLogger(__name__)


class Engine:
    """One user's keeper of jobs. Make it, `start` it, and in the end `aclose` it."""

    def __init__(
        self,
        home: Home,
        settings: Settings,
        *,
        api_base: str = "",
        given: Mapping[str, Mapping[str, Any]] | None = None,
        mode: Literal["agent", "owned", "serve"] = "agent",
    ) -> None:
        """Open the store.

        Args:
            home: whose engine.
            settings: the user's.
            api_base: of callers that name none, instead of the settings'.
            given: settings by section for this run alone.
            mode: who keeps it alive: `agent` (whoever needs it), `owned` or `serve`.

        Raises:
            StoreBusyError: another engine has it.
            StoreError: it cannot be used.
        """
        self.home = home
        self._api_base = api_base
        self._mode = mode
        self.live = LiveSettings(home, settings, given)
        self.bus = EventBus()
        self._settings_watch = SettingsWatcher(home, self.live, self.bus)
        self.started_at = utc_now()
        self._stop = asyncio.Event()
        self._calls = self._watchers = 0
        self._needed_at = time.monotonic()
        self._tasks = TaskOwner()
        self._proxy_password = ProxyPassword(self.live, self.bus, self._tasks)
        self._writer = StoreWriter(home)
        self.reader = StoreReader(home.database)
        self.recorder = JobRecorder(
            self._writer, home, self.bus, thresholds=lambda: thresholds_of(self.live.now.watch)
        )
        self.annotator = Annotator(self.recorder, utc_now)
        self.keys = StorageKeys(
            home.root / "receiver.key",
            self._writer,
            utc_now,
            StagedFolder(home.staged),
            lambda: self.live.now.listener.storage_gib * GIB,
        )
        self.clients = ReplicateClients(
            self.live, self._token_came,
            on_account=self._account_learned, on_switch=self._token_switched,
        )  # fmt: skip
        claims = PredictionClaims(self.recorder, self.keys, self.clients.clock_offset)
        outputs = Path(settings.cloud.outputs_dir).expanduser()
        self._outputs = outputs if settings.cloud.outputs_dir else home.outputs
        self.monitor = Monitor(
            self.recorder,
            self.clients,
            self.bus,
            self._tasks,
            lambda: self.live.now.cloud.polling,
            heard_until=self.reader.contacts().sign_of_life,
        )
        self.probes = WebhookProbes()
        self.api_keys = ApiKeys(self._writer, utc_now, self._tell_of_old_keys)
        self.hook_secrets = AccountWebhookSecrets(self.clients)
        hooks = WebhookEvents(
            recorder=self.recorder,
            claims=claims,
            keys=self.keys,
            live=self.live,
            monitor=self.monitor,
            probes=self.probes,
            secrets=self.hook_secrets,
            default_base=lambda: self.api_base,
        )
        self.listening = ListenerService(
            live=self.live,
            outputs=self._outputs,
            recorder=self.recorder,
            keys=self.keys,
            bus=self.bus,
            webhook_events=hooks,
        )
        self.catalog = ModelCatalog(self.clients, self._writer, self.bus, self.live)
        self.transfers = TransferService(
            clients=self.clients,
            home=home,
            bus=self.bus,
            live=self.live,
            now=utc_now,
            outputs=self._outputs,
            tasks=self._tasks,
            write=self.recorder.write,
            writer=self._writer,
        )
        self.hub_lookup = HubRepositories(self.clients, self.live)
        self.job_delivery = JobDelivery(
            clients=self.clients,
            listener=self.listening,
            destinations=self.transfers.places,
            repositories=self.hub_lookup,
        )
        self.releases = ReleaseProfiles(
            live=self.live, reader=self.reader, writer=self._writer, log_file=home.log_file
        )
        self.staging = staging_service(
            recorder=self.recorder,
            bus=self.bus,
            home=home,
            tasks=self._tasks,
            writer=self._writer,
            clients=self.clients,
            live=self.live,
            repositories=self.hub_lookup,
            throttle=self.transfers.throttle,
            keys=self.keys,
            listening=self.listening,
            destinations=self.transfers.places,
            reader=self.reader,
        )
        self._staging_watch = StagingWatch(self.staging.remove_unread)
        self.preparer = Preparer(
            releases=self.releases,
            clients=self.clients,
            catalog=self.catalog,
            delivery=self.job_delivery,
            live=self.live,
            home=home,
            reader=self.reader,
            staging=self.staging,
        )
        self._collector = Collector(
            recorder=self.recorder,
            bus=self.bus,
            now=utc_now,
            outputs=self._outputs,
            locations=ResultLocations(
                self.clients, self.live, self._writer.transfers, lambda: self.transfers.places
            ),
            reader=self.reader,
        )
        resume = CheckpointSharing(self.reader, self.listening.share_checkpoint)
        self._submitter = Submitter(
            recorder=self.recorder,
            claims=claims,
            clients=self.clients,
            bus=self.bus,
            monitor=self.monitor,
            tasks=self._tasks,
            keys=self.keys,
            home=home,
            now=utc_now,
            keys_for=self.job_delivery.keys_for,
            staging=self.staging,
            share_checkpoint=resume.share,
            webhook_for=self.listening.webhook_url,
            is_held=self._writer.sweeps.holds,
        )
        self.spending = SpendingService(self.reader, self.live, self._service_time)
        self.jobs = JobService(
            recorder=self.recorder,
            claims=claims,
            clients=self.clients,
            collector=self._collector,
            live=self.live,
            monitor=self.monitor,
            preparer=self.preparer,
            check_delivery=self._check_delivery,
            reader=self.reader,
            resume=resume,
            spending=self.spending,
            submitter=self._submitter,
            tasks=self._tasks,
            staging=self.staging,
        )
        self.arrivals = DeliveryConfirmation(
            recorder=self.recorder,
            clients=self.clients,
            bus=self.bus,
            live=self.live,
            destinations=self.transfers.places,
            reader=self.reader,
            log_file=home.log_file,
            outputs=self._outputs,
            tasks=self._tasks,
            now=utc_now,
        )
        self._spending_watch = SpendingWatch(
            self.spending,
            writer=self._writer,
            bus=self.bus,
            live=self.live,
            cancel=self.jobs.cancel,
            note=lambda job_id, words: self.recorder.note(job_id, "local", "limit", words),
        )
        self.webhook_tests = WebhookTests(
            clients=self.clients,
            listening=self.listening,
            live=self.live,
            probes=self.probes,
            secrets=self.hook_secrets,
        )
        self.account = AccountService(
            catalog=self.catalog,
            clients=self.clients,
            bus=self.bus,
            live=self.live,
            preparer=self.preparer,
            releases=self.releases,
            writer=self._writer,
        )
        self._takeover = Takeover(
            clients=self.clients,
            is_busy=self._is_busy,
            live=self.live,
            tasks=self._tasks,
            remembered_owner=self.account.remembered_owner,
        )
        self.tokens = TokenService(
            self.clients, self.live, self._writer, self.bus, self.account.validate
        )
        self.versions = VersionService(self.clients, self.catalog, self.live)
        self._add_diagnostics()
        self._connect(claims)

    def _add_diagnostics(self) -> None:
        """Create the services that look at the network, the deliveries and a first start."""
        self._run_notices = RunNotices(
            bus=self.bus,
            live=self.live,
            reader=self.reader,
            recorder=self.recorder,
            tasks=self._tasks,
            writer=self._writer,
            now=utc_now,
        )
        self._retention = Retention(
            home=self.home,
            outputs=self._outputs,
            live=self.live,
            bus=self.bus,
            writer=self._writer,
            clear=self.transfers.clear_files,
            now=utc_now,
        )
        self._job_texts = JobTexts(self.bus, self._writer)
        self.network = NetworkCheck(
            self.clients, self.live, self._writer, self.bus, self._proxy_password
        )
        self.status_page = StatusPage(self.live, self._writer, self.bus)
        self.queue = QueueService(
            reader=self.reader,
            live=self.live,
            status_page=self.status_page,
            recorder=self.recorder,
            jobs=self.jobs,
            monitor=self.monitor,
            clients=self.clients,
            bus=self.bus,
            tasks=self._tasks,
            now=self._service_time,
        )
        self.delivery_check = DeliveryCheck(
            bus=self.bus,
            local=LocalDelivery(self.listening, self.keys, self.live),
            s3=S3Delivery(self.transfers.places),
            live=self.live,
            config_roots=self.preparer.config_roots,
            tokens=self.tokens,
            writer=self._writer,
            release=partial(self.releases.usual, self.catalog),
        )
        self.checks = CheckService(
            preparer=self.preparer,
            proofs=JobProofs(self.delivery_check, self.hub_lookup),
            spending=self.spending,
            shown=self.jobs.shown,
            tasks=self._tasks,
        )
        self.reruns = RerunService(
            jobs=self.jobs, checks=self.checks, preparer=self.preparer, names=self.reader.names,
            tags=lambda job_id: self.reader.annotation(job_id).tags,
        )  # fmt: skip
        self.sweeps = SweepService(
            recorder=self.recorder,
            reader=self.reader,
            bus=self.bus,
            checks=self.checks,
            jobs=self.jobs,
            preparer=self.preparer,
            spending=self.spending,
            begin=self._submitter.start,
            now=utc_now,
        )
        self.onboarding = OnboardingService(self.live, self.reader, self._writer, self.bus)

    def _connect(self, claims: PredictionClaims) -> None:
        """Pass on what one service notices to those that act on it."""
        claims.on_assigned = self._submitter.follow
        self.recorder.on_end = self._job_ended
        self.recorder.on_file = self._file_arrived
        self.jobs.on_collected = self.arrivals.files_fetched
        self.staging.removal.moving = self.queue.moves.under_way
        self.queue.moves.on_end = self.staging.resume

    # -- life ---------------------------------------------------------------------------------

    async def start(self, parts: Sequence[Part] = ()) -> None:
        """Listen, and take up every job where it was left.

        Args:
            parts: what the listener serves besides deliveries and webhooks.
        """
        self._outputs.mkdir(parents=True, exist_ok=True)
        await self._proxy_password.recall()
        await self.listening.start(parts)
        self._take_up()
        self._spending_watch.start()
        self._run_notices.start()
        self.queue.start()
        self.sweeps.queue.start()
        self._staging_watch.start()
        self._retention.start()
        self._settings_watch.start()
        self._job_texts.start()

    def _tell_of_old_keys(self, names: list[str]) -> None:
        message = f"API keys made before keys had scopes may do everything: {', '.join(names)}."
        advice = "Make ones that may do less (simpletuner-tui api-key create), and revoke these."
        LOG.warning("%s %s", message, advice)
        self.bus.publish("notice", level="warning", message=message, advice=advice)

    def _take_up(self) -> None:
        for job in self._writer.active():
            if job.prediction_id:
                self._submitter.follow(job)
            else:
                self._submitter.start(job)
        for job in self._writer.ended_since(utc_now() - CARRIED_OUT_WITHIN):
            self._submitter.look_again(job)
        ended = {job.job_id: job for job in self._writer.at_risk(utc_now())}
        for job_id in self._collector.unfinished():
            ended.setdefault(job_id, self._writer.job(job_id))
        for job in ended.values():
            self.jobs.job_ended(job)
        self.transfers.start()
        self.arrivals.resume()
        self.staging.resume()

    def _job_ended(self, job: JobRecord) -> None:
        self.releases.observe(job)
        with self.clients.networks.of(job.job_id):  # a webhook knows nothing of the job's way
            self.jobs.job_ended(job)
            self.staging.job_ended(job)
            self.arrivals.job_ended(job)

    def _file_arrived(self, job: JobRecord) -> None:
        with self.clients.networks.of(job.job_id):
            self.arrivals.file_arrived(job)

    def request_stop(self) -> None:
        """End the engine soon."""
        self._stop.set()
        self.checks.stop()

    @property
    def confinement(self) -> Confinement:
        """The files that callers over TCP may have read."""
        return Confinement(tuple(self.preparer.config_roots()), self._outputs, self.home.root)

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

    @contextmanager
    def watched(self) -> Iterator[None]:
        """A window follows the events: a call that ends with the window or the engine."""
        self._watchers += 1
        try:
            yield
        finally:
            self._watchers -= 1

    @property
    def uptime_seconds(self) -> float:
        """For how long the engine has run."""
        return (utc_now() - self.started_at).total_seconds()

    def idle_seconds(self) -> float:
        """For how long nothing has needed the engine: no call, no job, no task, no keys."""
        if self._calls or self._tasks.running or self.transfers.places.must_hold_keys():
            self._needed_at = time.monotonic()
        return time.monotonic() - self._needed_at

    async def aclose(self) -> None:
        """Stop everything; what was under way is taken up at the next start."""
        await self._settings_watch.aclose()
        await self._spending_watch.aclose()
        await self._run_notices.aclose()
        await self.queue.aclose()
        await self.sweeps.queue.aclose()
        await self._staging_watch.aclose()
        await self._retention.aclose()
        await self._job_texts.aclose()
        await self.transfers.queue.aclose()
        await self._tasks.aclose()
        await self.listening.aclose()
        await self.clients.aclose()
        self.reader.close()
        self._writer.close()

    # -- about the engine ---------------------------------------------------------------------

    def info(self) -> EngineInfo:
        """`{pid, version, started_at, listener, active_jobs, home}`."""
        return {
            "pid": os.getpid(),
            "mode": self._mode,
            "version": __version__,
            "started_at": self.started_at.isoformat(),
            "listener": self.listening.state(),
            "active_jobs": self.monitor.following + self._submitter.busy,
            "home": str(self.home.root),
        }

    def under_way(self, handed: CallerTokens | None) -> str:
        """What a newer engine could not go on with at once; empty where it could take over now.

        A job that runs at Replicate is followed by the next engine from where this one was.

        Args:
            handed: the tokens that the window which asks hands to the next engine.
        """
        if self._mode != "agent":
            return "whoever started it"
        if (
            self.clients.tokens.held_beside(handed)
            or any(self.transfers.places.keys.in_memory)
            or self._proxy_password.kept == "session"
        ):
            return "secrets that only its memory has"
        if self._calls > self._watchers + 1:  # the one is the question itself
            return "a call"
        return next((name for name in self._tasks.names if not name.startswith("follow ")), "")

    def set_session(self, api_base: str, values: Mapping[str, Any]) -> None:
        """Look at what a client's environment holds, or hear that it changed the keyring.

        A token takes the engine over as `Takeover` decides; until then, and where it does not, it
        serves the calls that name it.
        """
        if values.get("keyring_changed"):
            self.clients.keyring_changed(api_base)
        token, endpoint, hub = (
            value.strip() if isinstance(value := values.get(name), str) else ""
            for name in ("replicate_token", "hf_endpoint", "hf_token")
        )
        # A text that cannot be a token is reported to the calls that name it, and sent nowhere.
        token = judge_token("replicate", token).value
        hub = judge_token("huggingface", hub).value
        with engine_tokens():  # whose it is, is asked by the client's own way
            self._takeover.offer(api_base, token, endpoint, hub)

    async def _check_delivery(
        self,
        api_base: str,
        delivery: Delivery,
        config: TrainingConfig,
        hub_token: Secret | None,
        *,
        submit: bool,
    ) -> DeliveryResult:
        result, models = await asyncio.gather(
            self.delivery_check.for_job(api_base, delivery, config, submit=submit),
            base_model_findings(self.hub_lookup, api_base, config, hub_token),
        )
        return replace(result, steps=(*result.steps, *models))

    def _is_busy(self, api_base: str) -> bool:
        """Whether a job or a transfer of an API base is under way."""
        transfers = self._writer.transfers.all()
        return any(job.api_base == api_base for job in self._writer.active()) or any(
            one.api_base == api_base and one.state.is_active for one in transfers
        )

    def _service_time(self) -> datetime:
        """The time as Replicate has it: what it bills does not follow a wrong clock of ours."""
        return utc_now() + self.clients.clock_offset(self.live.now.cloud.api_base)

    @property
    def api_base(self) -> str:
        """The API base of callers that name none."""
        return self._api_base or self.live.now.cloud.api_base

    def _account_learned(self) -> None:
        """Ask for the jobs that wait for a token of their account."""
        self.monitor.wake()

    def _token_switched(self, api_base: str, words: str) -> None:
        """Tell the history of active jobs that their calls are made with another token."""
        for job in self._writer.active():
            if job.api_base == api_base:
                self.recorder.note(job.job_id, "local", "token", words)

    def _token_came(self, api_base: str) -> None:
        self._tasks.start(self.account.validate(api_base), "validate the token")
        self.hook_secrets.forget(api_base)
        self.monitor.wake()
        self.sweeps.queue.wake()
        for job in self._writer.active():
            if job.api_base == api_base and not job.prediction_id:
                self._submitter.start(job)
