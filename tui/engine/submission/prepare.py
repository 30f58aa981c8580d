"""Prepares a draft: loads its config, scans its datasets, builds its inputs and checks them all.

`check` and `submit` use the same preparation, so what is shown is what is sent.
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeAlias

from tui.base.collection import paused
from tui.base.errors import RefusedError
from tui.base.hosts import is_loopback
from tui.base.newest import Newest
from tui.engine.config.live import LiveSettings
from tui.engine.credentials.replicate_clients import ReplicateClients
from tui.engine.delivery.resolve import JobDelivery
from tui.engine.delivery.room import room_check
from tui.engine.staging.findings import place_for, staging_findings
from tui.engine.staging.planning import PlaceNotAskedError, StagingPlan
from tui.engine.staging.service import StagingService
from tui.engine.staging.whole_bucket import whole_bucket
from tui.engine.submission.draft import DeliveryDraft, Draft
from tui.engine.submission.history import History, history_of
from tui.engine.submission.model_catalog import Choice, ModelCatalog
from tui.engine.submission.phases import IMAGES_PLACEHOLDER
from tui.engine.submission.prepared import ORDER, Prepared
from tui.engine.submission.release_profiles import ReleaseProfiles
from tui.engine.submission.same_data import SameData
from tui.engine.submission.stored_run import same_request, staged_key, stored_config
from tui.engine.submission.version_finder import VersionFinder
from tui.replicate.errors import ReplicateError
from tui.settings import Home
from tui.simpletuner.checks.checks import Check, check_config, without_echo
from tui.simpletuner.checks.estimate import Estimate, estimate
from tui.simpletuner.config.load import TrainingConfig, load_config
from tui.simpletuner.config.overrides import with_options
from tui.simpletuner.datasets.scan import DataReport, ScanMemory, scan
from tui.simpletuner.delivery_schedule.job import DeliveryOutlook, delivery_outlook
from tui.simpletuner.delivery_schedule.mends import Mend
from tui.simpletuner.delivery_schedule.sizes import delivery_size
from tui.simpletuner.errors import SimpleTunerError
from tui.simpletuner.release.profile import UNKNOWN, ReleaseProfile
from tui.simpletuner.request.hardware import PROFILES, HardwareProfile, normalise_profile
from tui.simpletuner.request.inputs import build_inputs
from tui.simpletuner.request.modes import DatasetMode
from tui.simpletuner.staging.caches import cache_note, sent_back
from tui.simpletuner.staging.config import with_own_caches
from tui.simpletuner.staging.manifest import Manifest
from tui.simpletuner.staging.trained import staged_report
from tui.store.filter import JobFilter
from tui.store.reader import StoreReader
from tui.store.records import JobRecord

Scanned: TypeAlias = tuple[TrainingConfig, DataReport]
"""A config with its overrides applied, and the scan of its datasets."""
_REMEMBERED_REPORTS: Final = 8


def _estimate(
    config: TrainingConfig,
    profile: HardwareProfile,
    report: DataReport,
    rate: int,
    history: History,
) -> Estimate:
    """The estimate from measured steps of like runs, else from the table."""
    step = history.step
    guess = estimate(
        config, profile, report, micros_per_second=rate,
        step_seconds=step.seconds if step else None,
    )  # fmt: skip
    return replace(guess, basis=step.basis) if step else guess


class Preparer:
    """Turns drafts into `Prepared`."""

    def __init__(
        self,
        *,
        clients: ReplicateClients,
        catalog: ModelCatalog,
        delivery: JobDelivery,
        live: LiveSettings,
        home: Home,
        reader: StoreReader,
        releases: ReleaseProfiles,
        staging: StagingService,
    ) -> None:
        self._staging = staging
        staging.list_again_by(self.staged_files)
        self._same_data = SameData(home.archives)
        self._clients = clients
        self._catalog = catalog
        self._versions = VersionFinder(clients, catalog, releases)
        self._delivery = delivery
        self._live = live
        self._home = home
        self._reader = reader
        self._releases = releases
        self._scans = ScanMemory(home.root / "scan-cache.json")
        self._trained: Newest[DataReport] = Newest(_REMEMBERED_REPORTS)

    def config_roots(self, cwd: str | None = None) -> list[Path]:
        """Folders to search for configs: of the caller, of the settings, of SimpleTuner."""
        own = ["~/.simpletuner", "~/SimpleTuner"]
        named = [*([cwd] if cwd else []), *self._live.now.cloud.config_roots, *own]
        return [Path(root).expanduser() for root in named]

    async def prepare(
        self,
        api_base: str,
        draft: Draft,
        *,
        ask: bool = True,
        scanned: Scanned | None = None,
    ) -> Prepared:
        """Prepare a draft; most problems become findings in `Prepared.checks`.

        A draft that asks for it is mended, and prepared again with the change. A mend that sends
        the results to another receiver is only offered: the user names receivers.

        Args:
            api_base: the API that would run the job.
            draft: the request.
            ask: whether the network is asked; else what is not known becomes an `asking` finding.
            scanned: the config and the scan of a preparation of the same draft a moment ago.

        Raises:
            ConfigError: the config cannot be read at all.
            RefusedError: the hardware is unknown.
        """
        prepared = await self._prepare(api_base, draft, ask=ask, scanned=scanned)
        mend = next((mend for mend in prepared.outlook.mends if not mend.delivery), None)
        if not draft.fix_delivery or mend is None:
            return prepared
        mended = await self._prepare(api_base, with_mend(draft, mend), ask=ask)
        note = Check("delivery-mended", "ok", f"changed for the delivery: {mend.words}")
        return replace(mended, mended=mend).with_checks(note)

    async def _prepare(
        self, api_base: str, draft: Draft, *, ask: bool, scanned: Scanned | None = None
    ) -> Prepared:
        earlier = self._earlier(api_base, draft)
        profile = self._profile(draft)
        if scanned is None:
            config = await asyncio.to_thread(self._load, draft, earlier)
            report = await asyncio.to_thread(self._scan, config)
        else:
            config, report = scanned
        findings: list[Check] = []
        choice = await self._versions.find(api_base, draft, profile, findings, ask=ask)
        message, advice = self._clients.tokens.environment_advice("huggingface", api_base)
        if message:
            findings.append(Check("hf-token", "warn", message.rstrip("."), advice))
        release = self._releases.choose(api_base, choice, draft)
        # Of a version that is not known yet, only its date and its jobs could tell more.
        told = release if choice is not None or release.source == "user" else None
        release_asked = not ask and told is None
        delivery = await self._delivery.resolve(api_base, draft.delivery, config, findings, ask=ask)
        place_asked = False
        try:
            staging = await self._plan_staging(
                api_base,
                draft,
                config,
                report,
                release=told,
                findings=findings,
                earlier=earlier,
                ask=ask,
            )
        except PlaceNotAskedError as unknown:
            staging, place_asked = None, True
            findings.append(Check("staging", "asking", f"{unknown} is being asked"))
        mode = "staged" if staging is not None or place_asked else _mode(draft, config)
        trained = report
        if staging is not None:
            trained = await self._trained_on(report, staging.manifest)
        sent = staging.config if staging is not None else config
        as_written = staging is None and not place_asked and delivery.kind in ("local", "s3")
        if as_written and (named := sent_back([spec.raw for spec in config.datasets])):
            sent = with_own_caches(config)
            note = cache_note(sent.dataloader, named)
            findings.append(Check("dataset", note.level, note.message))
        inputs = build_inputs(
            sent,
            delivery=delivery,
            schema=choice.schema if choice else None,
            images_url=draft.images_url if draft.data == "hosted" else IMAGES_PLACEHOLDER,
            mode=mode,
            folders={
                dataset.id: dataset.archive_folder
                for dataset in report.local
                if dataset.archive_folder
            },
            overrides=draft.overrides.given(),
            secrets=self._delivery.secrets(api_base, delivery),
            local_asked=place_asked,
            version_known=choice is not None,
        )
        runs = self._reader.past_runs(sandbox=is_loopback(api_base))
        history = history_of(runs, config, profile.id)
        outlook = delivery_outlook(
            config, delivery, report=trained, release=release, gpus=profile.gpus
        )
        if release_asked:  # a version that sends more needs no change
            outlook = outlook._replace(mends=())
        config_findings = check_config(
            config,
            trained,
            profile=profile,
            delivery=delivery,
            mode=mode,
            inputs=inputs,
            schema=choice.schema if choice else None,
            release=told,
            has_hf_token=self._has_hub_token(api_base),
            step_seconds=history.step.seconds if history.step else None,
            outlook=outlook,
            release_asked=release_asked,
        )
        if delivery.kind == "local":
            findings.append(self._check_room(api_base, config, outlook))
        asked = {check.id for check in findings if check.level == "asking"}
        # A repository without an owner is no finding about the config while its owner is asked.
        config_findings = [
            check for check in config_findings if check.id not in asked or check.level != "warn"
        ]
        rate = self._live.now.rates_micros.get(profile.id, profile.micros_per_second)
        uploads = "images" in inputs.values and draft.data != "hosted"
        same_data = None
        if earlier is not None:
            same_data = await self._same_data.verdict(earlier, staging, report, packs=uploads)
            findings += [same_data.check(), same_request(earlier, inputs.values, draft)]
        checks = without_echo([*config_findings, *findings])
        return Prepared(
            draft=draft,
            config=config,
            report=report,
            trained=trained,
            profile=profile,
            rate_micros=rate,
            choice=choice,
            release=release,
            inputs=inputs,
            estimate=_estimate(config, profile, trained, rate, history),
            checks=tuple(sorted(checks, key=lambda check: ORDER[check.level])),
            run_name=draft.name or self.free_name(config.run_name or config.name),
            uploads=uploads,
            delivery=delivery,
            history=history,
            outlook=outlook,
            staging=staging,
            same_data=same_data,
            place_asked=place_asked,
            release_asked=release_asked,
        )

    def _earlier(self, api_base: str, draft: Draft) -> JobRecord | None:
        """Return the job that a draft runs again.

        Raises:
            RefusedError: there is none, or it ran at another API.
        """
        job = self._reader.job(draft.rerun_of) if draft.rerun_of else None
        if draft.rerun_of and job is None:
            raise RefusedError(
                f"There is no job {draft.rerun_of} to run again.",
                "It was deleted; start a new one from its config.",
                status=404,
                code="job_not_found",
            )
        if job is not None and job.api_base != api_base:
            raise RefusedError(
                f"{job.name} ran at another address than this one ({job.api_base}).",
                "Open the program for that address, and run it again there.",
                status=409,
            )
        return job

    async def _plan_staging(
        self,
        api_base: str,
        draft: Draft,
        config: TrainingConfig,
        report: DataReport,
        *,
        release: ReleaseProfile | None,
        findings: list[Check],
        earlier: JobRecord | None = None,
        ask: bool,
    ) -> StagingPlan | None:
        unpacks = None if release is None else release.archive == "unpacks"
        place = place_for(draft.data, draft.staging, config, unpacks=unpacks)
        if place is None:
            # The version decides, and an archive that may never be sent is not judged.
            if not ask and release is None and draft.data is None and config.local_datasets:
                raise PlaceNotAskedError("how the pictures reach the trainer")
            return None
        if not place and self._live.now.cloud.staging != "auto":
            place = self._live.now.cloud.staging
        respected = None if release is None else release.aws_prefix_respected
        try:
            plan = await self._staging.plan(
                api_base,
                place,
                config,
                report,
                prefix_respected=respected,
                leave_out_uncaptioned=draft.leave_out_uncaptioned,
                stored_key=staged_key(earlier),
                ask=ask,
            )
        except RefusedError as error:
            findings.append(Check("staging", "error", error.message.rstrip("."), error.advice))
            return None
        found = staging_findings(
            plan, prefix_respected=respected, release_asked=not ask and release is None
        )
        findings += _with_release(found, release)
        return plan

    def _check_room(self, api_base: str, config: TrainingConfig, outlook: DeliveryOutlook) -> Check:
        """The room for a delivery to this machine, beside those of the jobs that run."""
        estimate = delivery_size(config, outlook.schedule) if outlook.schedule else None
        promised = sum(
            int(job.submit.get("expected_bytes") or 0)
            for job in self._reader.records(_DELIVER_HERE)
        )
        expected = estimate.stored if estimate else None
        check = room_check(self._delivery.outputs, expected, promised=promised)
        # The files of a sandbox are small, whatever the model.
        mild = check.level == "error" and is_loopback(api_base)
        return replace(check, level="warn") if mild else check

    def load_named(self, name: str) -> TrainingConfig:
        """Load a config by its path or by its name below the config roots. Blocking.

        Raises:
            ConfigError: it cannot be read.
        """
        return load_config(Path(name).expanduser(), roots=self.config_roots())

    def load(self, draft: Draft) -> TrainingConfig:
        """Load a draft's config and apply its overrides. Blocking.

        Raises:
            ConfigError: it cannot be read.
        """
        path = Path(draft.config).expanduser()
        if draft.cwd and not path.is_absolute() and (Path(draft.cwd) / path).exists():
            path = Path(draft.cwd) / path
        config = load_config(path, roots=self.config_roots(draft.cwd))
        return with_options(config, draft.option_changes)

    async def staged_files(self, job: JobRecord) -> Manifest | None:
        """List the files that a job stages as they are today; None when they cannot be."""
        draft = job.submit.get("draft") or {}
        try:
            config = stored_config(job, self.config_roots())
            report = await asyncio.to_thread(self._scan, config)
            return await self._staging.manifest_of(
                config, report, leave_out_uncaptioned=bool(draft.get("leave_out_uncaptioned"))
            )
        except (SimpleTunerError, OSError):
            return None

    @paused()
    def _scan(self, config: TrainingConfig) -> DataReport:
        """Scan a config's datasets. Blocking, and so is what is derived from all files."""
        report = scan(config, memory=self._scans)
        _ = report.archive_size, report.state, report.bytes
        return report

    async def _trained_on(self, report: DataReport, manifest: Manifest) -> DataReport:
        """The scan reduced to what is staged; the one of before for the very same data."""
        known = self._trained.get(report, manifest)
        if known is None:
            made = await asyncio.to_thread(staged_report, report, manifest)
            known = self._trained.keep(made, report, manifest)
        return known

    def _load(self, draft: Draft, earlier: JobRecord | None) -> TrainingConfig:
        """The draft's config; that of the job that it runs again comes from the job's record."""
        if earlier is None:
            return self.load(draft)
        stored = stored_config(earlier, self.config_roots())
        return with_options(stored, draft.option_changes)

    def free_name(self, wanted: str) -> str:
        """An unused run name: `cat-lora`, `cat-lora-2` and so on."""
        taken = self._reader.names(wanted)
        numbered = (f"{wanted}-{number}" for number in itertools.count(2))
        return next(name for name in itertools.chain([wanted], numbered) if name not in taken)

    def _profile(self, draft: Draft) -> HardwareProfile:
        try:
            name = normalise_profile(draft.hardware or self._live.now.cloud.hardware)
        except ValueError as error:
            raise RefusedError(
                str(error), "Choose one of them.", details={"fields": {"hardware": str(error)}}
            ) from None
        return PROFILES[name]

    async def choice_of(self, api_base: str, draft: Draft) -> Choice | None:
        """Return the version that a draft would run on; None when it cannot be told."""
        try:
            return await self._catalog.choose(
                api_base, self._profile(draft), draft.model, draft.version
            )
        except (ReplicateError, RefusedError):
            return None

    def _has_hub_token(self, api_base: str) -> bool | None:
        """Whether a Hub token is set; None for a server on this machine, which needs none."""
        if self._clients.hub_token(api_base) is not None:
            return True
        return None if is_loopback(api_base) else False


_DELIVER_HERE: Final = JobFilter(
    where="delivery = 'local' AND status IN ('pending', 'uploading', 'queued', 'running')"
)


def _mode(draft: Draft, config: TrainingConfig) -> DatasetMode:
    """How the trainer gets its data.

    An archive is sent together with the dataloader config, which holds captions, crops and repeats;
    without it the trainer would make one plain dataset of all files.
    """
    if draft.data == "remote":
        return "remote"
    if draft.data == "hosted":
        return "both"
    return "both" if config.local_datasets else "remote"


def _with_release(found: list[Check], release: ReleaseProfile | None) -> list[Check]:
    """Findings about staging: whether a trainer reads all of a bucket is known by its release."""
    respected = None if release is None else release.aws_prefix_respected
    refusal, _ = whole_bucket(prefix_respected=respected)
    title = (release or UNKNOWN).title
    return [
        replace(check, release=title) if refusal and refusal in check.message else check
        for check in found
    ]


def with_mend(draft: Draft, mend: Mend) -> Draft:
    """The draft with a change of its options or of its delivery."""
    overrides = draft.overrides.model_copy(update=dict(mend.overrides))
    delivery = DeliveryDraft(**mend.delivery) if mend.delivery else draft.delivery
    return draft.model_copy(update={"overrides": overrides, "delivery": delivery})
