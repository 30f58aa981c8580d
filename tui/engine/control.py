"""The control API: the engine's services over HTTP on a Unix socket.

Paths are those of SimpleTuner's cloud API where it has one. Failures are `{error, message, advice,
details}` with a true status.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from tui.engine.errors import RefusedError
from tui.engine.service import Engine
from tui.replicate.errors import (
    AuthenticationError,
    ForbiddenError,
    InsufficientCreditError,
    NotFoundError,
    RateLimitedError,
    ReplicateError,
    TooLargeError,
)
from tui.simpletuner.errors import SimpleTunerError
from tui.store.schema import StoreError

LOG = logging.getLogger(__name__)

_HEARTBEAT: Final = 15.0
_MAX_BODY: Final = 8 * 1024 * 1024
_STATUS: Final[tuple[tuple[type[ReplicateError], int, str], ...]] = (
    (AuthenticationError, 401, "unauthorised"),
    (InsufficientCreditError, 402, "insufficient_credit"),
    (ForbiddenError, 403, "permission_denied"),
    (NotFoundError, 404, "not_found"),
    (TooLargeError, 413, "too_large"),
    (RateLimitedError, 429, "rate_limit"),
    (ReplicateError, 502, "provider_error"),
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def build_control_app(engine: Engine) -> web.Application:
    """The aiohttp application of one engine."""
    routes = _Routes(engine)
    app = web.Application(middlewares=[_errors, routes.needing], client_max_size=_MAX_BODY)
    app.add_routes(
        [
            web.get("/api/engine", routes.info),
            web.put("/api/session", routes.session),
            web.put("/api/focus", routes.focus),
            web.get("/api/events", routes.events),
            web.post("/api/shutdown", routes.shutdown),
            web.get("/api/cloud/providers/replicate/validate", routes.validate),
            web.get("/api/cloud/providers/replicate/versions", routes.versions),
            web.get("/api/cloud/available-configs", routes.configs),
            web.post("/api/cloud/check", routes.check),
            web.post("/api/cloud/jobs/submit", routes.submit),
            web.post("/api/cloud/jobs/sync", routes.sync),
            web.post("/api/cloud/jobs/{job_id}/cancel", routes.cancel),
            web.post("/api/cloud/jobs/{job_id}/collect", routes.collect),
            web.delete("/api/cloud/jobs/{job_id}", routes.delete),
            *engine.cloud.routes(),
        ]
    )
    return app


async def shut_down(engine: Engine, runner: web.AppRunner) -> None:
    """End the calls under way, then the engine below them: no call finds a closed store."""
    engine.request_stop()
    engine.hub.publish("bye")
    await runner.cleanup()
    await engine.aclose()


async def serve_control(engine: Engine, socket_path: Path) -> web.AppRunner:
    """Listen on the socket, which only its user can open."""
    runner = web.AppRunner(
        build_control_app(engine), access_log=None, handle_signals=False, shutdown_timeout=2.0
    )
    await runner.setup()
    socket_path.unlink(missing_ok=True)  # the store's lock says that no other engine lives
    before = os.umask(0o177)
    try:
        await web.UnixSite(runner, str(socket_path)).start()
    finally:
        os.umask(before)
    return runner


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        code = {404: "not_found", 405: "not_found", 413: "too_large"}.get(
            error.status, "validation"
        )
        words = f"The engine does not take {request.method} {request.path}: {error.reason}."
        return _failure(error.status, code, words)
    except RefusedError as error:
        return _failure(error.status, error.code, error.message, error.advice, error.details)
    except ReplicateError as error:
        status, code = next((s, c) for kind, s, c in _STATUS if isinstance(error, kind))
        return _failure(status, code, error.message, error.advice)
    except SimpleTunerError as error:
        return _failure(400, "invalid_config", error.message, error.advice)
    except StoreError as error:
        return _failure(507, "store", error.message, error.advice)
    except (ConnectionResetError, asyncio.CancelledError):
        raise
    except Exception:
        LOG.exception("%s %s failed", request.method, request.path)
        return _failure(
            500,
            "internal",
            "Something went wrong inside the engine.",
            "engine.log in the state folder has the details; nothing was lost.",
        )


def _failure(
    status: int, code: str, message: str, advice: str = "", details: dict[str, Any] | None = None
) -> web.Response:
    body = {"error": code, "message": message, "advice": advice, "details": details or {}}
    return web.json_response(body, status=status)


class _Routes:
    """The handlers. Each reads a request, asks a service, and writes the answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @web.middleware
    async def needing(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """While somebody calls, the engine is needed; one that is about to end says so."""
        if self._engine.stopping.is_set():
            return _failure(503, "engine_gone", "The engine is about to end.")
        with self._engine.needed():
            return await handler(request)

    async def info(self, _request: web.Request) -> web.Response:
        return web.json_response(self._engine.info())

    async def session(self, request: web.Request) -> web.Response:
        body = await _body(request)
        self._engine.set_session(self._base(request), body)
        return web.json_response(self._engine.info())

    async def focus(self, request: web.Request) -> web.Response:
        body = await _body(request)
        self._engine.monitor.focus(_text(body, "job_id") or None)
        return web.json_response({})

    async def shutdown(self, _request: web.Request) -> web.Response:
        self._engine.request_stop()
        return web.json_response({})

    async def validate(self, request: web.Request) -> web.Response:
        return web.json_response(await self._engine.account.validate(self._base(request)))

    async def versions(self, request: web.Request) -> web.Response:
        model = request.query.get("model_id", "")
        return web.json_response(await self._engine.account.versions(self._base(request), model))

    async def configs(self, _request: web.Request) -> web.Response:
        return web.json_response(await self._engine.account.configs())

    async def check(self, request: web.Request) -> web.Response:
        report = await self._engine.jobs.check(self._base(request), await _body(request))
        return web.json_response(report)

    async def submit(self, request: web.Request) -> web.Response:
        return web.json_response(
            await self._engine.jobs.submit(self._base(request), await _body(request)), status=201
        )

    async def sync(self, request: web.Request) -> web.Response:
        return web.json_response(await self._engine.jobs.sync(self._base(request)))

    async def cancel(self, request: web.Request) -> web.Response:
        return web.json_response(await self._engine.jobs.cancel(request.match_info["job_id"]))

    async def collect(self, request: web.Request) -> web.Response:
        return web.json_response(await self._engine.jobs.collect(request.match_info["job_id"]))

    async def delete(self, request: web.Request) -> web.Response:
        return web.json_response(await self._engine.jobs.delete(request.match_info["job_id"]))

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events until the client goes."""
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        )
        await response.prepare(request)
        with self._engine.hub.subscribe() as queue, contextlib.suppress(ConnectionResetError):
            await response.write(b": attached\n\n")
            while True:
                try:
                    kind, data = await asyncio.wait_for(queue.get(), _HEARTBEAT)
                except TimeoutError:
                    await response.write(b": still here\n\n")
                    continue
                text = f"event: {kind}\ndata: {json.dumps(data, default=str)}\n\n"
                await response.write(text.encode())
                if kind == "bye":
                    break
        return response

    def _base(self, request: web.Request) -> str:
        return request.headers.get("X-Api-Base") or self._engine.live.now.cloud.api_base


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        data = await request.json()
    except ValueError:
        raise RefusedError("The request body is not JSON.") from None
    if not isinstance(data, dict):
        raise RefusedError("The request body must be a JSON object.")
    return data


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    return value if isinstance(value, str) else ""
