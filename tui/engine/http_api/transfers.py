"""What windows and commands ask about publishing: services and their routes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from tui.base.clock import Clock
from tui.base.errors import RefusedError
from tui.destinations.common.contract import LocalFile
from tui.destinations.common.meter import Throttle
from tui.engine.config.live import LiveSettings
from tui.engine.credentials.replicate_clients import ReplicateClients
from tui.engine.credentials.storage_keys import folder_of
from tui.engine.runtime.event_bus import EventBus
from tui.engine.runtime.tasks import TaskOwner
from tui.engine.transfers.artifacts import artifacts_of
from tui.engine.transfers.card import ModelCards
from tui.engine.transfers.destination_options import read_speed, wrong
from tui.engine.transfers.destinations import Destinations, Target
from tui.engine.transfers.local_cleanup import LocalCleanup
from tui.engine.transfers.queue import TransferQueue
from tui.engine.transfers.selection import at_top, chosen_files
from tui.settings import Home, Settings
from tui.store.reader import StoreReader, UnknownJobError
from tui.store.records import FileRecord, JobRecord
from tui.store.transfer_records import TransferRecord, TransferState, is_hidden
from tui.store.writer import Change, StoreWriter

TEST_FACT: Final = "destination_test:"
"""Beginning of the fact that holds a destination's last test."""


class TransferRoutes:
    """The publisher's services; made by the engine, which owns what they work with."""

    def __init__(
        self,
        *,
        clients: ReplicateClients,
        default_base: Callable[[], str],
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
        self._default_base = default_base
        self._home = home
        self._outputs = outputs
        self._tables = writer.transfers
        self._throttle = Throttle(live.now.publishing.bandwidth or None)
        self._live = live
        live.on_change(self._settings_changed)
        self.places = Destinations(self._tables, clients, live, self._throttle, now)
        self._cards = ModelCards(home)
        self.queue = TransferQueue(
            tables=self._tables, places=self.places, bus=bus, tasks=tasks, now=now,
            prepare=self._cards.prepare, forget=self._cards.forget,
        )  # fmt: skip
        self._clearing = LocalCleanup(self._tables, self.places, outputs, write, now)
        self._writer = writer
        self._bus = bus
        self._now = now

    def _settings_changed(self, _before: Settings, after: Settings) -> None:
        self._throttle.limit = after.publishing.bandwidth or None

    def routes(self) -> list[web.RouteDef]:
        """Routes of the control API; all below `/api/engine/`."""
        return [
            web.get("/api/engine/destinations", self._destinations),
            web.post("/api/engine/destinations", self._add),
            web.put("/api/engine/destinations/{name}", self._change),
            web.delete("/api/engine/destinations/{name}", self._remove),
            web.post("/api/engine/destinations/{name}/test", self._test),
            web.get("/api/engine/transfers", self._transfers),
            web.post("/api/engine/transfers", self._publish),
            web.post("/api/engine/transfers/clear", self._clear_list),
            web.post("/api/engine/transfers/{id}/{action}", self._act),
            web.post("/api/engine/transfers/look", self._look_ahead),
            web.put("/api/engine/transfers/limit", self._limit),
            web.get("/api/engine/artifacts", self._artifacts),
            web.post("/api/engine/artifacts/clear", self._clear),
        ]

    async def _destinations(self, _request: web.Request) -> web.Response:
        rows = self.places.list()

        def tested(reader: StoreReader, _text: str) -> None:
            for row in rows:
                fact = reader.fact(f"{TEST_FACT}{row['name']}")
                row["tested"] = fact.value if fact is not None else None

        await asyncio.to_thread(self._with_reader, tested, "")
        kept = await self.places.kept()
        for row in rows:
            row["keys"] = kept.get(row["name"])
        return web.json_response({"destinations": rows})

    def start(self) -> None:
        """Take up what was under way, and clear away what an engine that was killed left."""
        ended = (TransferState.DONE, TransferState.FAILED, TransferState.CANCELLED)
        every = self._tables.all()
        self._cards.forget_all_but({one.transfer_id for one in every if one.state not in ended})
        self.queue.start()

    def _forget_test(self, name: str, value: dict[str, Any] | None = None) -> None:
        """A test of a place that is another one now says nothing; a new one replaces it."""
        self._writer.set_fact(f"{TEST_FACT}{name}", value)
        self._bus.publish("fact", name=f"{TEST_FACT}{name}")

    async def _add(self, request: web.Request) -> web.Response:
        answer = await self.places.add(await _body(request))
        self._forget_test(answer["name"])
        return web.json_response(answer)

    async def _change(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        answer = await self.places.change(name, await _body(request))
        self._forget_test(name)
        return web.json_response(answer)

    async def _remove(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        answer = await self.places.remove(name, force=request.query.get("force") == "1")
        self._forget_test(name)
        return web.json_response(answer)

    async def _test(self, request: web.Request) -> web.Response:
        name, base = request.match_info["name"], self._base(request)
        answer = await self.places.test(name, base)
        self._forget_test(name, {
            "at": self._now().isoformat(), "ok": answer["ok"], "steps": answer["steps"],
        })  # fmt: skip
        return web.json_response(answer)

    async def _transfers(self, _request: web.Request) -> web.Response:
        line = self.queue.place_in_line()
        rows = [
            {**self.row(record), "ahead": line.get(record.transfer_id)}
            for record in self._tables.all()
            if not is_hidden(record)
        ]
        return web.json_response({"transfers": rows})

    async def _clear_list(self, request: web.Request) -> web.Response:
        """Take ended transfers off the list; `{id}` for one alone."""
        cleared = self.queue.clear(str((await _body(request)).get("id") or ""))
        return web.json_response({"cleared": cleared})

    async def _limit(self, request: web.Request) -> web.Response:
        """Change how fast all transfers together may be; `{bandwidth}` in bytes per second."""
        limit = read_speed((await _body(request)).get("bandwidth"))
        self._live.change("publishing", {"bandwidth": limit})
        self._bus.publish("settings")
        return web.json_response({"bandwidth": limit})

    async def _act(self, request: web.Request) -> web.Response:
        actions: dict[str, Callable[[str], TransferRecord]] = {
            "pause": self.queue.pause, "resume": self.queue.resume,
            "cancel": self.queue.cancel, "retry": self.queue.retry,
            "up": partial(self.queue.move, where="up"),
            "down": partial(self.queue.move, where="down"),
            "top": partial(self.queue.move, where="top"),
        }  # fmt: skip
        action = actions.get(request.match_info["action"])
        if action is None:
            raise wrong("action", f"must be one of {', '.join(actions)}")
        return web.json_response(self.row(action(request.match_info["id"])))

    async def _publish(self, request: web.Request) -> web.Response:
        body = await _body(request)
        job, files, place = await self._chosen(body)
        options: dict[str, Any] = {
            "card": body.get("card", True) is True,
            "overwrite_card": body.get("overwrite_card") is True,
            "overwrite": body.get("overwrite") is True,
        }
        if place.kind == "hub":
            private = body.get("private")
            shown = private if isinstance(private, bool) else place.options["private"]
            options["place"] = {"private": shown}
        made = self.queue.add(
            job_id=job.job_id, api_base=self._base(request), target=place.text, files=files,
            options=options,
        )  # fmt: skip
        return web.json_response(self.row(made), status=201)

    async def _chosen(self, body: dict[str, Any]) -> tuple[JobRecord, list[LocalFile], Target]:
        """The job that a request is about, its files that are to go, and where to."""

        def find(reader: StoreReader, text: str) -> tuple[JobRecord, list[LocalFile]]:
            job = reader.find(text)
            return job, chosen_files(reader, job, self._outputs, body)

        wanted = str(body.get("job_id") or "")
        job, files = await asyncio.to_thread(self._with_reader, find, wanted)
        place = self.places.read(str(body.get("to") or ""), folder_of(job))
        as_model = place.kind == "hub" and body.get("checkpoint") == "best"
        return job, at_top(files) if as_model else files, place

    async def _look_ahead(self, request: web.Request) -> web.Response:
        """What a publication would do: files, bytes, whose model card and what else is there.

        `replaces` names the files that other ones there have the names of; empty where the place
        keeps what is replaced, or does not answer soon (then the transfer itself looks).
        """
        body = await _body(request)
        job, files, place = await self._chosen(body)
        size = sum(await asyncio.to_thread(_sizes, files))
        base = self._base(request)
        card, replaces = await asyncio.gather(
            self.places.card_at(place, base), self.places.replaced_at(place, base, files)
        )
        return web.json_response({
            "job_id": job.job_id, "target": place.text, "kind": place.kind, "size": size,
            "files": [file.name for file in files], "replaces": replaces, **card,
        })  # fmt: skip

    async def _clear(self, request: web.Request) -> web.Response:
        body = await _body(request)
        names = body.get("files")
        if not isinstance(names, list) or not names:
            raise wrong("files", "must be a list of names")

        def find(reader: StoreReader, text: str) -> tuple[JobRecord, list[FileRecord]]:
            job = reader.find(text)
            return job, [file for file in reader.files(job.job_id) if not file.missing]

        job, files = await asyncio.to_thread(self._with_reader, find, str(body.get("job_id") or ""))
        return web.json_response(await self._clearing.clear(job, files, set(map(str, names))))

    async def _artifacts(self, request: web.Request) -> web.Response:
        wanted = request.query.get("job", "")
        found = await asyncio.to_thread(self._with_reader, self._look, wanted)
        return web.json_response({"jobs": found})

    def _with_reader(self, call: Callable[[StoreReader, str], Any], text: str) -> Any:
        reader = StoreReader(self._home.database)
        try:
            return call(reader, text)
        except UnknownJobError as error:
            raise RefusedError(
                error.message, error.advice, status=404, code="job_not_found"
            ) from None
        finally:
            reader.close()

    def _look(self, reader: StoreReader, text: str) -> list[dict[str, Any]]:
        jobs = [reader.find(text)] if text else reader.records()
        found = [artifacts_of(reader, job, self._outputs) for job in jobs]
        return found if text else [one for one in found if one["files"] or one["unfetched"]]

    def row(self, record: TransferRecord) -> dict[str, Any]:
        """A transfer with its files, as plain data; what is needed to resume stays inside."""
        row = {name: value for name, value in asdict(record).items() if name != "options"}
        for name in ("created_at", "retry_at", "started_at", "ended_at"):
            row[name] = row[name].isoformat() if row[name] else None
        row["files"] = [
            {"name": one.name, "size": one.size, "sha256": one.sha256, "state": one.state,
             "link": one.link, "proof": one.proof, "came": one.came}
            for one in self._tables.items(record.transfer_id)
        ]  # fmt: skip
        return row

    def _base(self, request: web.Request) -> str:
        return request.headers.get("X-Api-Base") or self._default_base()


def _sizes(files: list[LocalFile]) -> list[int]:
    return [file.path.stat().st_size for file in files if file.path.exists()]


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        data = json.loads(await request.read())
    except (ValueError, RecursionError):
        raise RefusedError("The request body is not JSON.") from None
    if not isinstance(data, dict):
        raise RefusedError("The request body must be a JSON object.")
    return data
