"""The listener follows its settings while it runs, and never opens wider than they say."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.engine.listener.addresses import make_certificate, status
from tests.engine.world import running_engine, write_quick_settings
from tests.support import eventually, free_port, needs_program
from tui.base.errors import RefusedError
from tui.base.listener_address import bind_for, public_base
from tui.engine.engine import Engine
from tui.engine.listener import sockets
from tui.engine.listener.service import stats_row
from tui.listener.stats import ListenerStats
from tui.listener.webhooks import WEBHOOK_PATH
from tui.settings import Home, SettingsError, load_settings


@pytest.fixture
async def engine(home: Home) -> AsyncIterator[Engine]:
    write_quick_settings(home)
    async with running_engine(home, load_settings(home, {})) as (engine, _):
        yield engine


async def change(engine: Engine, **values: object) -> None:
    engine.live.change("listener", values)
    await engine.listening.settled()


def test_bind_address_from_settings() -> None:
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


async def test_a_taken_port_is_reported(engine: Engine) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        await change(engine, listen=f"127.0.0.1:{holder.getsockname()[1]}")
        assert "taken" in engine.listening.problem
        assert await status(engine.listening.address) == 401


@needs_program("openssl")
async def test_tls_while_it_runs(engine: Engine, tmp_path: Path) -> None:
    certificate, key = await make_certificate(tmp_path)
    await change(engine, tls_cert=str(certificate), tls_key=str(key))
    listening = engine.listening
    assert listening.state()["tls"]
    assert await status(listening.address, "https", certificate) == 401
    here = listening.base_for("http://127.0.0.1:1/v1")
    assert here is not None
    assert here.startswith("http://127.0.0.1:")  # trainers of this machine need not trust it
    assert await status(here.removeprefix("http://")) == 401
    key.write_text("nothing")
    before = listening.address
    await change(engine, listen=f"127.0.0.1:{free_port()}")
    assert "holds no private key" in listening.problem
    assert listening.address == before  # never in the clear instead
    assert await status(before, "https", certificate) == 401


@needs_program("openssl")
async def test_an_engine_that_starts_with_a_bad_certificate_stays_closed(
    home: Home, tmp_path: Path
) -> None:
    certificate, _ = await make_certificate(tmp_path)
    home.create()
    home.settings_file.write_text(
        f'[listener]\nlisten = "127.0.0.1:0"\ntls_cert = "{certificate}"\n'
    )
    async with running_engine(home, load_settings(home, {})) as (engine, _):
        assert engine.listening.state()["state"] == "off"
        assert "tls_cert in the settings holds no key" in engine.listening.problem
        await change(engine, tls_cert=None)
        assert engine.listening.state()["state"] == "listening"
        assert await status(engine.listening.address) == 401


# -- a change that is asked for is in force, or nothing has changed -----------------------------


async def refuses(engine: Engine, **values: object) -> str:
    """Ask for a change that cannot be; returns what stands at the field."""
    before, door = engine.live.now.listener, engine.listening.address
    with pytest.raises(RefusedError) as refused:
        await engine.listening.binding.change(values)
    ((name, words),) = refused.value.details["fields"].items()
    assert name.removeprefix("listener.") in values
    assert engine.live.now.listener == before
    assert engine.listening.address == door
    assert engine.listening.problem == ""
    assert await status(door) == 401  # it is served as before
    return str(words)


async def test_an_address_that_cannot_be_bound_changes_nothing(engine: Engine) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = holder.getsockname()[1]
        assert "is taken" in await refuses(engine, listen=f"127.0.0.1:{taken}")
    elsewhere = await refuses(engine, listen="192.0.2.1:8099", allow_public_bind=True)
    assert "no address of this machine" in elsewhere
    nobody = await refuses(engine, listen="no-such-host.invalid:8099", allow_public_bind=True)
    assert "names no address" in nobody or "in time" in nobody
    assert "allow that first" in await refuses(engine, listen=f"0.0.0.0:{free_port()}")


async def test_other_machines_are_let_in_on_the_same_port(engine: Engine) -> None:
    port = free_port()
    await engine.listening.binding.change({"listen": f"127.0.0.1:{port}"})
    await engine.listening.binding.change({"listen": f"0.0.0.0:{port}", "allow_public_bind": True})
    assert engine.listening.address == f"0.0.0.0:{port}"
    assert "Other machines" in engine.listening.warning
    assert await status(f"127.0.0.1:{port}") == 401
    words = "change that address first"
    with pytest.raises(RefusedError, match=words):
        await engine.listening.binding.change({"allow_public_bind": False})
    await engine.listening.binding.change(
        {"listen": f"127.0.0.1:{port}", "allow_public_bind": False}
    )
    assert (engine.listening.address, engine.listening.warning) == (f"127.0.0.1:{port}", "")
    assert await status(f"127.0.0.1:{port}") == 401


@needs_program("openssl")
async def test_certificates_that_cannot_be_used_change_nothing(
    engine: Engine, tmp_path: Path
) -> None:
    certificate, key = await make_certificate(tmp_path)
    other, other_key = await make_certificate(tmp_path, "2")
    _, locked_key = await make_certificate(tmp_path, "3", "-passout", "pass:geheim")
    (tmp_path / "text.pem").write_text("no certificate")
    pipe = tmp_path / "pipe.pem"
    os.mkfifo(pipe)
    pair = {"tls_cert": str(certificate), "tls_key": str(key)}
    for values, words in (
        ({"tls_cert": str(tmp_path)}, "is a folder"),
        ({"tls_cert": str(tmp_path / "none.pem")}, "does not exist"),
        ({"tls_cert": str(tmp_path / "text.pem")}, "holds no certificate"),
        ({"tls_cert": str(pipe)}, "is no file"),
        ({"tls_cert": str(certificate)}, "holds no key"),
        ({"tls_cert": str(key)}, "holds no certificate"),
        ({**pair, "tls_key": str(other_key)}, "is of another certificate"),
        ({**pair, "tls_key": str(certificate)}, "holds no private key"),
        ({**pair, "tls_key": str(locked_key)}, "needs a passphrase"),
        ({**pair, "tls_key": str(tmp_path)}, "is a folder"),
        ({"tls_key": str(tmp_path / "none.pem")}, "does not exist"),
    ):
        assert words in await refuses(engine, **values), values
    await engine.listening.binding.change(pair)
    address = engine.listening.address
    assert await status(address, "https", certificate) == 401
    with pytest.raises(RefusedError, match="another certificate"):
        await engine.listening.binding.change({"tls_cert": str(other)})
    assert await status(address, "https", certificate) == 401
    # Both at once, and on the same port: the old one has to go first.
    await engine.listening.binding.change({"tls_cert": str(other), "tls_key": str(other_key)})
    assert await status(engine.listening.address, "https", other) == 401


async def test_settings_that_cannot_be_written_move_nothing(engine: Engine, home: Home) -> None:
    before = engine.listening.address
    home.settings_file.write_text("[listener\n")  # somebody is editing it
    with pytest.raises(SettingsError):
        await engine.listening.binding.change({"listen": f"127.0.0.1:{free_port()}"})
    assert engine.listening.address.partition(":")[0] == before.partition(":")[0]
    assert await status(engine.listening.address) == 401
    assert engine.live.now.listener.listen == "127.0.0.1:0"


@pytest.mark.parametrize("wrong", ['allowed_ips = "127.0.0.1"', 'allowed_ip = ["127.0.0.1"]'])
async def test_a_malformed_allow_list_admits_nobody(engine: Engine, home: Home, wrong: str) -> None:
    home.settings_file.write_text(f'[listener]\nlisten = "127.0.0.1:0"\n{wrong}\n')
    await eventually(lambda: engine.live.now.problems, within=30)
    assert await status(engine.listening.address) == 403


async def test_allowed_senders_change_while_it_runs(engine: Engine) -> None:
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
    fact = engine.reader.fact("listener")
    assert fact is not None
    assert fact.value["verify_signatures"] is False


async def test_the_counters_survive_a_restart(home: Home) -> None:
    write_quick_settings(home)
    settings = load_settings(home, {})
    async with running_engine(home, settings) as (engine, _):
        assert await status(engine.listening.address) == 401
        assert await status(engine.listening.address) == 401
        before = engine.listening.stats
        assert before["rejected"] == {"unsigned": 2}
    async with running_engine(home, settings) as (engine, _):
        assert engine.listening.stats == before
        assert await status(engine.listening.address) == 401
        assert engine.listening.stats["rejected"] == {"unsigned": 3}
        reader = engine.reader
        fact = await eventually(
            lambda: (
                fact if (fact := reader.fact("listener")) is not None
                and fact.value["webhooks"]["rejected_total"] == 3 else None
            )
        )  # fmt: skip
        assert fact.value["address"] == engine.listening.address


@pytest.mark.parametrize(
    "stored",
    [None, [], {"accepted": "7"}, {"accepted": -1, "rejected": [1]},
     {"rejected": {"unsigned": None}, "last_rejection": {"at": "yesterday"}},
     {"last_accepted_at": 5, "last_rejection": "x"}],
)  # fmt: skip
def test_counters_that_cannot_be_read_begin_at_zero(stored: object) -> None:
    stats = ListenerStats()
    stats.restore(stored)
    assert stats_row(stats) == stats_row(ListenerStats())


@needs_program("openssl")
async def test_who_begins_no_handshake_is_soon_hung_up_on(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "_HANDSHAKE_SECONDS", 0.2)
    certificate, key = await make_certificate(tmp_path)
    await engine.listening.binding.change({"tls_cert": str(certificate), "tls_key": str(key)})
    port = engine.listening.binding.sockets.port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(30):
        assert await reader.read() == b""
    writer.close()
