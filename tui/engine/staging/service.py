"""Staging: plans it for a draft, does it for a job, and removes what no job reads any more."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tui.base.clock import Clock
from tui.base.errors import RefusedError
from tui.destinations.common.errors import PublishError
from tui.engine.runtime.event_bus import EventBus
from tui.engine.runtime.tasks import TaskOwner
from tui.engine.staging.job_staging import JobStaging, Lister
from tui.engine.staging.place import StagingPlace
from tui.engine.staging.planning import StagingPlan, StagingPlanner
from tui.engine.staging.records import StagedRecord, StagedRecords
from tui.engine.staging.registry import PlaceMaker, PlaceRegistry
from tui.engine.staging.removal import StagedRemoval
from tui.engine.staging.repair import damaged_row, repair
from tui.engine.tracking.recorder import JobRecorder
from tui.replicate.secret import Secret
from tui.settings import Home
from tui.simpletuner.config.training_config import TrainingConfig
from tui.simpletuner.datasets.scan import DataReport
from tui.simpletuner.errors import SimpleTunerError
from tui.simpletuner.staging.manifest import Manifest
from tui.store.records import JobRecord

if TYPE_CHECKING:
    from tui.api import staging as api


class StagingService:
    """What the engine asks of staging: the parts put together, and the list of what is staged."""

    def __init__(
        self,
        *,
        recorder: JobRecorder,
        bus: EventBus,
        home: Home,
        tasks: TaskOwner,
        now: Clock,
        records: StagedRecords,
    ) -> None:
        self._recorder = recorder
        self._bus = bus
        self._tasks = tasks
        self._now = now
        self._records = records
        self._places = PlaceRegistry()
        self._planner = StagingPlanner(home, self._places, records)
        self._jobs = JobStaging(recorder, bus, self._places, records)
        self.removal = StagedRemoval(recorder, bus, self._places, records, now=now)

    # -- the places -----------------------------------------------------------------------------

    def add_place(
        self, kind: str, maker: PlaceMaker, names: Callable[[], Sequence[str]] | None = None
    ) -> None:
        """See `PlaceRegistry.add`."""
        self._places.add(kind, maker, names)

    async def best_place(
        self, api_base: str, *, prefix_respected: bool | None = None
    ) -> tuple[str, list[str]]:
        """See `PlaceRegistry.best`."""
        return await self._places.best(api_base, prefix_respected=prefix_respected)

    def place(self, name: str, api_base: str) -> StagingPlace:
        """See `PlaceRegistry.place`."""
        return self._places.place(name, api_base)

    # -- before ---------------------------------------------------------------------------------

    async def plan(
        self,
        api_base: str,
        place_name: str,
        config: TrainingConfig,
        report: DataReport,
        *,
        prefix_respected: bool | None = None,
        leave_out_uncaptioned: bool = False,
        stored_key: str = "",
        ask: bool = True,
    ) -> StagingPlan:
        """See `StagingPlanner.plan`."""
        return await self._planner.plan(
            api_base, place_name, config, report,
            prefix_respected=prefix_respected, leave_out_uncaptioned=leave_out_uncaptioned,
            stored_key=stored_key, ask=ask,
        )  # fmt: skip

    async def manifest_of(
        self, config: TrainingConfig, report: DataReport, *, leave_out_uncaptioned: bool
    ) -> Manifest:
        """List the files of a config's local datasets as they would be staged."""
        built = await self._planner.build(
            config, report, leave_out_uncaptioned=leave_out_uncaptioned
        )
        return built.manifest

    def list_again_by(self, lister: Lister) -> None:
        """Have the files of a job listed anew by this when their list is damaged."""
        self._jobs.list_again = lister

    async def remember(self, api_base: str, plan: StagingPlan, *, keep: bool) -> str:
        """Write down what a job will stage; the caller stores the job before it awaits anything.

        Returns:
            The record's key.

        Raises:
            RefusedError: it cannot be written.
        """
        key = plan.key(api_base)
        async with self._places.lock_of(plan.place.name, api_base):
            await self._write_down(key, api_base, plan, keep=keep)
        return key

    async def _write_down(self, key: str, api_base: str, plan: StagingPlan, *, keep: bool) -> None:
        place, manifest = plan.place, plan.manifest
        try:
            await asyncio.to_thread(self._records.put_manifest, key, manifest)
            known = self._records.get(key)  # another job's, which may be staging just now
            self._records.put(
                replace(known, keep=keep or known.keep, problem="")
                if known is not None
                else StagedRecord(
                    key=key,
                    place=place.name,
                    api_base=api_base,
                    digest=manifest.digest,
                    datasets=tuple(dataset.id for dataset in manifest.datasets),
                    images=manifest.images,
                    bytes=manifest.bytes,
                    created_at=self._now().isoformat(),
                    keep=keep,
                    where=plan.leaves.to,
                    home=plan.receiver.home,
                )
            )
        except OSError as error:
            raise RefusedError(
                f"The list of staged files cannot be written: {error.strerror or error}.",
                "Is the disk full?",
            ) from error

    # -- a job ----------------------------------------------------------------------------------

    async def stage(self, job: JobRecord, cancel: threading.Event) -> dict[str, Any]:
        """See `JobStaging.stage`."""
        return await self._jobs.stage(job, cancel)

    async def secrets_for(self, job: JobRecord) -> dict[str, Secret]:
        """See `JobStaging.secrets_for`."""
        return await self._jobs.secrets_for(job)

    # -- afterwards -----------------------------------------------------------------------------

    def job_ended(self, job: JobRecord) -> None:
        """End what a job had for itself, and remove its data if it was the last reader."""
        self._jobs.forget(job.job_id)
        if job.submit.get("staging"):
            self._tasks.start(self._after(job), f"end the staging of {job.job_id}")

    async def _after(self, job: JobRecord) -> None:
        staging = job.submit["staging"]
        with contextlib.suppress(PublishError, SimpleTunerError, RefusedError):
            await self.place(staging["place"], job.api_base).job_ended(job)
        await self.remove_unread()

    def resume(self) -> None:
        """Repair records that cannot be read; remove what a former engine should have removed."""
        if self._records.all() or self._records.damaged():
            self._tasks.start(self._take_up(), "remove staged data")

    async def _take_up(self) -> None:
        if self._records.damaged():
            writer = self._recorder.writer
            jobs = [*writer.active(), *writer.ended_since(datetime.fromtimestamp(0, UTC))]
            for key in self._records.damaged():
                with contextlib.suppress(OSError):  # a full disk: it stays listed as it is
                    repair(self._records, key, jobs)
            self._bus.publish("fact", name="staged")
        await self.remove_unread()

    async def remove_unread(self) -> None:
        """See `StagedRemoval.remove_unread`."""
        await self.removal.remove_unread()

    async def remove(self, key: str) -> None:
        """See `StagedRemoval.remove`."""
        await self.removal.remove(key)

    def rows(self) -> list[api.StagedData]:
        """What is staged, oldest first; what cannot be read comes last."""
        rows: list[api.StagedData] = [
            {
                "key": record.key,
                "place": record.place,
                "where": record.where,
                "datasets": list(record.datasets),
                "images": record.images,
                "bytes": record.bytes,
                "created_at": record.created_at,
                "complete": record.there,
                "keep": record.keep,
                "readers": self.removal.readers(record.key),
                "problem": record.problem,
                "damage": record.damage,
            }
            for record in self._records.all()
        ]
        damaged = self._records.damaged().values()
        return rows + [damaged_row(one, self.removal.readers(one.key)) for one in damaged]
