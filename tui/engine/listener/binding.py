"""Binds the listener to the address in the settings and follows their changes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from tui.base.errors import RefusedError
from tui.base.listener_address import Bind, bind_for
from tui.engine.config.live import LiveSettings
from tui.engine.credentials.caller_tokens import engine_wide
from tui.engine.listener.sockets import BindError, Sockets
from tui.listener.app import Part
from tui.listener.tls import CertificateError, server_context
from tui.settings import ListenerSettings
from tui.settings.listener_values import check_public_bind, refused
from tui.store.writer import StoreWriter

LOG = logging.getLogger(__name__)

_PORT_FACT: Final = "listener_port"


class Binding:
    """Opens the listener's sockets and moves them when the settings change.

    Attributes:
        sockets: the open sockets.
        problem: why the listener does not listen as the settings say, or "".
        warning: a risk of the address that it listens on, or "".
    """

    def __init__(
        self, live: LiveSettings, writer: StoreWriter, on_change: Callable[[], None]
    ) -> None:
        """Create a binding without open sockets.

        Args:
            live: the settings in force.
            writer: keeps the last port.
            on_change: is called after each change of address, problem or warning.
        """
        self.sockets = Sockets()
        self.problem = ""
        self.warning = ""
        self._live = live
        self._writer = writer
        self._on_change = on_change
        self._applied: tuple[object, ...] = ()
        self._move_lock = asyncio.Lock()
        self._move: asyncio.Task[None] | None = None

    async def start(self, parts: Sequence[Part]) -> None:
        """Serve `parts` on the address in the settings.

        When that port is taken, any free port serves trainers on this machine. A running job has
        the former port in its inputs, so that port is tried first while there is such a job.
        """
        await self.sockets.start(parts)
        async with self._move_lock:
            await self._open_first(self._live.now.listener)

    async def _open_first(self, settings: ListenerSettings) -> None:
        """Open the first socket; tries other ports when the configured one is taken."""
        self._applied = _socket_settings(settings)
        bind = bind_for(settings.listen, allow_public=settings.allow_public_bind)
        self._note_bind(bind)
        try:
            tls = await asyncio.to_thread(server_context, settings.tls_cert, settings.tls_key)
        except CertificateError as error:
            self.problem = f"{error.field} in the settings {error.message}"
            self._on_change()
            return
        for port in self._candidate_ports(bind.port):
            try:
                await self.sockets.open(bind.host, port, tls)
            except BindError as error:
                LOG.info("%s:%s: %s", bind.host, port, error.message)
                self.problem = f"{bind.host}: {error.message}"
                continue
            if self.sockets.port == bind.port or not bind.port:
                self.problem = bind.problem
            self._writer.set_fact(_PORT_FACT, self.sockets.port)
            break
        self._on_change()

    def _note_bind(self, bind: Bind) -> None:
        self.problem, self.warning = bind.problem, bind.warning
        if self.warning:
            LOG.warning("%s", self.warning)

    def _candidate_ports(self, port: int) -> list[int]:
        ports = [port]
        former = self._writer.fact(_PORT_FACT)
        if isinstance(former, int) and former not in ports:
            delivering = any(job.delivery == "local" for job in self._writer.active())
            ports.insert(0 if delivering else 1, former)
        return [*ports, 0] if 0 not in ports else ports

    async def aclose(self) -> None:
        """Stop listening; request bodies in progress get a moment to finish."""
        if self._move is not None:
            self._move.cancel()
            await asyncio.gather(self._move, return_exceptions=True)
        await self.sockets.aclose()

    # -- as the settings change ---------------------------------------------------------------

    def follow(self) -> None:
        """Move to the address in the changed settings, in the background."""
        if _socket_settings(self._live.now.listener) != self._applied:
            # The task must not inherit the tokens of the call that changed the settings.
            with engine_wide():
                self._move = asyncio.get_running_loop().create_task(
                    self._follow_settings(), name="listener"
                )

    async def _follow_settings(self) -> None:
        """Move to the address in the settings; on failure note the problem and stay."""
        async with self._move_lock:
            settings = self._live.now.listener
            if _socket_settings(settings) == self._applied:
                return
            if not self.sockets.address:
                await self._open_first(settings)
                return
            try:
                await self._rebind(settings)
            except RefusedError as error:
                self._applied = _socket_settings(settings)
                self.problem = f"{error.message} It listens on {self.sockets.address} as before."
                LOG.warning("%s", self.problem)
            self._on_change()

    async def change(self, values: Mapping[str, Any]) -> None:
        """Change settings of the listener: either all of them take effect or nothing changes.

        Args:
            values: parsed values by field of `ListenerSettings`; None restores a default.

        Raises:
            RefusedError: an address cannot be bound, or a certificate cannot be used;
                `details.fields` names the field. Listener and settings are unchanged.
            SettingsError: the settings file cannot be changed.
        """
        async with self._move_lock:
            before = self._live.now.listener
            defaults = ListenerSettings()
            after = replace(before, **{
                name: getattr(defaults, name) if value is None else value
                for name, value in values.items()
            })  # fmt: skip
            check_public_bind(after, values)
            moves = _socket_settings(after) != _socket_settings(before)
            if moves:
                await self._rebind(after)
            try:
                self._live.change("listener", values)
            except BaseException:
                if moves:
                    with contextlib.suppress(RefusedError):
                        await self._rebind(before)
                raise
            self._on_change()

    async def _rebind(self, settings: ListenerSettings) -> None:
        """Listen on another address.

        Raises:
            RefusedError: the address cannot be bound; the listener stays where it was.
        """
        try:
            tls = await asyncio.to_thread(server_context, settings.tls_cert, settings.tls_key)
        except CertificateError as error:
            raise refused(f"listener.{error.field}", error.message) from None
        bind = bind_for(settings.listen, allow_public=settings.allow_public_bind)
        try:
            await self.sockets.open(bind.host, bind.port, tls)
        except BindError as error:
            raise refused("listener.listen", f"{bind.host}: {error.message}") from None
        self._applied = _socket_settings(settings)
        self._note_bind(bind)
        self._writer.set_fact(_PORT_FACT, self.sockets.port)

    async def settled(self) -> None:
        """Wait for a change of the address that is in progress, if any."""
        if self._move is not None:
            await asyncio.gather(self._move, return_exceptions=True)


def _socket_settings(settings: ListenerSettings) -> tuple[object, ...]:
    return (settings.listen, settings.allow_public_bind, settings.tls_cert, settings.tls_key)
