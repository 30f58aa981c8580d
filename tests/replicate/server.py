"""A small real HTTP server for tests: answers what a test puts into it, remembers what came."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from multidict import CIMultiDict

from tui.replicate.client import ReplicateClient
from tui.replicate.network import Network, Retry, Timeouts
from tui.replicate.secret import Secret

TOKEN = Secret("r8_" + "0123456789abcdefghijklmnopqrstuvwxyz0"[:37])
VERSION = "a" * 64

QUICK = Network(
    trust_env=False,
    timeouts=Timeouts(connect=5, read=5, write=5, pool=5, whole=10),
    retry=Retry(attempts=4, base=0.005, longest=0.02, patience=3.0),
)


@dataclass
class Seen:
    """A request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: CIMultiDict[str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Server:
    """Routes by `METHOD /path` (after `/v1`), each with a list of answers; the last one stays."""

    port: int = 0
    seen: list[Seen] = field(default_factory=list)
    answers: dict[str, list[Handler]] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def base(self) -> str:
        return f"{self.origin}/v1"

    def on(self, route: str, *answers: Handler | Any) -> None:
        self.answers[route] = [a if callable(a) else reply(a) for a in answers]

    def calls(self, route: str) -> list[Seen]:
        return [s for s in self.seen if f"{s.method} {s.path}" == route]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        path = request.raw_path.partition("?")[0]
        if "://" in path:  # as a proxy forwards it
            path = f"/{path.split('/', 3)[3]}"
        path = path.removeprefix("/v1")
        try:
            body = await request.read()
        except ConnectionResetError:  # a test that breaks lines; nobody waits for the answer
            return web.Response()
        self.seen.append(
            Seen(request.method, path, dict(request.query), CIMultiDict(request.headers), body)
        )
        waiting = self.answers.get(f"{request.method} {path}")
        if not waiting:
            return web.json_response({"detail": "Not found.", "status": 404}, status=404)
        answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        return await answer(request)


def reply(data: Any = None, *, status: int = 200, headers: dict[str, str] | None = None) -> Handler:
    """An answer with JSON (or bytes as they are)."""

    async def handler(_request: web.Request) -> web.Response:
        if isinstance(data, bytes):
            return web.Response(body=data, status=status, headers=headers)
        return web.json_response(data, status=status, headers=headers)

    return handler


def cut(after: bytes = b"") -> Handler:
    """Send these raw bytes and break the connection."""

    async def handler(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        if after:
            request.transport.write(after)
            await asyncio.sleep(0)
        request.transport.abort()
        return web.Response()

    return handler


def prediction(**changes: Any) -> dict[str, Any]:
    """A prediction as the fast back end answers one that has just been created."""
    return {
        "id": "hdwst0bb05rgp0cf0p29mzk2am",
        "model": "simpletuner/advanced-trainer-l40s",
        "version": VERSION,
        "input": {"max_train_steps": 100},
        "logs": "",
        "error": None,
        "status": "starting",
        "created_at": "2026-11-20T10:00:00.123Z",
        "urls": {
            "get": "https://api.replicate.com/v1/predictions/hdwst0bb05rgp0cf0p29mzk2am",
            "cancel": "https://api.replicate.com/v1/predictions/hdwst0bb05rgp0cf0p29mzk2am/cancel",
        },
        **changes,
    }


@asynccontextmanager
async def serving(handler: Handler, *, port: int = 0, **site: Any) -> AsyncIterator[int]:
    """Run an aiohttp server on loopback; gives its port."""
    app = web.Application(client_max_size=2**30)
    app.router.add_route("*", "/{tail:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    try:
        tcp = web.TCPSite(runner, "127.0.0.1", port, **site)
        await tcp.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


class Store:
    """Predictions that are really kept, for tests about money."""

    def __init__(self, *, clock_ahead: timedelta = timedelta(), delay: float = 0.0) -> None:
        self.jobs: list[dict[str, Any]] = []
        self.made = 0
        self.clock_ahead = clock_ahead
        self.delay = delay

    async def create(self, request: web.Request) -> web.Response:
        data = await request.json()
        await asyncio.sleep(self.delay)
        job = prediction(
            id=hashlib.md5(str(self.made).encode()).hexdigest()[:26],
            input={**data["input"], "hf_token": "[masked]"},
            version=data["version"],
            created_at=(datetime.now(UTC) + self.clock_ahead).isoformat().replace("+00:00", "Z"),
        )
        self.made += 1
        self.jobs.append(job)
        return web.json_response(job, status=201)

    def forget(self) -> None:
        self.jobs.clear()

    async def list(self, _request: web.Request) -> web.Response:
        page = {"next": None, "previous": None, "results": self.jobs[::-1]}
        moment = datetime.now(UTC) + self.clock_ahead
        date = moment.strftime("%a, %d %b %Y %H:%M:%S GMT")
        return web.json_response(page, headers={"Date": date})


@asynccontextmanager
async def client_for(base_url: str, network: Network = QUICK) -> AsyncIterator[ReplicateClient]:
    """A client with a good token."""
    async with ReplicateClient(TOKEN, base_url=base_url, network=network) as client:
        yield client
