"""What only the user's own windows may ask, over the socket: about the engine itself, and keys."""

from __future__ import annotations

import asyncio
import contextlib
import json
from datetime import timedelta
from typing import Final

from aiohttp import web

from tui.base.errors import RefusedError
from tui.base.listener_address import STORAGE_PATH
from tui.engine.credentials.storage_keys import BUCKET
from tui.engine.engine import Engine
from tui.engine.http_api.routes import Route, base_of, read_object, text_of, wrong
from tui.engine.http_api.schemas import ANY_OBJECT, TEXT, TIME, many, shape

_HEARTBEAT: Final = 15.0
_LOOK: Final = 1.5
_LONGEST_TTL: Final = 7 * 24 * 3600
_REGION: Final = "us-east-1"


class EngineRoutes:
    """The group's handlers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def routes(self) -> list[Route]:
        """The group's routes; none is served over TCP."""
        key = shape({"id": TEXT, "name": TEXT, "created_at": TIME})
        return [
            Route("GET", "/api/engine", self._info, "The engine", ANY_OBJECT, private=True),
            Route(
                "PUT", "/api/session", self._session, "Hand over an environment's tokens",
                ANY_OBJECT, ANY_OBJECT, private=True,
            ),
            Route(
                "PUT", "/api/focus", self._focus, "Name the job that is looked at",
                ANY_OBJECT, ANY_OBJECT, private=True,
            ),
            Route(
                "GET", "/api/events", self._events, "Everything that happens, as it happens",
                content="text/event-stream", private=True,
            ),
            Route("POST", "/api/shutdown", self._shutdown, "End", ANY_OBJECT, private=True),
            Route(
                "GET", "/api/api-keys", self._keys, "Keys for the HTTP API",
                shape({"keys": many(key)}), private=True,
            ),
            Route(
                "POST", "/api/api-keys", self._new_key, "Make a key; it is told this once",
                shape({"id": TEXT, "key": TEXT}), ANY_OBJECT, status=201, private=True,
            ),
            Route(
                "DELETE", "/api/api-keys/{id}", self._revoke, "Revoke a key",
                shape({"id": TEXT}), private=True,
            ),
            Route(
                "POST", "/api/storage-keys", self._storage_key,
                "Make a key pair for one's own S3 tools",
                shape({"endpoint": TEXT, "bucket": TEXT, "access_key": TEXT, "secret_key": TEXT,
                       "region": TEXT, "expires_in": {"type": "integer"}}),
                ANY_OBJECT, status=201, private=True,
            ),
        ]  # fmt: skip

    async def _info(self, _request: web.Request) -> web.Response:
        return web.json_response(self._engine.info())

    async def _session(self, request: web.Request) -> web.Response:
        body = await read_object(request)
        self._engine.set_session(base_of(request, self._engine.api_base), body)
        return web.json_response(self._engine.info())

    async def _focus(self, request: web.Request) -> web.Response:
        body = await read_object(request)
        self._engine.monitor.focus(text_of(body, "job_id") or None)
        return web.json_response({})

    async def _shutdown(self, _request: web.Request) -> web.Response:
        self._engine.request_stop()
        return web.json_response({})

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events until the client goes."""
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        )
        await response.prepare(request)
        with self._engine.bus.subscribe() as queue, contextlib.suppress(ConnectionResetError):
            await response.write(b": attached\n\n")
            quiet = 0.0
            while True:
                try:
                    async with asyncio.timeout(_LOOK):
                        kind, data = await queue.get()
                except TimeoutError:
                    if request.transport is None or request.transport.is_closing():
                        break  # the window has gone; an idle agent shall not wait for it
                    quiet += _LOOK
                    if quiet >= _HEARTBEAT:
                        quiet = 0.0
                        await response.write(b": still here\n\n")
                    continue
                quiet = 0.0
                text = f"event: {kind}\ndata: {json.dumps(data, default=str)}\n\n"
                await response.write(text.encode())
                if kind == "bye":
                    break
        return response

    async def _keys(self, _request: web.Request) -> web.Response:
        return web.json_response({"keys": self._engine.api_keys.rows()})

    async def _new_key(self, request: web.Request) -> web.Response:
        body = await read_object(request, optional=True)
        made = self._engine.api_keys.create(text_of(body, "name"))
        return web.json_response({"id": made.id, "key": made.key}, status=201)

    async def _revoke(self, request: web.Request) -> web.Response:
        key_id = request.match_info["id"]
        self._engine.api_keys.revoke(key_id)
        return web.json_response({"id": key_id})

    async def _storage_key(self, request: web.Request) -> web.Response:
        body = await read_object(request, optional=True)
        seconds = body.get("ttl_seconds", 3600)
        if not isinstance(seconds, int) or isinstance(seconds, bool):
            raise wrong("ttl_seconds", "must be a whole number")
        if not 1 <= seconds <= _LONGEST_TTL:
            raise wrong("ttl_seconds", f"must be from 1 to {_LONGEST_TTL}")
        base = self._engine.listening.reachable_at
        if not base:
            raise RefusedError(
                "The listener is off, so there is nothing to deliver to.",
                self._engine.listening.problem,
                status=409,
                code="listener_off",
            )
        pair = self._engine.keys.personal_pair(timedelta(seconds=seconds))
        answer = {
            "endpoint": f"{base}{STORAGE_PATH}",
            "bucket": BUCKET,
            "access_key": pair.access_key,
            "secret_key": pair.secret_key,
            "region": _REGION,
            "expires_in": seconds,
        }
        return web.json_response(answer, status=201)
