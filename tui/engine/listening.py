"""The listener inside the engine: where webhooks, deliveries and API calls come in."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp import web

from tui.engine.addresses import STORAGE_PATH, WEBHOOK_PATH, bind_for, public_base
from tui.engine.book import Book
from tui.engine.errors import RefusedError
from tui.engine.hooks import HookDesk
from tui.engine.hub import Hub
from tui.engine.listener_stats import WatchedStats, stats_row
from tui.engine.live_settings import LiveSettings
from tui.engine.storage_keys import StorageKeys
from tui.listener.app import Part, PublicRunner, build_app
from tui.listener.client_address import parse_networks
from tui.listener.storage import ReceivedObject, StorageLimits, StorageReceiver
from tui.listener.tls import server_context
from tui.listener.webhooks import WebhookReceiver, WebhookSettings
from tui.settings import ListenerSettings, Settings
from tui.store.reader import is_loopback
from tui.store.records import FileRecord, JobRecord
from tui.store.schema import StoreError

LOG = logging.getLogger(__name__)

_PORT_FACT: Final = "listener_port"
_TELL_SECONDS: Final = 0.5
_HERE: Final = "127.0.0.1"


class Listening:
    """Runs the listener, knows its addresses, and follows the settings without a restart.

    Attributes:
        outputs: the folder that delivered files come to.
        address: `host:port` it listens on, or "" while it does not.
        problem: why it does not listen as the settings say, or "".
        warning: what to know about the address it listens on, or "".
    """

    def __init__(
        self,
        *,
        live: LiveSettings,
        outputs: Path,
        book: Book,
        keys: StorageKeys,
        hub: Hub,
        hooks: HookDesk,
    ) -> None:
        self.outputs = outputs
        self.address = ""
        self.problem = ""
        self.warning = ""
        self._live = live
        self._book = book
        self._keys = keys
        self._hub = hub
        self._storage = StorageReceiver(
            outputs, keys, on_object=self._received, limits=StorageLimits()
        )
        self._webhooks = WebhookReceiver(hooks.secrets_for, hooks.take, jobs=hooks)
        self._webhooks.stats = WatchedStats(on_change=self._tell_soon)
        self._runner: PublicRunner | None = None
        self._sites: list[web.TCPSite] = []
        self._plain_port = 0
        self._moving = asyncio.Lock()
        self._move: asyncio.Task[None] | None = None
        self._telling: asyncio.TimerHandle | None = None
        self._settle(live.now.listener)
        live.on_change(self._changed)

    # -- life ---------------------------------------------------------------------------------

    async def start(self, parts: Sequence[Part] = ()) -> None:
        """Serve the receivers and `parts` on the address in the settings.

        When that port is taken, any free one will do for trainers on this machine. A job that is
        under way was told a port, so that one is tried first while there is such a job.
        """
        self._runner = PublicRunner(build_app([self._storage, self._webhooks, *parts]))
        await self._runner.setup()
        await self._open()

    async def _open(self) -> None:
        """Listen; what listened before has been closed."""
        runner = self._runner
        if runner is None:
            return
        settings = self._live.now.listener
        bind = bind_for(settings.listen, allow_public=settings.allow_public_bind)
        self.problem, self.warning = bind.problem, bind.warning
        if self.warning:
            LOG.warning("%s", self.warning)
        try:
            tls = server_context(settings.tls_cert, settings.tls_key)
        except OSError as error:
            reason = getattr(error, "strerror", None) or getattr(error, "reason", None) or error
            self.problem = f"the certificate in the settings cannot be used ({reason})"
            self._tell()
            return
        for port in self._ports(bind.port):
            try:
                host, found = await self._serve(runner, bind.host, port, tls)
            except OSError as error:
                LOG.info("%s:%s cannot be listened on: %s", bind.host, port, error.strerror)
                self.problem = f"port {bind.port} is taken by another program"
                continue
            self.address = f"[{host}]:{found}" if ":" in host else f"{host}:{found}"
            if found == bind.port or not bind.port:
                self.problem = bind.problem
            self._book.writer.set_fact(_PORT_FACT, found)
            if tls is not None:  # trainers on this machine need not trust our certificate
                _, found = await self._serve(runner, _HERE, 0, None)
            self._plain_port = found
            break
        self._tell()

    async def _serve(
        self, runner: web.AppRunner, host: str, port: int, tls: ssl.SSLContext | None
    ) -> tuple[str, int]:
        """Listen on one more address; returns what it came to be."""
        before = list(runner.addresses)
        site = web.TCPSite(runner, host, port, ssl_context=tls)
        try:
            await site.start()
        except OSError:
            await site.stop()
            raise
        self._sites.append(site)
        found = next(address for address in runner.addresses if address not in before)
        return str(found[0]), int(found[1])

    def _ports(self, wanted: int) -> list[int]:
        ports = [wanted]
        before = self._book.writer.fact(_PORT_FACT)
        if isinstance(before, int) and before not in ports:
            waiting = any(job.delivery == "local" for job in self._book.writer.active())
            ports.insert(0 if waiting else 1, before)
        return [*ports, 0] if 0 not in ports else ports

    async def aclose(self) -> None:
        """Stop listening; bodies on their way get a moment to finish."""
        if self._move is not None:
            self._move.cancel()
            await asyncio.gather(self._move, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()
        if self._telling is not None:
            self._telling.cancel()

    # -- settings -----------------------------------------------------------------------------

    def _settle(self, settings: ListenerSettings) -> None:
        """Put in force what needs no new socket. A list that cannot be read lets nobody in."""
        allowed = _networks("listener.allowed_ips", settings.allowed_ips)
        trusted = _networks("listener.trusted_proxies", settings.trusted_proxies)
        nobody = parse_networks(("255.255.255.255",))
        self._webhooks.settings = WebhookSettings(
            verify=settings.verify_signatures,
            allowed=nobody if allowed is None else allowed,
            trusted_proxies=trusted or (),
        )
        host = urlsplit(self.public_url).netloc
        self._storage.public_hosts = (host,) if host else ()

    def _changed(self, before: Settings, after: Settings) -> None:
        if before.listener == after.listener:
            return
        self._settle(after.listener)
        if _socket_of(before.listener) == _socket_of(after.listener):
            self._tell()
        else:
            self._move = asyncio.get_running_loop().create_task(self._reopen(), name="listener")

    async def _reopen(self) -> None:
        async with self._moving:
            sites, self._sites, self.address = self._sites, [], ""
            for site in sites:
                with contextlib.suppress(RuntimeError):
                    await site.stop()
            await self._open()

    async def settled(self) -> None:
        """Wait until a change of the address, if one is under way, is done."""
        if self._move is not None:
            await asyncio.gather(self._move, return_exceptions=True)

    # -- what others ask ----------------------------------------------------------------------

    @property
    def public_url(self) -> str:
        """How the world reaches us, without path; "" when the settings name no usable address."""
        try:
            return public_base(self._live.now.listener.public_url)
        except RefusedError:
            return ""

    @property
    def stats(self) -> dict[str, Any]:
        """What was let in and turned away, as plain data."""
        return stats_row(self._webhooks.stats)

    def state(self) -> dict[str, Any]:
        """The listener as windows show it."""
        settings = self._live.now.listener
        return {
            "address": self.address,
            "state": "listening" if self.address else "off",
            "problem": self.problem,
            "warning": self.warning,
            "tls": bool(settings.tls_cert),
            "public_url": settings.public_url,
            "webhook_url": f"{self.public_url}{WEBHOOK_PATH}" if self.public_url else "",
            "verify_signatures": settings.verify_signatures,
            "allowed_ips": list(settings.allowed_ips),
            "trusted_proxies": list(settings.trusted_proxies),
            "outputs": str(self.outputs),
            "webhooks": self.stats,
        }

    @property
    def reachable_at(self) -> str:
        """Where a person's own tools find us: the public URL, or this machine's address."""
        here = f"http://{_HERE}:{self._plain_port}" if self.address else ""
        return self.public_url or here

    def base_for(self, api_base: str) -> str | None:
        """How a service at this API base reaches us; None when it cannot.

        A sandbox on this machine goes the public way as well when there is one, so that it
        rehearses the real thing.
        """
        if is_loopback(api_base):
            return self.reachable_at or None
        return self.public_url if self.public_url.startswith("https://") else None

    def storage_url(self, api_base: str) -> str | None:
        """Where a trainer of this API base can deliver to, or None when it cannot reach us."""
        base = self.base_for(api_base)
        return f"{base}{STORAGE_PATH}" if base else None

    def webhook_url(self, job: JobRecord) -> str | None:
        """Where Replicate shall tell about a job, with that job's own key; None if it cannot."""
        base = self.base_for(job.api_base)
        return f"{base}{WEBHOOK_PATH}?key={self._keys.hook_key(job.job_id)}" if base else None

    # -- what comes in ------------------------------------------------------------------------

    async def _received(self, item: ReceivedObject) -> None:
        """A file is complete: into the job's record with it."""
        if not item.job_id:  # from a person's own tools
            return
        self._book.add_file(
            item.job_id,
            FileRecord(
                path=item.path.relative_to(self.outputs).as_posix(),
                size=item.size,
                sha256=item.sha256,
                source="delivered",
                received_at=item.received_at,
            ),
        )

    def _tell_soon(self) -> None:
        """Counters have changed: tell the windows, a few times a second at most."""
        if self._telling is None:
            loop = asyncio.get_running_loop()
            self._telling = loop.call_later(_TELL_SECONDS, self._tell)

    def _tell(self) -> None:
        self._telling = None
        with contextlib.suppress(StoreError):  # told again with the next change
            self._book.writer.set_fact("listener", self.state())
        self._hub.publish("fact", name="listener")


def _networks(name: str, texts: Sequence[str]) -> Any:
    try:
        return parse_networks(texts)
    except ValueError as error:
        LOG.warning("%s: %s", name, error)
        return None


def _socket_of(settings: ListenerSettings) -> tuple[object, ...]:
    return (settings.listen, settings.allow_public_bind, settings.tls_cert, settings.tls_key)
