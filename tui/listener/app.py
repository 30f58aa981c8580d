"""The public side put together: the parts that are served, and the limits that hold for all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol, cast

from aiohttp import web

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Part(Protocol):
    """Something that serves routes: the storage receiver, the webhook receiver, the HTTP API."""

    def add_routes(self, app: web.Application) -> None:
        """Add them to `app`."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What one client, or all of them, may cost before a request is even looked at.

    Attributes:
        max_connections: open at the same time; more are closed at once.
        first_request_seconds: longest time from connecting to a complete request head.
        keep_alive_seconds: longest silence between two requests.
        max_line_bytes: longest request line, and so the longest URL.
        max_header_bytes: longest single header.
        max_headers: most headers.
        read_buffer_bytes: bytes of a body that are read ahead.
        shutdown_seconds: how long requests on their way may take to finish at the end.
    """

    max_connections: int = 1000
    first_request_seconds: float = 15.0
    keep_alive_seconds: float = 75.0
    max_line_bytes: int = 8190
    max_header_bytes: int = 8190
    max_headers: int = 100
    read_buffer_bytes: int = 256 * 1024
    shutdown_seconds: float = 5.0


def build_app(parts: Iterable[Part]) -> web.Application:
    """The application that serves `parts`.

    It has no body limit of its own: every part reads its bodies as a stream and knows how much is
    too much. What nobody serves is answered with a short 404.
    """
    app = web.Application(client_max_size=0, middlewares=[_plain_errors])
    app.on_response_prepare.append(_say_little)
    for part in parts:
        part.add_routes(app)
    return app


@web.middleware
async def _plain_errors(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Errors of the framework as JSON, like those of the parts."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        answer = web.json_response({"detail": error.reason}, status=error.status)
        if "Allow" in error.headers:
            answer.headers["Allow"] = error.headers["Allow"]
        return answer


async def _say_little(_request: web.Request, response: web.StreamResponse) -> None:
    """No name and version of the software for people who look for old ones."""
    response.headers["Server"] = "simpletuner-tui"


class PublicRunner(web.AppRunner):
    """Runs an application on sockets that strangers can reach; used with `web.TCPSite`.

    Bodies are passed on as they come: never decompressed, so that a hash is the hash of what was
    sent and a small body cannot become a large one.
    """

    def __init__(self, app: web.Application, limits: ConnectionLimits | None = None) -> None:
        limits = limits or ConnectionLimits()
        self._limits = limits
        self._gate: _Gate | None = None
        app.middlewares.insert(0, self._note_request())
        super().__init__(
            app,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=limits.shutdown_seconds,
            auto_decompress=False,
            keepalive_timeout=limits.keep_alive_seconds,
            lingering_time=2.0,
            max_line_size=limits.max_line_bytes,
            max_field_size=limits.max_header_bytes,
            max_headers=limits.max_headers,
            read_bufsize=limits.read_buffer_bytes,
        )

    def _note_request(self) -> Any:
        @web.middleware
        async def note(request: web.Request, handler: _Handler) -> web.StreamResponse:
            if self._gate is not None:
                self._gate.arrived(request.protocol)
            return await handler(request)

        return note

    async def cleanup(self) -> None:
        """Stop, letting requests on their way finish for a moment."""
        if self._gate is not None:
            self._gate.close()
        await super().cleanup()

    @property
    def server(self) -> web.Server | None:
        """What makes a protocol for each connection, with the limits in front."""
        server = super().server
        if server is None:
            return None
        if self._gate is None:
            self._gate = _Gate(server, self._limits)
        return cast("web.Server", self._gate)


class _Gate:
    """Stands in for aiohttp's server where sockets ask it for a protocol.

    aiohttp waits for a first request for ever; here a connection that brings none is closed.
    """

    def __init__(self, server: web.Server, limits: ConnectionLimits) -> None:
        self._server = server
        self._limits = limits
        # By identity: the timer keeps its handler alive, so no other one can have its number.
        self._silent: dict[int, asyncio.TimerHandle] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._server, name)

    def __call__(self) -> asyncio.Protocol:
        if len(self._server.connections) >= self._limits.max_connections:
            return _Full()
        handler = self._server()
        self._silent[id(handler)] = asyncio.get_running_loop().call_later(
            self._limits.first_request_seconds, self._give_up, handler
        )
        return handler

    def arrived(self, handler: object) -> None:
        """A connection has brought a request."""
        timer = self._silent.pop(id(handler), None)
        if timer is not None:
            timer.cancel()

    def _give_up(self, handler: Any) -> None:
        self._silent.pop(id(handler), None)
        handler.force_close()

    def close(self) -> None:
        """Forget all timers."""
        for timer in self._silent.values():
            timer.cancel()
        self._silent.clear()


class _Full(asyncio.Protocol):
    """Hangs up."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).abort()
