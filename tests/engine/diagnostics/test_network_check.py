"""Every connection, looked at through real proxies and real TLS with an authority of our own."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.engine.world import World, quick_settings, running_world, username
from tests.replicate.proxies import proxying
from tests.replicate.server import serving
from tests.support import eventually
from tui.base.firewall import EGRESS_RANGES
from tui.client.client import ControlError
from tui.engine.diagnostics.network_probe import look
from tui.replicate.environment_proxies import EnvironmentProxies, using_proxies
from tui.replicate.network import Network
from tui.settings import Home

HOST = "replicate.test"  # only the proxies know it
DIRECT = Network(trust_env=False)


async def fine(_request: web.Request) -> web.Response:
    return web.json_response({})


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for loopback and `HOST` that only its own PEM file vouches for."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("ca")
    key, pem = folder / "key.pem", folder / "ca.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-keyout", str(key), "-out", str(pem), "-days", "2", "-nodes", "-subj", "/O=Own CA/CN=ca",
         "-addext", f"subjectAltName=DNS:{HOST},DNS:localhost,IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    return key, pem


@asynccontextmanager
async def secure(authority: tuple[Path, Path], handler: Any = fine) -> AsyncIterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority[1], authority[0])
    async with serving(handler, ssl_context=context) as port:
        yield port


async def test_each_phase_has_its_time(authority: tuple[Path, Path]) -> None:
    network = replace(DIRECT, ca_bundle=authority[1])
    async with secure(authority) as port:
        probe = await look(f"https://localhost:{port}/v1", network, 10)
    assert probe.error is None
    assert list(probe.phases) == ["dns", "tcp", "tls", "http"]
    assert all(0 <= spent < 10_000 for spent in probe.phases.values())
    assert (probe.status, probe.via) == (200, "direct")
    assert probe.tls["issuer"] == "Own CA"
    assert probe.tls["verified"] == "yes"


async def test_an_unknown_authority_is_reported_with_the_fix(authority: tuple[Path, Path]) -> None:
    async with secure(authority) as port:
        probe = await look(f"https://localhost:{port}/", DIRECT, 10)
        assert probe.error is not None
        assert probe.error.phase == "tls"
        assert "network.ca_bundle" in probe.error.advice
        open_eyed = await look(f"https://localhost:{port}/", replace(DIRECT, ssl_verify=False), 10)
        assert open_eyed.error is None
        assert open_eyed.tls["verified"] == "no"


@pytest.mark.parametrize(("kind", "scheme"), [("http", "http"), ("socks", "socks5h")])
async def test_through_the_only_proxy(authority: tuple[Path, Path], kind: str, scheme: str) -> None:
    async with secure(authority) as port, proxying(kind) as proxy:
        way = f"{scheme}://127.0.0.1:{proxy.port}"
        network = replace(DIRECT, proxy=way, ca_bundle=authority[1])
        probe = await look(f"https://{HOST}:{port}/", network, 10)
        assert probe.error is None, probe.error.message
        assert list(probe.phases) == ["dns", "tcp", "proxy", "tls", "http"]
        assert probe.via == f"127.0.0.1:{proxy.port}"
        assert proxy.seen == [f"{HOST}:{port}"]


async def test_a_proxy_that_wants_a_password(authority: tuple[Path, Path]) -> None:
    async with secure(authority) as port, proxying(password="me:secret-word") as proxy:
        network = replace(DIRECT, ca_bundle=authority[1])
        without = replace(network, proxy=f"http://127.0.0.1:{proxy.port}")
        probe = await look(f"https://{HOST}:{port}/", without, 10)
        assert probe.error is not None
        assert probe.error.phase == "proxy"
        assert "password" in probe.error.message
        given = replace(network, proxy=f"http://me:secret-word@127.0.0.1:{proxy.port}")
        probe = await look(f"https://{HOST}:{port}/", given, 10)
        assert probe.error is None
        assert "secret-word" not in repr(probe)


async def test_a_plain_http_request_carries_the_proxy_login() -> None:
    """No tunnel is dug for it: the proxy reads the request itself."""

    async def page(_request: web.Request) -> web.Response:
        return web.Response(text="here")

    async with serving(page) as port, proxying(password="me:secret-word") as proxy:
        url = f"http://{HOST}:{port}/there"
        without = replace(DIRECT, proxy=f"http://127.0.0.1:{proxy.port}")
        probe = await look(url, without, 10)
        assert probe.error is not None
        assert probe.error.phase == "proxy"
        assert "password" in probe.error.message
        given = replace(DIRECT, proxy=f"http://me:secret-word@127.0.0.1:{proxy.port}")
        probe = await look(url, given, 10)
        assert probe.error is None, probe.error.message
        assert probe.status == 200
        assert proxy.seen == [f"{HOST}:{port}"]


async def test_a_proxy_that_refuses_or_is_not_there(authority: tuple[Path, Path]) -> None:
    async with proxying(refuse="403 Forbidden") as proxy:
        network = replace(DIRECT, proxy=f"http://127.0.0.1:{proxy.port}")
        probe = await look(f"https://{HOST}:443/", network, 10)
        assert probe.error is not None
        assert "refuses" in probe.error.message
        assert HOST in probe.error.advice
    probe = await look(f"https://{HOST}/", replace(DIRECT, proxy="http://127.0.0.1:9"), 10)
    assert probe.error is not None
    assert probe.error.phase == "proxy"
    assert "network.proxy" in probe.error.advice


@pytest.mark.parametrize(
    ("url", "phase"),
    [("https://no-such-host.invalid/", "dns"), ("http://127.0.0.1:9/", "tcp")],
)
async def test_the_failing_phase_is_reported(url: str, phase: str) -> None:
    probe = await look(url, DIRECT, 10)
    assert probe.error is not None
    assert probe.error.phase == phase
    assert probe.error.advice


async def test_a_silent_server_takes_no_longer_than_the_limit() -> None:
    gone = []

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()
        gone.append(writer)

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        for scheme, phase in (("http", "http"), ("https", "tls")):
            probe = await look(f"{scheme}://127.0.0.1:{port}/", DIRECT, 0.3)
            assert probe.error is not None
            assert probe.error.phase == phase
            assert "0.3 s" in probe.error.message
        await eventually(lambda: len(gone) == 2)


async def test_garbage_is_not_http() -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"220 mail.example ESMTP\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        probe = await look(f"http://127.0.0.1:{port}/", DIRECT, 5)
    assert probe.error is not None
    assert "HTTP" in probe.error.message


# -- through the control API -----------------------------------------------------------------------


async def test_the_card_shows_every_endpoint_and_the_way_of_who_asks(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await world.client.cloud.check_network()
    assert [row["id"] for row in found["endpoints"]] == ["api", "status", "webhook_secret"]
    assert found["ok"] is True
    assert all(row["ok"] for row in found["endpoints"]), found
    assert found["tls_verified"] is True
    names = [
        place.shown for place in world.engine.network.endpoints("https://api.replicate.com/v1")
    ]
    assert names == [
        "api.replicate.com", "*.replicate.delivery", "replicate.com", "www.replicatestatus.com",
    ]  # fmt: skip
    fact = world.reader.fact("network")
    assert fact is not None
    assert fact.value["ok"] is True
    with using_proxies(EnvironmentProxies(all="socks5h://me:hidden-word@proxy:1080")):
        way = world.engine.network.ways()["proxy"]
    assert way == {"address": "socks5h://me:***@proxy:1080", "from": "ALL_PROXY"}, "the caller's"
    monkeypatch.setenv("HTTPS_PROXY", "http://of-the-engine:3128")
    assert world.engine.network.ways()["proxy"]["from"] == "HTTPS_PROXY"
    with using_proxies(EnvironmentProxies()):
        assert world.engine.network.ways()["proxy"] == {"address": "", "from": ""}


def test_the_ranges_for_strict_firewalls_are_those_of_the_page() -> None:
    assert EGRESS_RANGES[:3] == ("34.82.0.0/16", "34.83.0.0/16", "35.185.0.0/16")
    assert EGRESS_RANGES[-1] == "35.247.0.0/16"
    assert len(EGRESS_RANGES) == 65


async def test_settings_are_applied_at_once_and_checked(
    home: Home, project: Path, authority: tuple[Path, Path]
) -> None:
    async with running_world(home, project, settings=quick_settings()) as world:
        cloud = world.client.cloud
        for wrong in (
            {"proxy": "ftp://x"}, {"ca_bundle": str(home.root)}, {"timeout": "NaN"},
            {"timeout": 0}, {"no_proxy": 5}, {"nonsense": 1}, {"ssl_verify": "no"},
        ):  # fmt: skip
            with pytest.raises(ControlError) as caught:
                await cloud.set_network(**wrong)
            assert list(caught.value.details["fields"]) == list(wrong)
        with pytest.raises(ControlError) as caught:
            await cloud.set_network(ssl_verify=False)
        assert caught.value.code == "confirm_required"
        assert world.engine.live.now.network.ssl_verify is True
        await cloud.set_network(ssl_verify=False, confirm=True)
        await cloud.set_network(ca_bundle=str(authority[1]), ssl_verify=True)
        shown = await cloud.set_network(proxy="http://me:hidden-word@127.0.0.1:9")
        assert shown["proxy"] == "http://me:***@127.0.0.1:9"
        assert "hidden-word" not in repr(await cloud.check_network())
        assert (await world.client.validate())["valid"] is True  # loopback needs no proxy


async def test_a_changed_proxy_and_authority_reach_replicates_client(
    home: Home, project: Path, authority: tuple[Path, Path]
) -> None:
    """The token is validated through the only way out, with the setting made a moment before."""
    from tui.client.client import ControlClient

    async def account(_request: web.Request) -> web.Response:
        return web.json_response({"type": "user", "username": "alice", "name": "Alice"})

    async with (
        secure(authority, account) as port,
        proxying() as proxy,
        running_world(home, project) as world,
    ):
        client = ControlClient(home.socket, f"https://{HOST}:{port}/v1")
        await client.set_session({"replicate_token": world.sandbox.token})
        await client.cloud.set_network(proxy=f"http://127.0.0.1:{proxy.port}", timeout=5)
        assert (await client.validate())["reason"] == "unreachable"  # the authority is unknown
        await client.cloud.set_network(ca_bundle=str(authority[1]))
        assert await username(client) == "alice"
        assert set(proxy.seen) == {f"{HOST}:{port}"}
