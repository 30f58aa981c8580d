"""The way out: proxies, who is reached without one, certificates, and words when it fails."""

from __future__ import annotations

import asyncio
import logging
import shutil
import ssl
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.replicate.proxies import proxying
from tests.replicate.server import QUICK, Server, client_for, reply, serving
from tui.replicate.errors import NotSentError
from tui.replicate.network import Network, bypasses_proxy

ME = {"type": "user", "username": "alice"}
NAME = "replicate.invalid"  # never resolves, so it is reached through the proxy or not at all


@pytest.fixture(autouse=True)
def no_proxies_from_outside(monkeypatch):
    for name in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name}_proxy".upper(), raising=False)


async def account(server, network):
    server.on("GET /account", ME)
    async with client_for(f"http://{NAME}:{server.port}/v1", network) as client:
        return await client.account()


async def test_http_proxy_from_the_settings(server):
    async with proxying() as proxy:
        network = replace(QUICK, proxy=f"http://127.0.0.1:{proxy.port}")
        assert (await account(server, network)).username == "alice"
        assert proxy.seen == [f"{NAME}:{server.port}"]


async def test_socks_proxy_from_the_settings(server):
    async with proxying("socks") as proxy:
        network = replace(QUICK, proxy=f"socks5h://127.0.0.1:{proxy.port}")
        assert (await account(server, network)).username == "alice"
        assert proxy.seen == [f"{NAME}:{server.port}"]


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
async def test_proxy_from_the_environment(server, monkeypatch, name):
    async with proxying() as proxy:
        monkeypatch.setenv(name, f"127.0.0.1:{proxy.port}")  # without a scheme, as curl allows
        network = replace(QUICK, trust_env=True)
        assert (await account(server, network)).username == "alice"
        assert len(proxy.seen) == 1
        with pytest.raises(NotSentError):
            await account(server, replace(network, trust_env=False))
        assert len(proxy.seen) == 1


async def test_the_settings_come_before_the_environment(server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "*")
    async with proxying() as proxy:
        network = replace(QUICK, trust_env=True, proxy=f"http://127.0.0.1:{proxy.port}")
        await account(server, network)
        assert len(proxy.seen) == 1


async def test_no_proxy_for_loopback_and_no_proxy(server, client, monkeypatch):
    server.on("GET /account", ME)
    async with proxying() as proxy:
        network = replace(QUICK, proxy=f"http://127.0.0.1:{proxy.port}", no_proxy=(".invalid",))
        async with client_for(server.base, network) as direct:
            await direct.account()
        with pytest.raises(NotSentError, match="could not be looked up"):
            await account(server, network)
        assert proxy.seen == []


@pytest.mark.parametrize(
    ("host", "rules", "direct"),
    [
        ("localhost", "", True),
        ("127.0.0.1", "", True),
        ("127.9.9.9", "", True),
        ("::1", "", True),
        ("example.com", "", False),
        ("example.com", "*", True),
        ("example.com", "example.com", True),
        ("api.example.com", "example.com", True),
        ("notexample.com", "example.com", False),
        ("example.com", ".example.com", False),
        ("api.example.com", ".example.com", True),
        ("api.example.com", "*.example.com", True),
        ("API.Example.Com.", "example.COM", True),
        ("example.com", "a.b, example.com ,c", True),
        ("example.com", "example.com:443", True),
        ("example.com", "example.com:80", False),
        ("10.1.2.3", "10.0.0.0/8", True),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.3:443", True),
        ("10.1.2.3", "10.1.2.3:8080", False),
        ("fd00::1", "fd00::/8", True),
        ("[fd00::1]", "[fd00::1]:443", True),
        ("fd00::1", "10.0.0.0/8", False),
        ("10.1.2.3", "1.2.3", False),
        ("example.com", "10.0.0.0/8", False),
        ("example.com", "10.0.0.0/99,[,:,//", False),
        ("example.com", "https://example.com", True),
    ],
)
def test_hosts_that_bypass_the_proxy(host, rules, direct):
    assert bypasses_proxy(host, 443, rules.split(",")) is direct


async def test_proxy_that_wants_a_password(server):
    async with proxying(password="me:pass-word-1") as proxy:
        address = f"127.0.0.1:{proxy.port}"
        network = replace(QUICK, proxy=f"http://me:pass-word-1@{address}")
        assert "pass-word-1" not in repr(network)
        assert (await account(server, network)).username == "alice"
        with pytest.raises(NotSentError) as caught:
            await secure_account(replace(QUICK, proxy=f"http://me:wrong-one@{address}"))
    assert "user name and a password" in caught.value.message
    assert "wrong-one" not in f"{caught.value!r}{caught.value}{caught.value.__dict__}"
    assert address in caught.value.message


async def secure_account(network):
    async with client_for(f"https://{NAME}/v1", network) as client:
        return await client.account()


async def test_proxy_that_refuses():
    async with proxying(refuse="403 Forbidden") as proxy:
        with pytest.raises(NotSentError, match=r"refused \(HTTP 403\)"):
            await secure_account(replace(QUICK, proxy=f"http://127.0.0.1:{proxy.port}"))


async def test_proxy_that_is_down_is_named():
    async with proxying() as proxy:
        pass
    with pytest.raises(NotSentError) as caught:
        await secure_account(replace(QUICK, proxy=f"http://127.0.0.1:{proxy.port}"))
    assert f"by the proxy 127.0.0.1:{proxy.port}" in caught.value.message


@pytest.mark.parametrize("proxy", ["gopher://127.0.0.1:1", "http://", "http://[::1", "::::"])
async def test_invalid_proxies_are_refused(proxy):
    with pytest.raises(NotSentError) as caught:
        await secure_account(replace(QUICK, proxy=proxy))
    assert caught.value.advice


async def test_unknown_name():
    with pytest.raises(NotSentError, match="could not be looked up"):
        await secure_account(QUICK)


# Certificates


@pytest.fixture(scope="session")
def certificate(tmp_path_factory) -> tuple[Path, Path]:
    """A self-signed certificate for localhost and 127.0.0.1, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    return cert, key


@pytest.fixture
async def secure_server(certificate):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    server = Server()
    server.on("GET /account", ME)
    async with serving(server.handle, ssl_context=context) as port:
        server.port = port
        yield server


@pytest.mark.needs_system("openssl")
async def test_an_unknown_certificate_is_not_trusted(secure_server):
    async with client_for(f"https://127.0.0.1:{secure_server.port}/v1") as client:
        with pytest.raises(NotSentError) as caught:
            await client.account()
    assert "certificate is not trusted" in caught.value.message
    assert "ca_bundle" in caught.value.advice
    assert not caught.value.temporary


@pytest.mark.needs_system("openssl")
async def test_own_ca_bundle(secure_server, certificate):
    network = replace(QUICK, ca_bundle=certificate[0])
    async with client_for(f"https://127.0.0.1:{secure_server.port}/v1", network) as client:
        assert (await client.account()).username == "alice"


@pytest.mark.needs_system("openssl")
async def test_ca_file_from_the_environment(secure_server, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    base = f"https://127.0.0.1:{secure_server.port}/v1"
    async with client_for(base, replace(QUICK, trust_env=True)) as client:
        assert (await client.account()).username == "alice"


@pytest.mark.needs_system("openssl")
async def test_verification_off_only_with_a_warning(secure_server, caplog):
    network = replace(QUICK, ssl_verify=False)
    assert Network().warnings() == ()
    assert "ssl_verify" in network.warnings()[0]
    with caplog.at_level(logging.WARNING):
        async with client_for(f"https://127.0.0.1:{secure_server.port}/v1", network) as client:
            assert (await client.account()).username == "alice"
    assert "Certificates are not checked" in caplog.text


@pytest.mark.parametrize("bundle", ["", "gone.pem", "empty.pem"])
async def test_an_unreadable_bundle_is_reported(tmp_path, bundle):
    (tmp_path / "empty.pem").write_bytes(b"not a certificate")
    words = {"": "is a folder", "gone.pem": "does not exist", "empty.pem": "no certificate"}
    network = replace(QUICK, ca_bundle=tmp_path / bundle)
    async with client_for("https://localhost/v1", network) as client:
        with pytest.raises(NotSentError, match=words[bundle]) as caught:
            await client.account()
    assert "ca_bundle" in caught.value.advice


async def test_tls_asked_of_a_plain_server(server):
    server.on("GET /account", reply(ME))
    async with client_for(f"https://127.0.0.1:{server.port}/v1") as client:
        with pytest.raises(NotSentError, match="secure connection"):
            await client.account()


async def test_a_tls_handshake_without_an_answer_times_out():
    """TLS belongs to the connect phase and ends by its limit."""
    held: list[asyncio.StreamWriter] = []
    listener = await asyncio.start_server(lambda _, writer: held.append(writer), "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    hasty = replace(
        QUICK,
        timeouts=replace(QUICK.timeouts, connect=0.1),
        retry=replace(QUICK.retry, attempts=1),
    )
    async with listener, client_for(f"https://127.0.0.1:{port}/v1", hasty) as client:
        with pytest.raises(NotSentError, match=r"no connection within 0\.1 s"):
            await client.account()
        for writer in held:
            writer.close()
