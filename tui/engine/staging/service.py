"""Staging: plans it for a draft, does it for a job, and removes what no job reads any more."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from tui.base.clock import Clock
from tui.base.errors import RefusedError
from tui.base.job_status import LOST, JobStatus
from tui.base.newest import Newest
from tui.destinations.common.errors import PublishError, TransferCancelledError, Trouble
from tui.engine.runtime.event_bus import EventBus
from tui.engine.runtime.tasks import TaskOwner
from tui.engine.staging.place import JobData, Leaves, Missing, Progress, StagingPlace
from tui.engine.staging.receiver import Receiver
from tui.engine.staging.records import StagedRecord, StagedRecords, record_key
from tui.engine.staging.repair import damaged_row, repair
from tui.engine.staging.whole_bucket import whole_bucket
from tui.engine.tracking.recorder import JobRecorder
from tui.replicate.secret import Secret
from tui.settings import Home
from tui.simpletuner.config.training_config import TrainingConfig
from tui.simpletuner.datasets.scan import DataReport
from tui.simpletuner.errors import CancelledByUser, Note, SimpleTunerError
from tui.simpletuner.staging.build import Built, build_manifest
from tui.simpletuner.staging.caches import cache_note
from tui.simpletuner.staging.config import fill_placeholders, with_entries
from tui.simpletuner.staging.manifest import Manifest
from tui.simpletuner.staging.rewrite import portable_entry
from tui.store.records import JobRecord

if TYPE_CHECKING:
    from tui.api import staging as api

LOG = logging.getLogger(__name__)

PlaceMaker = Callable[[str, str], StagingPlace]
"""Makes the place of an API base; the second argument is what follows `:` in its name."""

_EVENTS_PER_SECOND: Final = 5
_REMEMBERED_MANIFESTS: Final = 4
_UNCERTAIN: Final = timedelta(days=1)
"""How long a job that was lost sight of may still read its data, and how long data of a staging
that failed wait for a second try."""


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
    """Which place works is not known without asking."""


class StagingService:
    """The places and the records of one state directory."""

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
        self._home = home
        self._tasks = tasks
        self._now = now
        self._records = records
        self._makers: dict[str, PlaceMaker] = {}
        self._names: dict[str, Callable[[], Sequence[str]]] = {}
        self._places: dict[tuple[str, str], StagingPlace] = {}
        self._secrets: dict[str, JobData] = {}
        self._removing: set[str] = set()
        self._locks: dict[tuple[str, str], asyncio.Lock] = {}
        self._chosen: dict[tuple[str, bool | None], str] = {}
        self._built: Newest[Built] = Newest(_REMEMBERED_MANIFESTS)
        self.moving: Callable[[], Sequence[str]] = lambda: ()
        """Returns the ids of the jobs that go on as another job, which reads the same data."""

    def add_place(
        self, kind: str, maker: PlaceMaker, names: Callable[[], Sequence[str]] | None = None
    ) -> None:
        """Offer a kind of place. Those that are added first are preferred.

        Args:
            kind: its name in drafts, up to a `:`.
            maker: makes the place of an API base.
            names: returns the full names that may be chosen without the user's word; by default
                the kind alone.
        """
        self._makers[kind] = maker
        self._names[kind] = names or (lambda: [kind])

    async def best_place(
        self, api_base: str, *, prefix_respected: bool | None = None
    ) -> tuple[str, list[str]]:
        """Choose the first place that works with what the user has.

        Args:
            api_base: the API whose trainer reads.
            prefix_respected: whether that trainer reads one folder of a bucket only; for another,
                or an unknown one (None), a bucket is not chosen.

        Returns:
            Its name, and why each one before it does not work. Without any that surely works, the
            first that may, else the first.
        """
        reasons: list[str] = []
        unproved = ""
        names = [name for offered in self._names.values() for name in offered()]
        refusal, advice = whole_bucket(prefix_respected=prefix_respected)
        for name in names:
            if refusal and name.startswith("bucket:"):
                reasons.append(f"{name}: {refusal}. {advice}")
                continue
            try:
                found = await self.place(name, api_base).missing(Manifest())
            except (PublishError, SimpleTunerError, RefusedError) as error:
                reasons.append(f"{name}: {_clause(error.message)}. {error.advice}".strip())
                continue
            if not found.unproved:
                return name, reasons
            reasons.append(f"{name}: {found.unproved}")
            unproved = unproved or name
        if unproved:
            return unproved, reasons
        return names[0], reasons

    def place(self, name: str, api_base: str) -> StagingPlace:
        """Return a place by its name in drafts.

        Raises:
            RefusedError: there is no such place.
        """
        kind, _, rest = name.partition(":")
        if kind not in self._makers:
            known = ", ".join(sorted(self._makers))
            raise RefusedError(f"There is no place {name} to stage to.", f"Choose one of: {known}.")
        key = (name, api_base)
        if key not in self._places:
            self._places[key] = self._makers[kind](api_base, rest)
        return self._places[key]

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
                    raise PlaceNotAskedError
            else:
                place_name, others = await self.best_place(
                    api_base, prefix_respected=prefix_respected
                )
                self._chosen[api_base, prefix_respected] = place_name
        place = self.place(place_name, api_base)
        built = self._built.get(report, leave_out_uncaptioned)
        if built is None:
            built = await self._build(config, report, leave_out_uncaptioned=leave_out_uncaptioned)
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
            notes.append(Note("error", _clause(error.message), error.advice))
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

    async def _build(
        self, config: TrainingConfig, report: DataReport, *, leave_out_uncaptioned: bool
    ) -> Built:
        """Build the manifest; one without errors is kept for as long as the scan is the same."""
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
            built = await asyncio.to_thread(build)
        except asyncio.CancelledError:
            cancel.set()
            raise
        if any(note.level == "error" for note in built.notes):
            return built  # a file that could not be read may be readable next time
        return self._built.keep(built, report, leave_out_uncaptioned)

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

    async def remember(self, api_base: str, plan: StagingPlan, *, keep: bool) -> str:
        """Write down what a job will stage; the caller stores the job before it awaits anything.

        Returns:
            The record's key.

        Raises:
            RefusedError: it cannot be written.
        """
        key = plan.key(api_base)
        async with self._lock_of(plan.place.name, api_base):
            await self._write_down(key, api_base, plan, keep=keep)
        return key

    def _lock_of(self, place: str, api_base: str) -> asyncio.Lock:
        """Keeps data from being planned for while they, or what they share, are removed."""
        return self._locks.setdefault((place, api_base), asyncio.Lock())

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
        """Send a job's datasets, and return its inputs with the values that are known then.

        Raises:
            SimpleTunerError: it failed; nothing was started.
            CancelledByUser: `cancel` was set.
        """
        with _translated():
            record, manifest, place = self._of(job)
        self._recorder.note(
            job.job_id, "local", "state", f"Staging the datasets to {record.where}.",
            status=JobStatus.UPLOADING, stage="staging",
        )  # fmt: skip
        self._records.change(record.key, started=True)
        with _translated():
            await place.require_receiver(manifest, job)
            await place.send(manifest, self._progress(job.job_id), cancel)
            self._records.change(record.key, there=True)
            data = await place.prepare_job(manifest, job)
        self._secrets[job.job_id] = data
        text = str(job.inputs["dataloader_json"])
        return {**job.inputs, "dataloader_json": fill_placeholders(text, data.values)}

    async def secrets_for(self, job: JobRecord) -> dict[str, Secret]:
        """Return the inputs of a job with secret values in them, for its POST only.

        Raises:
            SimpleTunerError: they cannot be made any more.
        """
        if not job.submit.get("staging") or job.prediction_id:
            return {}
        if job.job_id not in self._secrets:  # the engine was started anew
            with _translated():
                _, manifest, place = self._of(job)
                self._secrets[job.job_id] = await place.prepare_job(manifest, job)
        else:
            with _translated():
                _, manifest, place = self._of(job)
                await place.require_receiver(manifest, job)
        data = self._secrets[job.job_id]
        carried = job.submit.get("secret_names", ())
        inputs = {name: secret for name, secret in data.inputs.items() if name in carried}
        if job.delivery == "hub":
            inputs.pop("hf_token", None)  # results need one that may write
        if data.secrets:
            texts = {placeholder: secret.reveal() for placeholder, secret in data.secrets.items()}
            filled = fill_placeholders(str(job.inputs["dataloader_json"]), texts)
            inputs["dataloader_json"] = Secret(filled)
        return inputs

    def _of(self, job: JobRecord) -> tuple[StagedRecord, Manifest, StagingPlace]:
        staging = job.submit["staging"]
        if staging["key"] in self._records.damaged():
            repair(self._records, staging["key"], [job])
        record = self._records.get(staging["key"])
        manifest = self._records.manifest(staging["key"])
        if record is None or manifest is None:
            raise SimpleTunerError(
                "the list of staged files is gone from the state folder",
                "Nothing was started. Run the job again.",
            )
        return record, manifest, self.place(staging["place"], job.api_base)

    def _progress(self, job_id: str) -> Progress:
        """A callback that publishes progress a few times a second; callable from any thread."""
        loop = asyncio.get_running_loop()
        last = float("-inf")

        def report(done: int, total: int) -> None:
            nonlocal last
            now = time.monotonic()
            if done < total and now - last < 1 / _EVENTS_PER_SECOND:
                return
            last = now
            with contextlib.suppress(RuntimeError):  # the loop has ended before the thread
                loop.call_soon_threadsafe(publish, done, total)

        def publish(done: int, total: int) -> None:
            self._bus.publish("upload", job_id=job_id, phase="staging", done=done, total=total)

        return report

    # -- afterwards -----------------------------------------------------------------------------

    def job_ended(self, job: JobRecord) -> None:
        """End what a job had for itself, and remove its data if it was the last reader."""
        self._secrets.pop(job.job_id, None)
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
        """Remove the data that no job reads any more and nobody wants to keep."""
        for record in self._records.all():
            if not (record.keep or self.readers(record.key) or self._may_go_on(record)):
                await self._try_to_remove(record)

    def _may_go_on(self, record: StagedRecord) -> bool:
        """Whether its staging failed lately, so that a second try would send only the rest."""
        return not record.there and any(
            job.status is JobStatus.FAILED and not job.prediction_id and _reads(job, record.key)
            for job in self._recorder.writer.ended_since(self._now() - _UNCERTAIN)
        )

    async def _try_to_remove(self, record: StagedRecord) -> None:
        try:
            await self._remove(record)
        except (PublishError, SimpleTunerError, RefusedError) as error:
            if not self._note_problem(record, error.message, error.advice):
                return  # it was reported before
            self._bus.publish(
                "notice", level="warn",
                message=f"Staged data could not be removed from {record.where}: {error.message}",
                advice=f"{error.advice} It is tried again every ten minutes and at the next start; "
                "`simpletuner-tui staged remove` does it now.".strip(),
            )  # fmt: skip

    def _note_problem(self, record: StagedRecord, message: str, advice: str) -> bool:
        """Keep in a record why it cannot be removed; False if the same is there already."""
        problem = f"{_clause(message)}. {advice}".strip()
        known = self._records.get(record.key)
        if known is None or known.problem == problem:
            return False
        with contextlib.suppress(OSError):  # a full disk; the notice says it
            self._records.put(replace(known, problem=problem))
        self._bus.publish("fact", name="staged")
        return True

    def readers(self, key: str) -> list[str]:
        """Ids of the jobs that read a record's data or may still do so."""
        jobs = [job for job in self._recorder.writer.active() if _reads(job, key)]
        jobs += [job for job in self._lost() if _reads(job, key)]
        jobs += [job for job in self._moved() if _reads(job, key)]
        return list(dict.fromkeys(job.job_id for job in jobs))

    def _moved(self) -> Iterator[JobRecord]:
        """Jobs that are being moved: ended perhaps, and their successors are not stored yet."""
        for job_id in self.moving():
            with contextlib.suppress(KeyError):  # its record was deleted
                yield self._recorder.writer.job(job_id)

    def _lost(self) -> list[JobRecord]:
        """Jobs that were ended here without Replicate's word, and may be running."""
        since = self._now() - _UNCERTAIN
        return [
            job for job in self._recorder.writer.ended_since(since) if job.provider_status == LOST
        ]

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
                "readers": self.readers(record.key),
                "problem": record.problem,
                "damage": record.damage,
            }
            for record in self._records.all()
        ]
        damaged = self._records.damaged().values()
        return rows + [damaged_row(one, self.readers(one.key)) for one in damaged]

    async def remove(self, key: str) -> None:
        """Remove staged data at the user's wish.

        Raises:
            RefusedError: there is no such record, a job reads it, or the place refuses.
        """
        record = self._records.get(key)
        if record is None and key not in self._records.damaged():
            raise RefusedError(f"Nothing is staged under {key}.", status=404, code="not_found")
        if readers := self.readers(key):
            raise RefusedError(
                f"A queued or running job reads it: {', '.join(readers)}.",
                "Cancel the job first, or wait until it has ended.",
                status=409,
                code="in_use",
            )
        if record is None:  # where they lie is not known: all that can be done is to forget them
            self._records.drop(key)
            self._bus.publish("fact", name="staged")
            return
        try:
            await self._remove(record)
        except (PublishError, SimpleTunerError) as error:
            self._note_problem(record, error.message, error.advice)
            raise RefusedError(
                f"It could not be removed from {record.where}: {error.message}",
                error.advice,
                status=502,
                code="place_error",
            ) from error
        if self._records.get(key) is not None:
            raise RefusedError(
                "A job that reads it was submitted just now.", status=409, code="in_use"
            )

    async def _remove(self, record: StagedRecord) -> None:
        if record.key in self._removing:
            return
        self._removing.add(record.key)
        try:
            async with self._lock_of(record.place, record.api_base):
                fresh = self._records.get(record.key)
                if fresh is None or self.readers(record.key):
                    return  # a job has been submitted meanwhile
                record = fresh
                manifest = await asyncio.to_thread(self._records.manifest, record.key)
                if record.started:
                    if manifest is None:
                        raise _unreadable_list(record.key)
                    known = [*(one.key for one in self._records.all()), *self._records.damaged()]
                    read = [key for key in known if self.readers(key)]
                    others = await asyncio.to_thread(self._others, record, read)
                    place = self.place(record.place, record.api_base)
                    _require_home(record, place.receiver(manifest))
                    await place.remove(manifest, others)
                self._records.drop(record.key)
        finally:
            self._removing.discard(record.key)
        self._bus.publish("fact", name="staged")

    def _others(self, record: StagedRecord, read: Collection[str]) -> Sequence[Manifest]:
        """The manifests of the other records in a place, which may share content with one.

        Raises:
            SimpleTunerError: that of a record among `read`, which a job reads, is not known.
        """
        keys = [
            one.key
            for one in self._records.all()
            if one.key != record.key and _share_home(one, record)
        ]
        found = []
        for key in (*keys, *self._records.damaged()):  # where a damaged one lies is not known
            manifest = self._records.manifest(key)
            if manifest is not None:
                found.append(manifest)
            elif key in read:
                raise _unreadable_list(key)
        return found


def _reads(job: JobRecord, key: str) -> bool:
    staging = job.submit.get("staging") or {}
    return bool(staging.get("key") == key)


@contextlib.contextmanager
def _translated() -> Any:
    """Turn errors of places into those that end a submission."""
    try:
        yield
    except TransferCancelledError:
        raise CancelledByUser("the staging was stopped") from None
    except (PublishError, RefusedError) as error:
        raise SimpleTunerError(
            f"the datasets could not be staged: {error.message}",
            f"{error.advice} Nothing was started; what is there already is not sent again.",
        ) from error


def _share_home(one: StagedRecord, other: StagedRecord) -> bool:
    """Whether two records may share contents: one bucket may be two destinations."""
    if one.home and other.home:
        return one.home == other.home
    return (one.place, one.api_base) == (other.place, other.api_base)


def _require_home(record: StagedRecord, now: Receiver) -> None:
    """Refuse to look for data where they never were.

    Raises:
        PublishError: the place leads elsewhere since they were staged.
    """
    if record.home and record.home != now.home:
        raise PublishError(
            f"It lies in {record.where}, and {record.place} is {now.words} now.",
            "Let the destination lead there again, or delete the files there yourself.",
            Trouble.CHANGED,
        )


def _unreadable_list(key: str) -> SimpleTunerError:
    return SimpleTunerError(
        f"the list of the files of {key} cannot be read, so what lies there is not known",
        "A job with the same images writes the list again; or delete the files there yourself.",
    )


def _clause(sentence: str) -> str:
    return sentence.rstrip(".")
