"""Where the listener listens: as the settings say, as they change, and never half."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from tui.base.errors import RefusedError
from tui.base.listener_address import Bind, bind_for
from tui.engine.config.listener_fields import check_public_bind, refused
from tui.engine.config.live import LiveSettings
from tui.engine.credentials.handed_in import engine_wide
from tui.engine.listener.sockets import BindError, Sockets
from tui.listener.app import Part
from tui.listener.tls import CertificateError, server_context
from tui.settings import ListenerSettings
from tui.store.writer import StoreWriter

LOG = logging.getLogger(__name__)

_PORT_FACT: Final = "listener_port"


class Binding:
    """Opens the listener's sockets, moves them, and takes changes that need others.

    Attributes:
        doors: the sockets.
        problem: why it does not listen as the settings say, or "".
        warning: what to know about the address it listens on, or "".
    """

    def __init__(self, live: LiveSettings, writer: StoreWriter, tell: Callable[[], None]) -> None:
        """Args: the settings, where the last port is kept, and who is told of changes."""
        self.doors = Sockets()
        self.problem = ""
        self.warning = ""
        self._live = live
        self._writer = writer
        self._tell = tell
        self._meant: tuple[object, ...] = ()
        self._moving = asyncio.Lock()
        self._move: asyncio.Task[None] | None = None

    async def start(self, parts: Sequence[Part]) -> None:
        """Serve `parts` on the address in the settings.

        When that port is taken, any free one will do for trainers on this machine. A job that is
        under way was told a port, so that one is tried first while there is such a job.
        """
        await self.doors.start(parts)
        async with self._moving:
            await self._begin(self._live.now.listener)

    async def _begin(self, settings: ListenerSettings) -> None:
        """Listen, when nothing is listened on yet."""
        self._meant = _socket_of(settings)
        bind = bind_for(settings.listen, allow_public=settings.allow_public_bind)
        self._note(bind)
        try:
            tls = await asyncio.to_thread(server_context, settings.tls_cert, settings.tls_key)
        except CertificateError as error:
            self.problem = f"{error.field} in the settings {error.message}"
            self._tell()
            return
        for port in self._ports(bind.port):
            try:
                await self.doors.open(bind.host, port, tls)
            except BindError as error:
                LOG.info("%s:%s: %s", bind.host, port, error.message)
                self.problem = f"{bind.host}: {error.message}"
                continue
            if self.doors.port == bind.port or not bind.port:
                self.problem = bind.problem
            self._writer.set_fact(_PORT_FACT, self.doors.port)
            break
        self._tell()

    def _note(self, bind: Bind) -> None:
        self.problem, self.warning = bind.problem, bind.warning
        if self.warning:
            LOG.warning("%s", self.warning)

    def _ports(self, wanted: int) -> list[int]:
        ports = [wanted]
        before = self._writer.fact(_PORT_FACT)
        if isinstance(before, int) and before not in ports:
            waiting = any(job.delivery == "local" for job in self._writer.active())
            ports.insert(0 if waiting else 1, before)
        return [*ports, 0] if 0 not in ports else ports

    async def aclose(self) -> None:
        """Stop listening; bodies on their way get a moment to finish."""
        if self._move is not None:
            self._move.cancel()
            await asyncio.gather(self._move, return_exceptions=True)
        await self.doors.aclose()

    # -- as the settings change ---------------------------------------------------------------

    def follow(self) -> None:
        """The settings have changed: go where they say, in the background."""
        if _socket_of(self._live.now.listener) != self._meant:
            with engine_wide():  # connections taken from now on are nobody's call
                self._move = asyncio.get_running_loop().create_task(self._follow(), name="listener")

    async def _follow(self) -> None:
        """Move to where the settings file says; when that cannot be, say so and stay."""
        async with self._moving:
            settings = self._live.now.listener
            if _socket_of(settings) == self._meant:
                return
            if not self.doors.address:
                await self._begin(settings)
                return
            try:
                await self._go(settings)
            except RefusedError as error:
                self._meant = _socket_of(settings)
                self.problem = f"{error.message} It listens on {self.doors.address} as before."
                LOG.warning("%s", self.problem)
            self._tell()

    async def change(self, values: Mapping[str, Any]) -> None:
        """Change settings of the listener, so that they are in force or nothing has changed.

        Args:
            values: names of `ListenerSettings`, already read; None sets one back.

        Raises:
            RefusedError: an address cannot be listened on, or a certificate cannot be used;
                `details.fields` says which. The listener and its settings are as before.
            SettingsError: the settings file cannot be changed.
        """
        async with self._moving:
            before = self._live.now.listener
            usual = ListenerSettings()
            after = replace(before, **{
                name: getattr(usual, name) if value is None else value
                for name, value in values.items()
            })  # fmt: skip
            check_public_bind(after, values)
            moves = _socket_of(after) != _socket_of(before)
            if moves:
                await self._go(after)
            try:
                self._live.change("listener", values)
            except BaseException:
                if moves:
                    with contextlib.suppress(RefusedError):
                        await self._go(before)
                raise
            self._tell()

    async def _go(self, settings: ListenerSettings) -> None:
        """Listen elsewhere.

        Raises:
            RefusedError: that cannot be; it is listened where it was.
        """
        try:
            tls = await asyncio.to_thread(server_context, settings.tls_cert, settings.tls_key)
        except CertificateError as error:
            raise refused(f"listener.{error.field}", error.message) from None
        bind = bind_for(settings.listen, allow_public=settings.allow_public_bind)
        try:
            await self.doors.open(bind.host, bind.port, tls)
        except BindError as error:
            raise refused("listener.listen", f"{bind.host}: {error.message}") from None
        self._meant = _socket_of(settings)
        self._note(bind)
        self._writer.set_fact(_PORT_FACT, self.doors.port)

    async def settled(self) -> None:
        """Wait until a change of the address, if one is under way, is done."""
        if self._move is not None:
            await asyncio.gather(self._move, return_exceptions=True)


def _socket_of(settings: ListenerSettings) -> tuple[object, ...]:
    return (settings.listen, settings.allow_public_bind, settings.tls_cert, settings.tls_key)
