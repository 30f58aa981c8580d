"""Checks the connection to every host that the program uses, all at the same time."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from tui.base.clock import utc_now
from tui.base.firewall import EGRESS_NAMES, EGRESS_RANGES, HTTPS
from tui.base.hosts import is_loopback
from tui.engine.config.live import LiveSettings
from tui.engine.credentials.proxy_password import ProxyPassword
from tui.engine.credentials.replicate_clients import ReplicateClients
from tui.engine.diagnostics.network_probe import NetworkProbe, look
from tui.engine.diagnostics.status_page import page_of
from tui.engine.runtime.event_bus import EventBus
from tui.replicate.environment_proxies import proxies_in_force
from tui.replicate.errors import ReplicateError
from tui.settings.network import network_of
from tui.settings.proxy_password import mask_password
from tui.store.writer import StoreWriter

if TYPE_CHECKING:
    from tui.api.network import (
        EndpointName,
        NetworkReport,
        ProbedEndpoint,
        ProbeFailure,
        ProxyInUse,
        WaysOut,
    )

FACT: Final = "network"
LIMIT: Final = 10.0  # seconds for a host
_SLOW: Final = 2000.0  # milliseconds


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A host to check.

    Attributes:
        id: a short name.
        shown: the host's name on the screen.
        url: the URL to request, without a token.
        purpose: what the program uses it for.
        required: whether jobs need it.
    """

    id: EndpointName
    shown: str
    url: str
    purpose: str
    required: bool


REPLICATE: Final = (
    Endpoint("delivery", "*.replicate.delivery", "https://replicate.delivery/",
             "file uploads and downloads", True),
    Endpoint("web", "replicate.com", "https://replicate.com/", "model pages", False),
)  # fmt: skip


class NetworkCheck:
    """Checks every endpoint with the settings in force."""

    def __init__(
        self,
        clients: ReplicateClients,
        live: LiveSettings,
        writer: StoreWriter,
        bus: EventBus,
        password: ProxyPassword,
    ) -> None:
        self._password = password
        self._clients = clients
        self._live = live
        self._writer = writer
        self._bus = bus

    def endpoints(self, api_base: str) -> list[Endpoint]:
        """Return the hosts of an API base; a server on this machine has no further ones."""
        host = urlsplit(api_base).netloc
        page = page_of(api_base, self._live.now.network.status_page)
        endpoints = [
            Endpoint("api", host, api_base, "job submission and status", True),
            Endpoint("status", urlsplit(page).netloc, f"{page}/api/v2/summary.json",
                     "status page; jobs work without it", False),
        ]  # fmt: skip
        return endpoints if is_loopback(api_base) else [endpoints[0], *REPLICATE, endpoints[1]]

    async def run(self, api_base: str, *, limit: float = LIMIT) -> NetworkReport:
        """Check all hosts at the same time; never raises."""
        network = network_of(self._live.now.network)
        endpoints = self.endpoints(api_base)
        rows = await asyncio.gather(
            *(self._row(endpoint, look(endpoint.url, network, limit)) for endpoint in endpoints),
            self._check_webhook_secret(api_base, limit),
        )
        answer: NetworkReport = {
            "api_base": api_base,
            "endpoints": list(rows),
            "ok": all(row["ok"] for row in rows if row["required"]),
            **self.ways(),
            "warnings": list(network.warnings()),
            "egress": {"ranges": list(EGRESS_RANGES), "names": list(EGRESS_NAMES), "port": HTTPS},
            "checked_at": utc_now().isoformat(),
        }
        self._writer.set_fact(FACT, answer)
        self._bus.publish("fact", name=FACT)
        return answer

    def ways(self) -> WaysOut:
        """Return proxy and certificate authorities in use, with their sources.

        A proxy of the environment is that of who asks, as in `Network.proxy_for`.
        """
        settings = self._live.now.network
        environment = proxies_in_force()
        kind = next((kind for kind in ("https", "all") if environment.get(kind)), "")
        if settings.proxy:
            proxy: ProxyInUse = {
                "address": mask_password(settings.proxy), "from": "settings",
                "password": self._password.kept, "problem": self._password.problem,
            }  # fmt: skip
        elif kind:
            address = mask_password(environment.get(kind))
            proxy = {"address": address, "from": f"{kind.upper()}_PROXY"}
        else:
            proxy = {"address": "", "from": ""}
        usual = os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR")
        return {
            "proxy": proxy,
            "ca": {
                "bundle": settings.ca_bundle,
                "usual": usual or "certifi",
                "from": "settings" if settings.ca_bundle else "SSL_CERT_FILE" if usual else "",
            },
            "tls_verified": settings.ssl_verify,
        }

    async def _row(self, endpoint: Endpoint, probing: Awaitable[NetworkProbe]) -> ProbedEndpoint:
        probe = await probing
        error = probe.error
        return {
            "id": endpoint.id,
            "name": endpoint.shown,
            "url": endpoint.url,
            "purpose": endpoint.purpose,
            "required": endpoint.required,
            "ok": error is None,
            "slow": error is None and probe.milliseconds > _SLOW,
            "milliseconds": probe.milliseconds,
            "phases": probe.phases,
            "via": probe.via,
            "status": probe.status,
            "tls": probe.tls,
            "error": None
            if error is None
            else {"phase": error.phase, "message": error.message, "advice": error.advice},
        }

    async def _check_webhook_secret(self, api_base: str, limit: float) -> ProbedEndpoint:
        """Check that the webhook secret can be fetched; needed only to verify signatures."""
        endpoint = Endpoint(
            "webhook_secret", f"{urlsplit(api_base).netloc}/v1/webhooks/default/secret",
            f"{api_base}/webhooks/default/secret", "webhook signing secret",
            self._live.now.listener.verify_signatures,
        )  # fmt: skip
        started = time.perf_counter()
        problem: ProbeFailure | None = None
        try:
            async with asyncio.timeout(limit):
                await (await self._clients.get(api_base)).webhook_secret()
        except ReplicateError as error:
            problem = {"phase": "http", "message": error.message, "advice": error.advice}
        except TimeoutError:
            message = f"it took longer than {limit:g} s"
            problem = {"phase": "http", "message": message, "advice": "Try again."}
        elapsed_ms = round((time.perf_counter() - started) * 1000, 1)
        return {
            "id": endpoint.id,
            "name": endpoint.shown,
            "url": endpoint.url,
            "purpose": endpoint.purpose,
            "required": endpoint.required,
            "ok": problem is None,
            "slow": False,
            "milliseconds": elapsed_ms,
            "phases": {"http": elapsed_ms},
            "via": "",
            "status": None,
            "tls": {},
            "error": problem,
        }
