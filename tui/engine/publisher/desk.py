"""What windows and commands ask about publishing: services and their routes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from aiohttp import web

from tui.engine.book import Clock
from tui.engine.clients import Clients
from tui.engine.errors import RefusedError
from tui.engine.hub import Hub
from tui.engine.live_settings import LiveSettings
from tui.engine.publisher.artifacts import artifacts_of, name_of
from tui.engine.publisher.card import Cards
from tui.engine.publisher.options import wrong
from tui.engine.publisher.places import Places
from tui.engine.publisher.queue import TransferQueue
from tui.engine.storage_keys import folder_of
from tui.engine.tasks import TaskOwner
from tui.publishing.contract import LocalFile
from tui.publishing.throttle import Throttle
from tui.settings import Home, Settings
from tui.store.reader import StoreReader, UnknownJobError
from tui.store.records import JobRecord
from tui.store.transfer_records import TransferRecord
from tui.store.writer import StoreWriter


class PublishingDesk:
    """The publisher's services; made by the engine, which owns what they work with."""

    def __init__(
        self,
        *,
        clients: Clients,
        default_base: Callable[[], str],
        home: Home,
        hub: Hub,
        live: LiveSettings,
        now: Clock,
        outputs: Path,
        tasks: TaskOwner,
        writer: StoreWriter,
    ) -> None:
        self._default_base = default_base
        self._home = home
        self._outputs = outputs
        self._tables = writer.transfers
        self._throttle = Throttle(live.now.publishing.bandwidth or None)
        live.on_change(self._settings_changed)
        self.places = Places(self._tables, clients, live, self._throttle, now)
        self.queue = TransferQueue(
            tables=self._tables, places=self.places, hub=hub, tasks=tasks, now=now,
            prepare=Cards(home).prepare,
        )  # fmt: skip

    def _settings_changed(self, _before: Settings, after: Settings) -> None:
        self._throttle.limit = after.publishing.bandwidth or None

    def routes(self) -> list[web.RouteDef]:
        """Routes of the control API; all below `/api/engine/`."""
        return [
            web.get("/api/engine/destinations", self._destinations),
            web.post("/api/engine/destinations", self._add),
            web.delete("/api/engine/destinations/{name}", self._remove),
            web.post("/api/engine/destinations/{name}/test", self._test),
            web.get("/api/engine/transfers", self._transfers),
            web.post("/api/engine/transfers", self._publish),
            web.post("/api/engine/transfers/{id}/{action}", self._act),
            web.get("/api/engine/artifacts", self._artifacts),
        ]

    async def _destinations(self, _request: web.Request) -> web.Response:
        return web.json_response({"destinations": self.places.list()})

    async def _add(self, request: web.Request) -> web.Response:
        return web.json_response(await self.places.add(await _body(request)))

    async def _remove(self, request: web.Request) -> web.Response:
        return web.json_response(await self.places.remove(request.match_info["name"]))

    async def _test(self, request: web.Request) -> web.Response:
        name, base = request.match_info["name"], self._base(request)
        return web.json_response(await self.places.test(name, base))

    async def _transfers(self, _request: web.Request) -> web.Response:
        rows = [self.row(record) for record in self._tables.all()]
        return web.json_response({"transfers": rows})

    async def _act(self, request: web.Request) -> web.Response:
        actions: dict[str, Callable[[str], TransferRecord]] = {
            "pause": self.queue.pause, "resume": self.queue.resume,
            "cancel": self.queue.cancel, "retry": self.queue.retry,
        }  # fmt: skip
        action = actions.get(request.match_info["action"])
        if action is None:
            raise wrong("action", f"must be one of {', '.join(actions)}")
        return web.json_response(self.row(action(request.match_info["id"])))

    async def _publish(self, request: web.Request) -> web.Response:
        body = await _body(request)
        wanted = str(body.get("job_id") or "")
        job, files = await asyncio.to_thread(self._with_reader, self._files, wanted)
        place = self.places.read(str(body.get("to") or ""), folder_of(job))
        options: dict[str, Any] = {
            "card": body.get("card", True) is True,
            "overwrite_card": body.get("overwrite_card") is True,
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
        return found if text else [one for one in found if one["files"]]

    def _files(self, reader: StoreReader, text: str) -> tuple[JobRecord, list[LocalFile]]:
        job = reader.find(text)
        files = [
            LocalFile(self._outputs / file.path, name_of(job, file), file.sha256 or None)
            for file in reader.files(job.job_id)
            if not file.missing
        ]
        if not files:
            raise RefusedError(
                f"{job.name} has no files here to publish.",
                "Fetch them first: simpletuner-tui collect ID",
                status=409,
                code="nothing_to_publish",
            )
        return job, files

    def row(self, record: TransferRecord) -> dict[str, Any]:
        """A transfer with its files, as plain data; what is needed to resume stays inside."""
        row = {name: value for name, value in asdict(record).items() if name != "options"}
        for name in ("created_at", "retry_at", "started_at", "ended_at"):
            row[name] = row[name].isoformat() if row[name] else None
        row["files"] = [
            {"name": one.name, "size": one.size, "sha256": one.sha256, "state": one.state,
             "link": one.link, "proof": one.proof}
            for one in self._tables.items(record.transfer_id)
        ]  # fmt: skip
        return row

    def _base(self, request: web.Request) -> str:
        return request.headers.get("X-Api-Base") or self._default_base()


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        data = json.loads(await request.read())
    except (ValueError, RecursionError):
        raise RefusedError("The request body is not JSON.") from None
    if not isinstance(data, dict):
        raise RefusedError("The request body must be a JSON object.")
    return data
