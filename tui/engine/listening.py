"""The listener inside the engine: where the trainer delivers to."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from tui.engine.book import Book
from tui.engine.hub import Hub
from tui.engine.live_settings import LiveSettings
from tui.engine.storage_keys import StorageKeys
from tui.listener.storage import StorageReceiver
from tui.listener.storage.grants import ReceivedObject, StorageLimits
from tui.store.reader import is_loopback
from tui.store.records import FileRecord

LOG = logging.getLogger(__name__)

_STORAGE_PATH = "/api/cloud/storage"
_PORT_FACT = "listener_port"


class Listening:
    """Runs the listener and knows its addresses.

    Attributes:
        outputs: the folder that delivered files come to.
        address: `host:port` it listens on, or "" while it does not.
        problem: why it does not listen, or "".
    """

    def __init__(
        self, live: LiveSettings, outputs: Path, book: Book, keys: StorageKeys, hub: Hub
    ) -> None:
        self.outputs = outputs
        self.address = ""
        self.problem = ""
        self._live = live
        self._book = book
        self._keys = keys
        self._hub = hub
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen on the address in the settings.

        When that port is taken, any free one will do for trainers on this machine. A job that is
        under way was told a port, so that one is tried first while there is such a job.
        """
        app = web.Application(client_max_size=0)
        public = urlsplit(self._live.now.listener.public_url).netloc
        receiver = StorageReceiver(
            self.outputs,
            self._keys,
            on_object=self._received,
            limits=StorageLimits(public_hosts=(public,) if public else ()),
        )
        receiver.add_routes(app)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=5.0)
        await runner.setup()
        self._runner = runner
        host, _, port = self._live.now.listener.listen.rpartition(":")
        before = self._book.writer.fact(_PORT_FACT)
        ports = [int(port)] if port.isdecimal() else [8080]
        if isinstance(before, int) and before not in ports:
            waiting = any(job.delivery == "local" for job in self._book.writer.active())
            ports.insert(0 if waiting else 1, before)
        for candidate in (*ports, 0):
            site = web.TCPSite(runner, host.strip("[]") or "127.0.0.1", candidate)
            try:
                await site.start()
            except OSError as error:
                LOG.info("port %s is not free: %s", candidate, error.strerror)
                self.problem = f"port {ports[0]} is taken by another program"
                continue
            self._remember(runner, ports[0])
            return

    def _remember(self, runner: web.AppRunner, wanted: int) -> None:
        host, port = runner.addresses[0][:2]
        self.address = f"{host}:{port}"
        if port == wanted:
            self.problem = ""
        self._book.writer.set_fact(_PORT_FACT, port)
        self._book.writer.set_fact("listener", self.state())
        self._hub.publish("fact", name="listener")

    def state(self) -> dict[str, Any]:
        """The listener as windows show it."""
        return {
            "address": self.address,
            "state": "listening" if self.address else "off",
            "problem": self.problem,
            "public_url": self._live.now.listener.public_url,
            "outputs": str(self.outputs),
        }

    def storage_url(self, api_base: str) -> str | None:
        """Where a trainer of this API base can deliver to, or None when it cannot reach us."""
        if is_loopback(api_base):
            return f"http://{self.address}{_STORAGE_PATH}" if self.address else None
        base = self._live.now.listener.public_url.rstrip("/")
        return f"{base}{_STORAGE_PATH}" if base else None

    async def _received(self, item: ReceivedObject) -> None:
        """A file is complete: into the job's record with it."""
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

    async def aclose(self) -> None:
        """Stop listening; bodies on their way get a moment to finish."""
        if self._runner is not None:
            await self._runner.cleanup()
