"""The aiohttp application of the listener, and the limits that hold for all its parts."""

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
        """Add the routes to `app`."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Limits on connections, enforced before a request reaches a handler.

    Attributes:
        max_connections: connections open at the same time; further ones are closed at once.
        first_request_seconds: longest time from connecting to a complete request head.
        keep_alive_seconds: longest silence between two requests.
        max_line_bytes: longest request line, and so the longest URL.
        max_header_bytes: longest single header.
        max_headers: most headers.
        read_buffer_bytes: bytes of a body that are read ahead.
        shutdown_seconds: time for requests in progress to finish at shutdown.
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

    It has no body limit of its own: every part streams its bodies and enforces its own limit. A
    path that no part serves is answered with a short 404.
    """
    app = web.Application(client_max_size=0, middlewares=[_plain_errors])
    app.on_response_prepare.append(_hide_version)
    for part in parts:
        part.add_routes(app)
    return app


@web.middleware
async def _plain_errors(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Answer errors of aiohttp as JSON, like those of the parts."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        answer = web.json_response({"detail": error.reason}, status=error.status)
        if "Allow" in error.headers:
            answer.headers["Allow"] = error.headers["Allow"]
        return answer


async def _hide_version(_request: web.Request, response: web.StreamResponse) -> None:
    """Replace aiohttp's Server header, whose version would tell an attacker what to try."""
    response.headers["Server"] = "simpletuner-tui"


class PublicRunner(web.AppRunner):
    """Runs an application on sockets that anybody can reach; used with `web.TCPSite`.

    Bodies are never decompressed: hashes cover the bytes that were sent, and a small body cannot
    expand into a large one.
    """

    def __init__(self, app: web.Application, limits: ConnectionLimits | None = None) -> None:
        limits = limits or ConnectionLimits()
        self._limits = limits
        self._limited_server: _LimitedServer | None = None
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
            if self._limited_server is not None:
                self._limited_server.arrived(request.protocol)
            return await handler(request)

        return note

    async def cleanup(self) -> None:
        """Stop; requests in progress get a moment to finish."""
        if self._limited_server is not None:
            self._limited_server.close()
        await super().cleanup()

    @property
    def server(self) -> web.Server | None:
        """The protocol factory of the sockets, with the connection limits applied."""
        server = super().server
        if server is None:
            return None
        if self._limited_server is None:
            self._limited_server = _LimitedServer(server, self._limits)
        return cast("web.Server", self._limited_server)


class _LimitedServer:
    """Wraps aiohttp's server as the protocol factory of the sockets.

    aiohttp has no time limit for the first request of a connection and no limit on connections;
    this class adds both.
    """

    def __init__(self, server: web.Server, limits: ConnectionLimits) -> None:
        self._server = server
        self._limits = limits
        # By id(): the timer keeps its handler alive, so the id cannot be reused meanwhile.
        self._silent: dict[int, asyncio.TimerHandle] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._server, name)

    def __call__(self) -> asyncio.Protocol:
        if len(self._server.connections) >= self._limits.max_connections:
            return _Rejecting()
        handler = self._server()
        self._silent[id(handler)] = asyncio.get_running_loop().call_later(
            self._limits.first_request_seconds, self._give_up, handler
        )
        return handler

    def arrived(self, handler: object) -> None:
        """Stop the timer of a connection that has sent a request."""
        timer = self._silent.pop(id(handler), None)
        if timer is not None:
            timer.cancel()

    def _give_up(self, handler: Any) -> None:
        self._silent.pop(id(handler), None)
        handler.force_close()

    def close(self) -> None:
        """Cancel all timers."""
        for timer in self._silent.values():
            timer.cancel()
        self._silent.clear()


class _Rejecting(asyncio.Protocol):
    """Closes the connection at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).abort()
