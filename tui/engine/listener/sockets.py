"""The sockets of the listener: opened, and moved without a time in which there are none."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from tui.listener.app import Part, PublicRunner, build_app

LOG = logging.getLogger(__name__)

_HERE: Final = "127.0.0.1"
_RESOLVE_SECONDS: Final = 10.0


class BindError(Exception):
    """An address cannot be listened on.

    Attributes:
        message: why, to stand behind the address.
        taken: whether another program has it.
    """

    def __init__(self, message: str, *, taken: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.taken = taken


@dataclass(slots=True)
class _Door:
    """Where it was to listen, and where it does."""

    host: str
    port: int
    tls: ssl.SSLContext | None
    address: str = ""
    found_port: int = 0
    plain_port: int = 0
    sites: list[web.TCPSite] = field(default_factory=list)


class Sockets:
    """One address for the world, and with TLS a second one, without, for this machine alone."""

    def __init__(self) -> None:
        self._runner: PublicRunner | None = None
        self._door: _Door | None = None

    async def start(self, parts: Sequence[Part]) -> None:
        """Make ready to serve `parts`; nothing is listened on yet."""
        self._runner = PublicRunner(build_app(parts))
        await self._runner.setup()

    async def aclose(self) -> None:
        """Stop; bodies on their way get a moment to finish."""
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def address(self) -> str:
        """`host:port` that is listened on, or "" while none is."""
        return self._door.address if self._door else ""

    @property
    def port(self) -> int:
        """The port of that address, 0 while there is none."""
        return self._door.found_port if self._door else 0

    @property
    def plain_port(self) -> int:
        """The port on 127.0.0.1 that takes plain http: trainers there need not trust us."""
        return self._door.plain_port if self._door else 0

    @property
    def tls(self) -> bool:
        """Whether the address serves https."""
        return self._door is not None and self._door.tls is not None

    async def open(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        """Listen there, and then no longer where it was listened before.

        The new address is opened beside the old one. Only when the old one itself is in the way
        (the same port, for other machines or with TLS) is it closed first, and opened again when
        the new one cannot be had.

        Args:
            host: an address or name of this machine.
            port: 0 lets the system choose.
            tls: to serve https.

        Raises:
            DoorError: it cannot be listened on; what was open before still is.
        """
        runner = self._runner
        if runner is None:
            return
        before = self._door
        there = (before.host, before.found_port, before.tls) if before else None
        if there == (host, port, None) and tls is None:
            return
        try:
            self._door = await self._opened(runner, host, port, tls)
        except BindError as error:
            if before is None or not (error.taken and port == before.found_port):
                raise
            await self.close()
            try:
                self._door = await self._opened(runner, host, port, tls)
            except BindError:
                self._door = await self._opened(runner, before.host, before.found_port, before.tls)
                raise
            return
        if before is not None:
            await self._close(before)

    async def close(self) -> None:
        """Listen nowhere."""
        if self._door is not None:
            await self._close(self._door)
            self._door = None

    async def _opened(
        self, runner: PublicRunner, host: str, port: int, tls: ssl.SSLContext | None
    ) -> _Door:
        door = _Door(host, port, tls)
        try:
            found, door.found_port = await _serve(runner, door, host, port, tls)
            door.address = f"[{found}]:{door.found_port}" if ":" in found else (
                f"{found}:{door.found_port}"
            )  # fmt: skip
            door.plain_port = door.found_port
            if tls is not None:
                _, door.plain_port = await _serve(runner, door, _HERE, 0, None)
        except OSError as error:
            await self._close(door)
            raise _why(error, port) from error
        except TimeoutError:
            await self._close(door)
            raise BindError("cannot be resolved in time; give an address instead") from None
        return door

    async def _close(self, door: _Door) -> None:
        for site in door.sites:
            with contextlib.suppress(RuntimeError):
                await site.stop()
        door.sites.clear()


async def _serve(
    runner: PublicRunner, door: _Door, host: str, port: int, tls: ssl.SSLContext | None
) -> tuple[str, int]:
    """Listen on one more address; returns what it came to be."""
    before = list(runner.addresses)
    site = web.TCPSite(runner, host, port, ssl_context=tls)
    try:
        async with asyncio.timeout(_RESOLVE_SECONDS):
            await site.start()
    except BaseException:
        await site.stop()
        raise
    door.sites.append(site)
    found = next(address for address in runner.addresses if address not in before)
    return str(found[0]), int(found[1])


def _why(error: OSError, port: int) -> BindError:
    if isinstance(error, socket.gaierror):
        return BindError("names no address of this machine")
    if error.errno == errno.EADDRINUSE:
        return BindError(f"port {port} is taken by another program", taken=True)
    if error.errno == errno.EADDRNOTAVAIL:
        return BindError("is no address of this machine")
    if error.errno in (errno.EACCES, errno.EPERM):
        return BindError(f"port {port} is for the system's own programs; take one from 1024 on")
    return BindError(f"cannot be listened on ({error.strerror or error})")
