"""Plans the staging of a draft's local datasets: what would leave, to whom, and what is missing."""

from __future__ import annotations

import asyncio
import sys
import threading
from dataclasses import dataclass
from typing import Any, Final

from tui.base.newest import Newest
from tui.destinations.common.errors import PublishError
from tui.engine.staging.place import Leaves, Missing, StagingPlace
from tui.engine.staging.receiver import Receiver
from tui.engine.staging.records import StagedRecords, record_key
from tui.engine.staging.registry import PlaceRegistry, clause
from tui.settings import Home
from tui.simpletuner.config.training_config import TrainingConfig
from tui.simpletuner.datasets.scan import DataReport
from tui.simpletuner.errors import Note, SimpleTunerError
from tui.simpletuner.staging.build import Built, build_manifest
from tui.simpletuner.staging.caches import cache_note
from tui.simpletuner.staging.config import with_entries
from tui.simpletuner.staging.manifest import Manifest
from tui.simpletuner.staging.rewrite import portable_entry

_REMEMBERED_MANIFESTS: Final = 4


@dataclass(frozen=True)
class StagingPlan:
    """How a draft's local datasets would be staged.

    Attributes:
        place: where.
        manifest: what.
        missing: what has to be sent; None when the place cannot be used.
        leaves: what leaves this machine, to whom, for how long, and with which token.
        receiver: whom a consent to it names.
        config: the config with the rewritten entries.
        dropped: keys that are not sent, with the reason.
        notes: refusals, and what was mended.
        kept: whether it is a copy that is there already, of files that are others today.
        asking: the place was not asked yet what it holds, nor whether it can be used.
    """

    place: StagingPlace
    manifest: Manifest
    missing: Missing | None
    leaves: Leaves
    receiver: Receiver
    config: TrainingConfig
    dropped: tuple[str, ...]
    notes: tuple[Note, ...]
    kept: bool = False
    asking: bool = False

    def key(self, api_base: str) -> str:
        """The key of its record."""
        return record_key(self.place.name, api_base, self.manifest.digest, self.receiver.home)


class PlaceNotAskedError(Exception):
    """Which place works, or whether one is needed, is not known without asking; it says which."""


class StagingPlanner:
    """Plans with the places and the records of one state directory."""

    def __init__(self, home: Home, places: PlaceRegistry, records: StagedRecords) -> None:
        self._home = home
        self._places = places
        self._records = records
        self._chosen: dict[tuple[str, bool | None], str] = {}
        self._built: Newest[Built] = Newest(_REMEMBERED_MANIFESTS)

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
        """Plan the staging of a config's local datasets; problems become notes.

        Args:
            api_base: the API whose trainer reads them.
            place_name: the place; "" chooses the first that works.
            config: the config.
            report: its scan.
            prefix_respected: as in `best_place`.
            leave_out_uncaptioned: leave out pictures without a caption.
            stored_key: the record of data that an earlier job read. Where they are still complete
                in their place, they are planned for, whatever the local files are now.
            ask: whether the place may be asked what it holds; this machine always is.

        Raises:
            RefusedError: there is no such place.
            PlaceNotAskedError: which place works has to be asked first.
        """
        others: list[str] = []
        if not place_name:
            if not ask:
                place_name = self._chosen.get((api_base, prefix_respected), "")
                if not place_name:
                    raise PlaceNotAskedError("which place the pictures can be staged to")
            else:
                place_name, others = await self._places.best(
                    api_base, prefix_respected=prefix_respected
                )
                self._chosen[api_base, prefix_respected] = place_name
        place = self._places.place(place_name, api_base)
        # The family decides whether first frames are refused; interned, it can be compared by `is`.
        model = sys.intern(f"{config.family} {config.flavour}")
        built = self._built.get(report, leave_out_uncaptioned, model)
        if built is None:
            built = await self.build(config, report, leave_out_uncaptioned=leave_out_uncaptioned)
            if not built.passing:
                self._built.keep(built, report, leave_out_uncaptioned, model)
        kept = await self._kept(stored_key, place, built.manifest)
        if kept is not None:
            built = Built(kept)
        notes = list(built.notes)
        missing = None
        asking = not ask and place.kind != "here"
        try:
            if not asking:
                missing = await place.missing(built.manifest)
        except (PublishError, SimpleTunerError) as error:
            notes.append(Note("error", clause(error.message), error.advice))
            # The first is the way that this error is about; the shortest one may be another.
            notes += [Note("warn", f"or stage elsewhere: {reason}") for reason in others[1:]]
        entries: dict[str, dict[str, Any]] = {}
        dropped: list[str] = []
        for dataset in built.manifest.datasets:
            portable, reasons = portable_entry(dataset.entry)
            entries[dataset.id] = place.entry(dataset, portable, None)
            lost = set(portable) - set(entries[dataset.id])
            reasons |= dict.fromkeys(sorted(lost), "made anew for the staged data")
            dropped += [f"{dataset.id}.{key}: {reason}" for key, reason in reasons.items()]
        staged = with_entries(config, entries)
        if entries and (asking or missing is not None):
            notes.append(cache_note(staged.dataloader, entries))
        return StagingPlan(
            place=place,
            manifest=built.manifest,
            missing=missing,
            leaves=place.describe(built.manifest),
            receiver=place.receiver(built.manifest),
            config=staged,
            dropped=tuple(dropped),
            notes=tuple(notes),
            kept=kept is not None,
            asking=asking,
        )

    async def build(
        self, config: TrainingConfig, report: DataReport, *, leave_out_uncaptioned: bool
    ) -> Built:
        """Build the manifest of a config's local datasets in a thread."""
        cancel = threading.Event()

        def build() -> Built:
            built = build_manifest(
                config,
                report,
                cache=self._home.root / "staging-cache.json",
                leave_out_uncaptioned=leave_out_uncaptioned,
                cancel=cancel,
            )
            _ = built.manifest.digest, built.manifest.bytes
            return built

        try:
            return await asyncio.to_thread(build)
        except asyncio.CancelledError:
            cancel.set()
            raise

    async def _kept(self, key: str, place: StagingPlace, today: Manifest) -> Manifest | None:
        """Return the manifest of an earlier job's data that are complete in their place.

        None when there are none, and when today's files are the same.
        """
        record = self._records.get(key) if key else None
        if record is None or not record.there or record.place != place.name:
            return None
        if record.digest == today.digest:
            return None
        manifest = await asyncio.to_thread(self._records.manifest, key)
        if manifest is None:
            return None
        try:
            missing = await place.missing(manifest)
        except (PublishError, SimpleTunerError):
            return None
        return None if missing.files else manifest
