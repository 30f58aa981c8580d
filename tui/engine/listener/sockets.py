"""The sockets of the listener; a move to another address leaves no time without a socket."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from tui.listener.app import Part, PublicRunner, build_app

LOG = logging.getLogger(__name__)

_LOCAL_HOST: Final = "127.0.0.1"
_RESOLVE_SECONDS: Final = 10.0
_HANDSHAKE_SECONDS: Final = 5.0
_BACKLOG: Final = 128


class BindError(Exception):
    """An address cannot be bound.

    Attributes:
        message: the reason, worded to follow the address.
        taken: whether another program uses the port.
    """

    def __init__(self, message: str, *, taken: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.taken = taken


@dataclass(slots=True)
class _OpenAddress:
    """The address that was asked for, and the servers of its sockets.

    Attributes:
        bound_port: the port that the system gave; equals `port` unless that is 0.
        plain_port: the port on 127.0.0.1 that serves plain http.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None
    address: str = ""
    bound_port: int = 0
    plain_port: int = 0
    servers: list[asyncio.Server] = field(default_factory=list)


class Sockets:
    """One public address and, when it serves TLS, a second one with plain http on 127.0.0.1.

    Trainers on this machine use the plain one: they need not trust our certificate.
    """

    def __init__(self) -> None:
        self._runner: PublicRunner | None = None
        self._current: _OpenAddress | None = None

    async def start(self, parts: Sequence[Part]) -> None:
        """Prepare to serve `parts`; opens no socket yet."""
        self._runner = PublicRunner(build_app(parts))
        await self._runner.setup()

    async def aclose(self) -> None:
        """Close all sockets; request bodies in progress get a moment to finish."""
        await self.close()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def address(self) -> str:
        """`host:port` of the open address, or "" without one."""
        return self._current.address if self._current else ""

    @property
    def port(self) -> int:
        """The port of that address, 0 without one."""
        return self._current.bound_port if self._current else 0

    @property
    def plain_port(self) -> int:
        """The port on 127.0.0.1 that serves plain http, 0 without one."""
        return self._current.plain_port if self._current else 0

    @property
    def tls(self) -> bool:
        """Whether the address serves https."""
        return self._current is not None and self._current.tls is not None

    async def open(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        """Listen on a new address, then close the former one.

        The new address is opened beside the former one. Only when the former one blocks it (the
        same port on another interface or with TLS) is it closed first, and opened again when the
        new one cannot be bound.

        Args:
            host: an address or name of this machine.
            port: the TCP port; 0 lets the system choose.
            tls: the context to serve https with; None serves http.

        Raises:
            BindError: the address cannot be bound; the former one is still open.
        """
        runner = self._runner
        if runner is None:
            return
        former = self._current
        former_key = (former.host, former.bound_port, former.tls) if former else None
        if former_key == (host, port, None) and tls is None:
            return
        try:
            self._current = await self._open_sites(runner, host, port, tls)
        except BindError as error:
            if former is None or not (error.taken and port == former.bound_port):
                raise
            await self.close()
            try:
                self._current = await self._open_sites(runner, host, port, tls)
            except BindError:
                self._current = await self._open_sites(
                    runner, former.host, former.bound_port, former.tls
                )
                raise
            return
        if former is not None:
            await self._close(former)

    async def close(self) -> None:
        """Close the open address, and what came in at it; a request in progress may end."""
        if self._current is not None:
            await self._close(self._current)
            self._current = None

    async def _open_sites(
        self, runner: PublicRunner, host: str, port: int, tls: ssl.SSLContext | None
    ) -> _OpenAddress:
        opened = _OpenAddress(host, port, tls)
        try:
            bound_host, opened.bound_port = await _serve(runner, opened, host, port, tls)
            opened.address = f"[{bound_host}]:{opened.bound_port}" if ":" in bound_host else (
                f"{bound_host}:{opened.bound_port}"
            )  # fmt: skip
            opened.plain_port = opened.bound_port
            if tls is not None:
                _, opened.plain_port = await _serve(runner, opened, _LOCAL_HOST, 0, None)
        except OSError as error:
            await self._close(opened)
            raise _bind_error(error, port) from error
        except TimeoutError:
            await self._close(opened)
            raise BindError("cannot be resolved in time; give an address instead") from None
        return opened

    async def _close(self, opened: _OpenAddress) -> None:
        for server in opened.servers:
            server.close()
        opened.servers.clear()
        if self._runner is not None:
            self._runner.retire(opened)


async def _serve(
    runner: PublicRunner, opened: _OpenAddress, host: str, port: int, tls: ssl.SSLContext | None
) -> tuple[str, int]:
    """Listen on one more address; returns the bound host and port."""
    # Not web.TCPSite: it leaves strangers 60 seconds for the handshake.
    async with asyncio.timeout(_RESOLVE_SECONDS):
        server = await asyncio.get_running_loop().create_server(
            runner.factory(opened), host, port, ssl=tls,
            ssl_handshake_timeout=None if tls is None else _HANDSHAKE_SECONDS, backlog=_BACKLOG,
        )  # fmt: skip
    opened.servers.append(server)
    bound = server.sockets[0].getsockname()
    return str(bound[0]), int(bound[1])


def _bind_error(error: OSError, port: int) -> BindError:
    if isinstance(error, socket.gaierror):
        return BindError("names no address of this machine")
    if error.errno == errno.EADDRINUSE:
        return BindError(f"port {port} is taken by another program", taken=True)
    if error.errno == errno.EADDRNOTAVAIL:
        return BindError("is no address of this machine")
    if error.errno in (errno.EACCES, errno.EPERM):
        return BindError(f"port {port} is for the system's own programs; take one from 1024 on")
    return BindError(f"cannot be listened on ({error.strerror or error})")
