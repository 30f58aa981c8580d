"""What only the user's own windows may ask, over the socket: about the engine itself, and keys."""

from __future__ import annotations

import asyncio
import contextlib
import json
from datetime import timedelta
from typing import Final

from aiohttp import web

from tui.api import engine, paths
from tui.api.base import Empty
from tui.base.errors import RefusedError
from tui.base.listener_address import STORAGE_PATH
from tui.engine.credentials.caller_tokens import from_headers
from tui.engine.credentials.storage_keys import BUCKET
from tui.engine.engine import Engine
from tui.engine.http_api.operation import Call, Operations
from tui.replicate.known_secrets import KNOWN

_HEARTBEAT: Final = 1.0
"""Seconds without an event after which a window gets a sign of life."""
_USUAL_TTL: Final = 3600
_REGION: Final = "us-east-1"


class EngineRoutes:
    """The group's handlers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add_to(self, operations: Operations) -> None:
        """Add the group's operations."""
        operations.add(paths.ENGINE_INFO, self._info)
        operations.add(paths.SET_SESSION, self._session)
        operations.add(paths.SET_FOCUS, self._focus)
        operations.add_stream(paths.EVENTS, self._events)
        operations.add(paths.GIVE_WAY, self._give_way)
        operations.add(paths.SHUT_DOWN, self._shutdown)
        operations.add(paths.API_KEYS, self._keys)
        operations.add(paths.NEW_API_KEY, self._new_key, tells_secret=True)
        operations.add(paths.REVOKE_API_KEY, self._revoke)
        operations.add(paths.NEW_STORAGE_KEY, self._storage_key, tells_secret=True)
        operations.add(paths.STORAGE_KEYS, self._storage_keys)
        operations.add(paths.REVOKE_STORAGE_KEY, self._revoke_storage_key)

    async def _info(self, _call: Call[None, None]) -> engine.EngineInfo:
        return self._engine.info()

    async def _session(self, call: Call[engine.Session, None]) -> engine.EngineInfo:
        self._engine.set_session(call.api_base, call.body)
        return self._engine.info()

    async def _focus(self, call: Call[engine.Focus, None]) -> Empty:
        self._engine.monitor.focus(call.body.get("job_id") or None)
        return {}

    async def _give_way(self, call: Call[None, None]) -> engine.Succession:
        handed = from_headers(call.api_base, call.request.headers)
        waits_for = self._engine.under_way(handed)
        if not waits_for:
            self._engine.request_stop()
        return {"gives_way": not waits_for, "waits_for": waits_for}

    async def _shutdown(self, _call: Call[None, None]) -> Empty:
        self._engine.request_stop()
        return {}

    async def _events(self, call: Call[None, None]) -> web.StreamResponse:
        """Server-sent events until the client goes."""
        request = call.request
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        )
        await response.prepare(request)
        with (
            self._engine.watched(),
            self._engine.bus.subscribe() as queue,
            contextlib.suppress(ConnectionResetError),
        ):
            await response.write(b": attached\n\n")
            while True:
                try:
                    async with asyncio.timeout(_HEARTBEAT):
                        kind, data = await queue.get()
                except TimeoutError:
                    if request.transport is None or request.transport.is_closing():
                        break  # the window has gone; an idle agent shall not wait for it
                    await response.write(b": still here\n\n")
                    continue
                words = KNOWN.redact_data(json.dumps(data, default=str))
                text = f"event: {kind}\ndata: {words}\n\n"
                await response.write(text.encode())
                if kind == "bye":
                    break
        return response

    async def _keys(self, _call: Call[None, None]) -> engine.ApiKeys:
        return {"keys": self._engine.api_keys.rows()}

    async def _new_key(self, call: Call[engine.NewApiKey, None]) -> engine.ApiKeyMade:
        seconds = call.body.get("ttl_seconds")
        made = self._engine.api_keys.create(
            call.body.get("name") or "",
            call.body.get("scope", "read"),
            None if seconds is None else timedelta(seconds=seconds),
        )
        expires_at = made.expires_at.isoformat() if made.expires_at else None
        return {"id": made.id, "key": made.key, "scope": made.scope, "expires_at": expires_at}

    async def _revoke(self, call: Call[None, None]) -> engine.ApiKeyRevoked:
        key_id = call.part("id")
        self._engine.api_keys.revoke(key_id)
        return {"id": key_id}

    async def _storage_key(self, call: Call[engine.NewStorageKey, None]) -> engine.StorageKeyMade:
        seconds = call.body.get("ttl_seconds", _USUAL_TTL)
        base = self._engine.listening.reachable_at
        if not base:
            raise RefusedError(
                "The listener is off, so there is nothing to deliver to.",
                self._engine.listening.problem,
                status=409,
                code="listener_off",
            )
        pair = self._engine.keys.listed_pair(timedelta(seconds=seconds))
        return {
            "endpoint": f"{base}{STORAGE_PATH}",
            "bucket": BUCKET,
            "access_key": pair.access_key,
            "secret_key": pair.secret_key,
            "region": _REGION,
            "expires_in": seconds,
        }

    async def _storage_keys(self, _call: Call[None, None]) -> engine.StorageKeyList:
        return {"keys": self._engine.keys.personal.rows()}

    async def _revoke_storage_key(self, call: Call[None, None]) -> engine.StorageKeyRevoked:
        access_key = call.part("id")
        self._engine.keys.revoke_pair(access_key)
        return {"access_key": access_key}
