"""Publishing: destinations, the queue of transfers, and what jobs produced."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar, cast

from tui.base.clock import Clock
from tui.base.errors import RefusedError
from tui.destinations.common.contract import LocalFile
from tui.destinations.common.meter import Throttle
from tui.engine.config.live import LiveSettings
from tui.engine.credentials.replicate_clients import ReplicateClients
from tui.engine.runtime.event_bus import EventBus
from tui.engine.runtime.tasks import TaskOwner
from tui.engine.transfers.artifacts import artifacts_in_store
from tui.engine.transfers.card import ModelCards
from tui.engine.transfers.destination_options import read_speed, wrong
from tui.engine.transfers.destinations import Destinations, Target
from tui.engine.transfers.local_cleanup import LocalCleanup
from tui.engine.transfers.queue import TransferQueue
from tui.engine.transfers.selection import at_top, chosen_files
from tui.settings import Home, Settings
from tui.store.job_folder import folder_of
from tui.store.reader import StoreReader, UnknownJobError
from tui.store.records import FileRecord, JobRecord
from tui.store.transfer_records import TransferOptions, TransferRecord, TransferState, is_hidden
from tui.store.writer import Change, StoreWriter

if TYPE_CHECKING:
    from tui.api import artifacts, destinations, transfers

T = TypeVar("T")
TEST_FACT: Final = "destination_test:"
"""Beginning of the fact that holds a destination's last test."""


class TransferService:
    """The engine's calls about destinations, transfers and artifacts.

    Attributes:
        places: the user's destinations.
        queue: the transfers.
    """

    def __init__(
        self,
        *,
        clients: ReplicateClients,
        home: Home,
        bus: EventBus,
        live: LiveSettings,
        now: Clock,
        outputs: Path,
        tasks: TaskOwner,
        write: Callable[[str, Change], object],
        writer: StoreWriter,
    ) -> None:
        """Args: `write` changes a job's record and tells the windows."""
        self._home = home
        self._outputs = outputs
        self._tables = writer.transfers
        self.throttle = Throttle(live.now.publishing.bandwidth or None)
        self._live = live
        live.on_change(self._settings_changed)
        self.places = Destinations(self._tables, clients, live, self.throttle, now)
        self._cards = ModelCards(home)
        self.queue = TransferQueue(
            tables=self._tables, destinations=self.places, bus=bus, tasks=tasks, now=now,
            prepare=self._cards.prepare, forget=self._cards.forget,
        )  # fmt: skip
        self._cleanup = LocalCleanup(self._tables, self.places, outputs, write, now)
        self._writer = writer
        self._bus = bus
        self._now = now

    def _settings_changed(self, _before: Settings, after: Settings) -> None:
        self.throttle.limit = after.publishing.bandwidth or None

    def start(self) -> None:
        """Take up what was under way, and clear away what an engine that was killed left."""
        ended = (
            TransferState.DONE, TransferState.UNVERIFIED, TransferState.FAILED,
            TransferState.CANCELLED,
        )  # fmt: skip
        every = self._tables.all()
        self._cards.forget_all_but({one.transfer_id for one in every if one.state not in ended})
        self.queue.start()

    # -- destinations -------------------------------------------------------------------------

    async def list_destinations(self) -> list[destinations.ListedDestination]:
        """Every destination with its last test and where its keys are."""
        rows = self.places.list()

        def tests(reader: StoreReader) -> dict[str, destinations.LastTest | None]:
            facts = {row["name"]: reader.fact(f"{TEST_FACT}{row['name']}") for row in rows}
            return {name: fact.value if fact else None for name, fact in facts.items()}

        tested = await asyncio.to_thread(self._with_reader, tests)
        kept = await self.places.kept()
        listed = [
            {**row, "tested": tested[row["name"]], "keys": kept.get(row["name"])} for row in rows
        ]
        return cast("list[destinations.ListedDestination]", listed)

    async def add_destination(self, body: destinations.NewDestination) -> destinations.Destination:
        """Keep a destination.

        Raises:
            RefusedError: see `Destinations.add`.
        """
        answer = await self.places.add(body)
        self._set_test(answer["name"])
        return answer

    async def change_destination(
        self, name: str, body: destinations.DestinationChange
    ) -> destinations.Destination:
        """Change a destination; what is left out stays.

        Raises:
            RefusedError: see `Destinations.change`.
        """
        answer = await self.places.change(name, body)
        self._set_test(name)
        return answer

    async def remove_destination(
        self, name: str, *, force: bool = False
    ) -> destinations.DestinationRemoved:
        """Forget a destination and its keys.

        Raises:
            RefusedError: see `Destinations.remove`.
        """
        answer = await self.places.remove(name, force=force)
        self._set_test(name)
        return answer

    async def test_destination(self, name: str, api_base: str) -> destinations.DestinationTested:
        """Try whether publishing there would work, and keep the result as a fact.

        Raises:
            RefusedError: there is no such destination.
        """
        answer = await self.places.test(name, api_base)
        self._set_test(name, {
            "at": self._now().isoformat(), "ok": answer["ok"], "steps": answer["steps"],
        })  # fmt: skip
        return answer

    def _set_test(self, name: str, value: destinations.LastTest | None = None) -> None:
        """Replace the last test: that of a place which was changed says nothing any more."""
        self._writer.set_fact(f"{TEST_FACT}{name}", value)
        self._bus.publish("fact", name=f"{TEST_FACT}{name}")

    # -- transfers ----------------------------------------------------------------------------

    def list_transfers(self) -> list[transfers.Transfer]:
        """All transfers in their order, without those that were taken off the list."""
        line = self.queue.place_in_line()
        rows = []
        for record in self._tables.all():
            if not is_hidden(record):
                row = self.row(record)
                row["ahead"] = line.get(record.transfer_id)
                rows.append(row)
        return rows

    async def publish(self, api_base: str, body: transfers.PublishRequest) -> transfers.Transfer:
        """Queue a job's files for a destination.

        Raises:
            RefusedError: a field is wrong, the job is not known (404), or nothing is here to
                publish (409).
        """
        job, files, place = await self._chosen(body)
        options: TransferOptions = {
            "card": body.get("card", True),
            "overwrite_card": body.get("overwrite_card", False),
            "overwrite": body.get("overwrite", False),
        }
        if place.kind == "hub":
            private = body.get("private")
            shown = place.options["private"] if private is None else private
            options["place"] = {"private": shown}
        made = self.queue.add(
            job_id=job.job_id, api_base=api_base, target=place.text, files=files,
            options=options,
        )  # fmt: skip
        return self.row(made)

    async def preview(
        self, api_base: str, body: transfers.PublishRequest
    ) -> transfers.PublishPreview:
        """What a publication would do: files, bytes, whose model card and what else is there.

        `replaces` names the files that other ones there have the names of; empty where the place
        keeps what is replaced, or does not answer soon (then the transfer itself looks).

        Raises:
            RefusedError: see `publish`.
        """
        job, files, place = await self._chosen(body)
        size = sum(await asyncio.to_thread(_sizes, files))
        card, replaces = await asyncio.gather(
            self.places.card_at(place, api_base), self.places.replaced_at(place, api_base, files)
        )
        preview = {
            "job_id": job.job_id, "target": place.text, "kind": place.kind, "size": size,
            "files": [file.name for file in files], "replaces": replaces, **card,
        }  # fmt: skip
        return cast("transfers.PublishPreview", preview)

    async def _chosen(
        self, body: transfers.PublishRequest
    ) -> tuple[JobRecord, list[LocalFile], Target]:
        """The job that a request is about, its files that are to go, and where to."""

        def find(reader: StoreReader) -> tuple[JobRecord, list[LocalFile]]:
            job = reader.find(body["job_id"])
            return job, chosen_files(reader, job, self._outputs, body)

        job, files = await asyncio.to_thread(self._with_reader, find)
        place = self.places.read(body["to"], folder_of(job))
        as_model = place.kind == "hub" and body.get("checkpoint") == "best"
        return job, at_top(files) if as_model else files, place

    def act(self, transfer_id: str, action: str) -> transfers.Transfer:
        """Pause, resume, cancel or retry a transfer, or move it `up`, `down` or to the `top`.

        Raises:
            RefusedError: there is no such action or transfer (404), or it is not possible in the
                transfer's state (409).
        """
        actions: dict[str, Callable[[str], TransferRecord]] = {
            "pause": self.queue.pause, "resume": self.queue.resume,
            "cancel": self.queue.cancel, "retry": self.queue.retry,
            "up": partial(self.queue.move, where="up"),
            "down": partial(self.queue.move, where="down"),
            "top": partial(self.queue.move, where="top"),
        }  # fmt: skip
        act = actions.get(action)
        if act is None:
            raise wrong("action", f"must be one of {', '.join(actions)}")
        return self.row(act(transfer_id))

    def set_bandwidth(self, text: str | int | None) -> int:
        """Change how fast all transfers together may be; returns bytes per second, 0 for no limit.

        Raises:
            RefusedError: the text is no speed.
        """
        limit = read_speed(text)
        self._live.change("publishing", {"bandwidth": limit})
        self._bus.publish("settings")
        return limit

    def row(self, record: TransferRecord) -> transfers.Transfer:
        """A transfer with its files, as plain data; what is needed to resume stays inside."""
        row = {name: value for name, value in asdict(record).items() if name != "options"}
        for name in ("created_at", "retry_at", "started_at", "ended_at"):
            row[name] = row[name].isoformat() if row[name] else None
        row["files"] = [
            {"name": one.name, "size": one.size, "sha256": one.sha256, "state": one.state,
             "link": one.link, "proof": one.proof, "came": one.came}
            for one in self._tables.items(record.transfer_id)
        ]  # fmt: skip
        return cast("transfers.Transfer", row)

    # -- artifacts ----------------------------------------------------------------------------

    async def list_artifacts(self, job: str = "") -> list[artifacts.JobArtifacts]:
        """What one job produced, or every job that produced something.

        Raises:
            RefusedError: there is no such job (404).
        """

        def look(reader: StoreReader) -> list[artifacts.JobArtifacts]:
            return artifacts_in_store(reader, job, self._outputs)

        return await asyncio.to_thread(self._with_reader, look)

    async def clear_files(
        self, job: str, names: list[str], refusal: Callable[[], str] = lambda: "", by: str = ""
    ) -> artifacts.FilesCleared:
        """Delete local copies of a job's files that are safe elsewhere.

        Args:
            job: the beginning of its id.
            names: names of the files.
            refusal: as for `LocalCleanup.clear`.
            by: as for `LocalCleanup.clear`.

        Raises:
            RefusedError: no file is named, or there is no such job (404).
        """
        if not names:
            raise wrong("files", "must be a list of names")

        def find(reader: StoreReader) -> tuple[JobRecord, list[FileRecord]]:
            record = reader.find(job)
            return record, [file for file in reader.files(record.job_id) if not file.missing]

        record, files = await asyncio.to_thread(self._with_reader, find)
        return await self._cleanup.clear(record, files, set(names), refusal, by)

    def _with_reader(self, call: Callable[[StoreReader], T]) -> T:
        reader = StoreReader(self._home.database)
        try:
            return call(reader)
        except UnknownJobError as error:
            raise RefusedError(
                error.message, error.advice, status=404, code="job_not_found"
            ) from None
        finally:
            reader.close()


def _sizes(files: list[LocalFile]) -> list[int]:
    return [file.path.stat().st_size for file in files if file.path.exists()]
