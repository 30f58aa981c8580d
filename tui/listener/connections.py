"""Limits on the connections of sockets that anybody can reach.

aiohttp has no time limit for the first request of a connection and no limit on connections. A limit
that refuses further connections would let strangers keep everybody out by connecting and saying
nothing. So room is made instead: the connection that has been silent longest is closed. A client
that sends its request at once is never that one.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, cast

from aiohttp import web

SERVER_NAME: Final = "simpletuner-tui"
"""The Server header: aiohttp's own names its version, which would tell what to try."""

_log = logging.getLogger(__name__)
_Silent = OrderedDict["_Connection", int]
"""Connections by the moment since which they are silent."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Limits on connections, enforced before a request reaches a handler.

    Attributes:
        max_connections: connections open at the same time.
        max_silent: connections without a request in progress. When there are more, the one that
            has been silent longest is closed, so that silent strangers keep nobody out.
        max_silent_per_source: the same for one address; loopback is exempt, because a tunnel or
            proxy on this machine connects from there for all its clients.
        first_request_seconds: longest time from connecting to a complete request head.
        keep_alive_seconds: longest silence between two requests.
        max_line_bytes: longest request line, and so the longest URL.
        max_header_bytes: longest single header.
        max_headers: most headers.
        read_buffer_bytes: bytes of a body that are read ahead.
        shutdown_seconds: time for requests in progress to finish at shutdown.
        retired_seconds: the same for those that came in at an address that is closed.
    """

    max_connections: int = 1000
    max_silent: int = 500
    max_silent_per_source: int = 64
    first_request_seconds: float = 10.0
    keep_alive_seconds: float = 75.0
    max_line_bytes: int = 8190
    max_header_bytes: int = 8190
    max_headers: int = 100
    read_buffer_bytes: int = 256 * 1024
    shutdown_seconds: float = 5.0
    retired_seconds: float = 30.0


_PASSES: Final = 5
"""Turns of the event loop in which a request that has arrived gets from its socket to a handler."""


class LimitedServer:
    """Wraps aiohttp's server as the protocol factory of the sockets.

    A busy loop accepts many connections in one turn, and reads from them in a later one. So room is
    made a few turns after it was found to be needed, from connections that were there then: by that
    time a request that was sent at once has reached its handler, however many strangers came with
    it. Until then a few more connections are open than the limits say, no more than one turn
    accepts.

    Args:
        server: aiohttp's server, which knows the application.
        limits: the limits.
        options: keyword arguments of aiohttp's protocol.
    """

    def __init__(
        self, server: web.Server, limits: ConnectionLimits, options: Mapping[str, Any]
    ) -> None:
        self._server = server
        self._limits = limits
        self._options = options
        self._open: set[_Connection] = set()
        """All connections, those whose TLS handshake goes on included."""
        self._silent: _Silent = OrderedDict()
        """Connections without a request in progress, those in their handshake included; the one
        that is silent longest is first."""
        self._silent_by_source: dict[str, _Silent] = {}
        self._crowded_sources: set[str] = set()
        self._moment = 0
        """Counts what was heard of connections."""
        self._making_room = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._server, name)

    def __call__(self, address: object = None) -> asyncio.Protocol:
        """Return the protocol of a new connection.

        Args:
            address: names the socket that it comes in at, for `retire`.
        """
        if len(self._open) >= self._limits.max_connections and not self._silent:
            return _Rejecting()
        loop = asyncio.get_running_loop()
        connection = _Connection(self._server, loop=loop, **self._options)
        connection.limited = self
        connection.address = address
        connection.timer = loop.call_later(self._limits.first_request_seconds, connection.drop)
        self._open.add(connection)
        self._add_silent(connection)
        return connection

    def retire(self, address: object) -> None:
        """End the connections that came in at an address which is closed.

        Those without a request end at once: kept alive, they would be served on and on. A request
        in progress, such as an upload, may come to its end.
        """
        for connection in [one for one in self._open if one.address is address]:
            connection.retire(self._limits.retired_seconds)

    def opened(self, connection: _Connection) -> None:
        """Count a connection that has connected, and completed its TLS handshake."""
        if connection in self._open:
            self._remove_silent(connection)
            self._add_silent(connection)
        else:  # the handshake took too long, or it was the longest one
            connection.drop()

    def lost(self, connection: _Connection) -> None:
        """Forget a connection."""
        connection.stop_timer()
        self._remove_silent(connection)
        self._open.discard(connection)

    def spoke(self, connection: _Connection) -> None:
        """Note that bytes have come on a connection."""
        if connection in self._silent:
            self._remove_silent(connection)
            self._add_silent(connection)

    def begin_request(self, connection: object) -> None:
        """Note that a connection has sent the head of a request."""
        if isinstance(connection, _Connection) and connection in self._open:
            if not connection.retired:
                connection.stop_timer()
            self._remove_silent(connection)

    def is_retired(self, connection: object) -> bool:
        """Whether a connection has to end with the answer to this request."""
        return isinstance(connection, _Connection) and connection.retired

    def end_request(self, connection: _Connection, *, last: bool) -> None:
        """Note that a request has been answered.

        Args:
            connection: whose.
            last: the connection takes no other request, so it is the first to make room.
        """
        if connection in self._open:
            self._add_silent(connection)
            if last:
                self._silent[connection] = 0
                self._silent.move_to_end(connection, last=False)

    def close(self) -> None:
        """Cancel all timers."""
        for connection in self._open:
            connection.stop_timer()

    def _add_silent(self, connection: _Connection) -> None:
        self._moment += 1
        self._silent[connection] = self._moment
        if connection.source:
            same = self._silent_by_source.setdefault(connection.source, OrderedDict())
            same[connection] = self._moment
            if len(same) > self._limits.max_silent_per_source:
                self._crowded_sources.add(connection.source)
        if not self._making_room and self._crowded() is not None:
            self._making_room = True
            self._make_room(_PASSES, self._moment)

    def _remove_silent(self, connection: _Connection) -> None:
        self._silent.pop(connection, None)
        same = self._silent_by_source.get(connection.source)
        if same is not None:
            same.pop(connection, None)
            if not same:
                del self._silent_by_source[connection.source]

    def _crowded(self) -> _Silent | None:
        """Silent connections that are too many, if any."""
        limits = self._limits
        too_many = len(self._open) > limits.max_connections or len(self._silent) > limits.max_silent
        if too_many and self._silent:
            return self._silent
        while self._crowded_sources:
            source = next(iter(self._crowded_sources))
            same = self._silent_by_source.get(source, OrderedDict())
            if len(same) > limits.max_silent_per_source:
                return same
            self._crowded_sources.discard(source)
        return None

    def _make_room(self, passes: int, moment: int) -> None:
        """Make room after some turns of the loop, from those that were silent at a moment."""
        if passes:
            loop = asyncio.get_running_loop()
            loop.call_soon(self._make_room, passes - 1, moment)
            return
        while crowded := self._crowded():
            longest, since = next(iter(crowded.items()))
            if since > moment:
                self._make_room(_PASSES, self._moment)
                return
            longest.drop()
        self._making_room = False


class _Connection(web.RequestHandler):
    """aiohttp's protocol, counted.

    Attributes:
        limited: counts the connection.
        address: what the socket that it came in at was named.
        retired: whether that socket is closed; no further request is taken.
        source: the address that the per-source limit counts by; "" for loopback.
        timer: closes the connection unless a request arrives.
    """

    __slots__ = ("address", "limited", "retired", "source", "timer")

    def __init__(self, manager: web.Server, **options: Any) -> None:
        super().__init__(manager, **options)
        self.limited: LimitedServer | None = None
        self.address: object = None
        self.retired = False
        self.source = ""
        self.timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection by its address."""
        self.source = _source_of(transport.get_extra_info("peername"))
        super().connection_made(transport)
        if self.limited is not None:
            self.limited.opened(self)

    def data_received(self, data: bytes) -> None:
        """Note that the connection is not silent."""
        super().data_received(data)
        if self.limited is not None:
            self.limited.spoke(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the connection."""
        if self.limited is not None:
            self.limited.lost(self)
        super().connection_lost(exc)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send what is left of an answer; until then the connection is not silent."""
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            if self.limited is not None:
                self.limited.end_request(self, last=not resp.keep_alive)

    def drop(self) -> None:
        """Close the connection, without an answer."""
        if self.limited is not None:
            self.limited.lost(self)
        transport = self.transport
        self.force_close()
        if transport is not None:
            transport.abort()

    def retire(self, seconds: float) -> None:
        """Close the connection after the request in progress, at most after so many seconds."""
        self.stop_timer()
        self.retired = True
        if self.transport is None or self._waiter is not None:
            self.drop()  # its TLS handshake goes on, or it waits for a request
            return
        # Not aiohttp's `close`: it throws away what still comes of the request's body.
        self.timer = asyncio.get_running_loop().call_later(seconds, self.drop)

    def stop_timer(self) -> None:
        """Let the connection live on without a request."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - aiohttp's signature; it quotes the request
    ) -> web.StreamResponse:
        """Answer a request that is not HTTP, without a traceback in the log for each.

        aiohttp writes a traceback for every malformed request, names its version, and repeats in
        the answer what was sent.
        """
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            _log.error("a request failed", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("a part of an answer is sent already")
        response = web.json_response(
            {"detail": HTTPStatus(status).phrase}, status=status, headers={"Server": SERVER_NAME}
        )
        response.force_close()
        return response


def _source_of(peer: object) -> str:
    """Return the address of a peer; an IPv6 network of 64 bits counts as one, loopback is ""."""
    if not isinstance(peer, tuple) or not peer:
        return ""
    try:
        address = ipaddress.ip_address(str(peer[0]).partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        elif not address.is_loopback:
            return str(ipaddress.IPv6Address(int(address) >> 64 << 64))
    return "" if address.is_loopback else str(address)


class _Rejecting(asyncio.Protocol):
    """Closes the connection at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).abort()
