"""The listener follows its settings while it runs, and never opens wider than they say."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.engine.world import running_engine, write_quick_settings
from tests.support import eventually, needs_program
from tui.engine.addresses import bind_for, is_loopback_host, public_base
from tui.engine.errors import RefusedError
from tui.engine.service import Engine
from tui.listener.webhooks import WEBHOOK_PATH
from tui.settings import Home, load_settings


@pytest.fixture
async def engine(home: Home) -> AsyncIterator[Engine]:
    write_quick_settings(home)
    async with running_engine(home, load_settings(home, {})) as (engine, _):
        yield engine


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def status(address: str, scheme: str = "http", trust: Path | None = None) -> int:
    verify = ssl.create_default_context(cafile=str(trust)) if trust else True
    async with httpx.AsyncClient(verify=verify) as client:
        return (await client.post(f"{scheme}://{address}{WEBHOOK_PATH}", content=b"{}")).status_code


async def change(engine: Engine, **values: object) -> None:
    engine.live.change("listener", values)
    await engine.listening.settled()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "[::1]", "::1"])
def test_this_machine(host: str) -> None:
    assert is_loopback_host(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "localhost.example", "", "127"])
def test_not_this_machine(host: str) -> None:
    assert not is_loopback_host(host)


def test_where_to_listen() -> None:
    assert bind_for("127.0.0.1:9000", allow_public=False).port == 9000
    closed = bind_for("0.0.0.0:9000", allow_public=False)
    assert (closed.host, closed.port) == ("127.0.0.1", 9000)
    assert "allow_public_bind" in closed.problem
    opened = bind_for("0.0.0.0:9000", allow_public=True)
    assert (opened.host, opened.problem) == ("0.0.0.0", "")
    assert "Other machines" in opened.warning
    assert bind_for("[::1]:80", allow_public=False).host == "::1"
    for odd in ("nonsense", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:-1", "1.2.3.4:x"):
        assert bind_for(odd, allow_public=True).problem


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("", ""),
        (" https://t.example/ ", "https://t.example"),
        ("https://t.example/prefix", "https://t.example/prefix"),
        (f"https://t.example/prefix{WEBHOOK_PATH}/", "https://t.example/prefix"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
    ],
)
def test_public_addresses(given: str, meant: str) -> None:
    assert public_base(given) == meant


@pytest.mark.parametrize("given", ["t.example", "http://t.example", "https://", "https://h:x"])
def test_addresses_that_webhooks_cannot_use(given: str) -> None:
    with pytest.raises(RefusedError) as refused:
        public_base(given)
    assert refused.value.details["fields"]["webhook_url"]


async def test_another_address_while_it_runs(engine: Engine) -> None:
    before, port = engine.listening.address, free_port()
    await change(engine, listen=f"127.0.0.1:{port}")
    assert engine.listening.address == f"127.0.0.1:{port}"
    assert await status(engine.listening.address) == 401
    with pytest.raises(httpx.ConnectError):
        await status(before)


async def test_other_machines_are_let_in_only_when_the_settings_say_so(engine: Engine) -> None:
    await change(engine, listen="0.0.0.0:0")
    assert engine.listening.address.startswith("127.0.0.1:")
    assert "allow_public_bind" in engine.listening.state()["problem"]
    await change(engine, allow_public_bind=True)
    state = engine.listening.state()
    assert state["address"].startswith("0.0.0.0:")
    assert state["problem"] == ""
    assert "Other machines" in state["warning"]


async def test_a_taken_port_is_told(engine: Engine) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        await change(engine, listen=f"127.0.0.1:{holder.getsockname()[1]}")
        assert "taken" in engine.listening.problem
        assert await status(engine.listening.address) == 401


@needs_program("openssl")
async def test_tls_while_it_runs(engine: Engine, tmp_path: Path) -> None:
    await asyncio.to_thread(
        subprocess.run,
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "k.pem", "-out",
         "c.pem"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    await change(engine, tls_cert=str(tmp_path / "c.pem"), tls_key=str(tmp_path / "k.pem"))
    listening = engine.listening
    assert listening.state()["tls"]
    assert await status(listening.address, "https", tmp_path / "c.pem") == 401
    here = listening.base_for("http://127.0.0.1:1/v1")
    assert here is not None
    assert here.startswith("http://127.0.0.1:")  # trainers of this machine need not trust it
    assert await status(here.removeprefix("http://")) == 401
    (tmp_path / "k.pem").write_text("nothing")
    await change(engine, tls_key=str(tmp_path / "k.pem"), listen=f"127.0.0.1:{free_port()}")
    assert listening.state()["state"] == "off"  # never in the clear instead
    assert "certificate" in listening.problem


async def test_who_may_send_changes_while_it_runs(engine: Engine) -> None:
    address = engine.listening.address
    assert await status(address) == 401
    await change(engine, allowed_ips=("203.0.113.0/24",))
    assert await status(address) == 403
    await change(engine, allowed_ips=("127.0.0.1",))
    assert await status(address) == 401
    await change(engine, allowed_ips=("no address",))
    assert await status(address) == 403  # a list that cannot be read lets nobody in
    await change(engine, allowed_ips=(), verify_signatures=False)
    assert await status(address) == 400
    assert engine.listening.address == address

    def told() -> bool:
        fact = engine.reader.fact("listener")
        return fact is not None and fact.value["webhooks"]["rejected_total"] == 5

    await eventually(told)
    assert engine.reader.fact("listener").value["verify_signatures"] is False
