"""The aiohttp application of the listener, and the limits that hold for all its parts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol, cast

from aiohttp import web

from tui.listener.connections import SERVER_NAME, ConnectionLimits, LimitedServer

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Part(Protocol):
    """Something that serves routes: the storage receiver, the webhook receiver, the HTTP API."""

    def add_routes(self, app: web.Application) -> None:
        """Add the routes to `app`."""


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
    response.headers["Server"] = SERVER_NAME


class PublicRunner(web.AppRunner):
    """Runs an application on sockets that anybody can reach; `server` is their protocol factory.

    Bodies are never decompressed: hashes cover the bytes that were sent, and a small body cannot
    expand into a large one.
    """

    def __init__(self, app: web.Application, limits: ConnectionLimits | None = None) -> None:
        limits = limits or ConnectionLimits()
        self._limits = limits
        self._limited_server: LimitedServer | None = None
        app.middlewares.insert(0, self._note_request())
        self._options: dict[str, Any] = {
            "access_log": None,
            "auto_decompress": False,
            "keepalive_timeout": limits.keep_alive_seconds,
            "lingering_time": 2.0,
            "max_line_size": limits.max_line_bytes,
            "max_field_size": limits.max_header_bytes,
            "max_headers": limits.max_headers,
            "read_bufsize": limits.read_buffer_bytes,
        }
        super().__init__(
            app,
            handle_signals=False,
            shutdown_timeout=limits.shutdown_seconds,
            **self._options,
        )

    def _note_request(self) -> Any:
        @web.middleware
        async def note(request: web.Request, handler: _Handler) -> web.StreamResponse:
            if self._limited_server is None:
                return await handler(request)
            self._limited_server.begin_request(request.protocol)
            response = await handler(request)
            if self._limited_server.is_retired(request.protocol):
                response.force_close()
            return response

        return note

    async def cleanup(self) -> None:
        """Stop; requests in progress get a moment to finish."""
        if self._limited_server is not None:
            self._limited_server.close()
        await super().cleanup()

    def factory(self, address: object) -> Callable[[], asyncio.Protocol]:
        """The protocol factory of one socket, whose connections `retire` ends."""
        server = self.server
        assert server is not None  # noqa: S101 - for the type checker; `setup` has made it
        limited = cast("LimitedServer", server)
        return lambda: limited(address)

    def retire(self, address: object) -> None:
        """See `LimitedServer.retire`."""
        if self._limited_server is not None:
            self._limited_server.retire(address)

    @property
    def server(self) -> web.Server | None:
        """The protocol factory of the sockets, with the connection limits applied."""
        server = super().server
        if server is None:
            return None
        if self._limited_server is None:
            self._limited_server = LimitedServer(server, self._limits, self._options)
        return cast("web.Server", self._limited_server)
