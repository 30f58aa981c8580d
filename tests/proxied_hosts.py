"""The hosts that the program talks to, by their real names, over https, on a loopback address.

Only a proxy with a hosts file resolves these names here (`tests/squid.py`), and their certificates
are signed by a private authority that clients must be configured to trust (`tests/authority.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web

from tests.authority import Authority
from tests.replicate.server import serving
from tui.sandbox.server import RunningSandbox

API = "https://api.replicate.com/v1"
API_HOST, HUB_HOST = "api.replicate.com", "huggingface.co"
STATUS_HOST, STORE_HOST, OWN_HOST = "www.replicatestatus.com", "s3.example.com", "me.example.com"
PAGES = ("replicate.com", "replicate.delivery", STATUS_HOST)
NAMES = (API_HOST, HUB_HOST, STORE_HOST, OWN_HOST, *PAGES)


@dataclass
class ProxiedHosts:
    """The running hosts.

    Attributes:
        address: the address of all hosts, which listen on port 443.
        bundle: the PEM file of their certificate authority.
        ports: the port of each host's server; may be extended.
    """

    address: str
    bundle: Path
    ports: dict[str, int] = field(default_factory=dict)

    @property
    def hosts(self) -> dict[str, str]:
        """The entries of the proxy's hosts file."""
        return dict.fromkeys(NAMES, self.address)


@asynccontextmanager
async def proxied_hosts(sandbox: RunningSandbox, folder: Path) -> AsyncIterator[ProxiedHosts]:
    """Serve the sandbox, its Hub and a few pages under their real names."""
    authority = Authority(folder)
    context = authority.issue(*NAMES).context()
    context.sni_callback = _note_name
    sandbox.core.views.base_url = API
    assert sandbox.hub is not None
    sandbox.hub.hub.url = f"https://{HUB_HOST}"
    hosts = ProxiedHosts(_free_address(), authority.bundle)
    hosts.ports[API_HOST] = int(sandbox.base_url.split("/")[2].rpartition(":")[2])
    hosts.ports[HUB_HOST] = int(sandbox.hub.url.rpartition(":")[2])
    connections: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        task.add_done_callback(connections.discard)
        name = getattr(writer.get_extra_info("ssl_object"), "wanted", None)
        with contextlib.suppress(ConnectionError, ssl.SSLError, asyncio.CancelledError):
            await _join(hosts.ports.get(str(name), 9), reader, writer)
        writer.transport.abort()

    async with serving(_pages(sandbox.base_url)) as port:
        hosts.ports.update(dict.fromkeys(PAGES, port))
        server = await asyncio.start_server(serve, hosts.address, 443, ssl=context)
        try:
            yield hosts
        finally:
            server.close()
            for connection in connections:
                connection.cancel()
            await asyncio.gather(*connections, return_exceptions=True)


def _note_name(connection: Any, name: str | None, _context: ssl.SSLContext) -> None:
    connection.wanted = name


def _free_address() -> str:
    """Return an unused loopback address, so that parallel tests have a port 443 each."""
    while True:
        address = f"127.{random.randint(1, 250)}.{random.randint(1, 250)}.{random.randint(2, 250)}"
        with socket.socket() as probe:
            try:
                probe.bind((address, 443))
            except PermissionError:
                pytest.skip("listening on port 443 needs root")
            except OSError:
                continue
            return address


def _pages(base: str) -> Any:
    """Serve Replicate's status page from the sandbox, and 404 for other hosts."""
    origin = base.removesuffix("/v1")

    async def answer(request: web.Request) -> web.Response:
        if request.host != STATUS_HOST:
            return web.Response(status=404, text="not found")
        async with httpx.AsyncClient(trust_env=False) as client:
            reply = await client.get(f"{origin}/status-page{request.path}")
        return web.Response(body=reply.content, content_type="application/json")

    return answer


async def _join(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    up_reader, up_writer = await asyncio.open_connection("127.0.0.1", port)

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()

    pumps = {asyncio.create_task(pump(reader, up_writer)),
            asyncio.create_task(pump(up_reader, writer))}  # fmt: skip
    try:
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for pump_task in pumps:
            pump_task.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        up_writer.transport.abort()
