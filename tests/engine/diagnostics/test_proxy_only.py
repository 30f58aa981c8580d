"""Behind a proxy that is the only way out, with a private authority: every client of the program.

The hosts have their true names, which this machine does not know; Squid does. What reaches them has
gone through the proxy with the settings in force, whatever library it is of.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.authority import Authority
from tests.canary import MARK, assert_clean
from tests.destinations.hosting import BUCKET
from tests.engine.keyrings import secret_service
from tests.engine.world import running_engine
from tests.listener.conftest import ACCESS_KEY, SECRET, grant, serve_storage
from tests.proxied_hosts import (
    API,
    API_HOST,
    HUB_HOST,
    OWN_HOST,
    PAGES,
    STORE_HOST,
    ProxiedHosts,
    proxied_hosts,
)
from tests.replicate.proxies import proxying
from tests.squid import Squid, needs_squid, squid
from tests.support import eventually
from tests.wished import wished
from tui.api.destinations import DestinationTested
from tui.api.diagnostics import DeliveryReport
from tui.api.submission import Draft
from tui.client.client import ControlClient, ControlError
from tui.client.engine_process import session_of
from tui.destinations.hub.client import open_api
from tui.engine.config.live import LiveSettings
from tui.engine.credentials.proxy_password import ProxyPassword
from tui.engine.diagnostics.network_probe import look
from tui.engine.engine import Engine
from tui.engine.runtime.event_bus import EventBus
from tui.engine.runtime.tasks import TaskOwner
from tui.listener.storage import STORAGE_PATH
from tui.sandbox.demo import write_demo_project
from tui.sandbox.server import RunningSandbox, serve
from tui.settings import Home, NetworkSettings, load_settings, save_settings
from tui.settings.network import network_of

pytestmark = [needs_squid, pytest.mark.skipif(os.geteuid() != 0, reason="port 443 needs root")]
LOGIN = f"alice:{MARK}-word"
WITH_LOGIN = [{"password": LOGIN}, {"password": LOGIN, "tls": True}]


@dataclass
class Behind:
    """An engine, and the hosts that it can reach by a proxy only."""

    engine: Engine
    client: ControlClient
    sandbox: RunningSandbox
    hosts: ProxiedHosts
    home: Home

    async def outcomes(self) -> dict[str, str]:
        """What each client of the program came to: "" where it got through, or its words."""
        cloud, publishing = self.client.cloud, self.client.publishing
        found = {}
        account = await self.client.validate()
        found["account"] = "" if account["valid"] else _said(account["error"], account["advice"])
        hub = await cloud.validate_token("huggingface")
        found["hub token"] = "" if hub["valid"] else _said(hub["error"], hub["advice"])
        page = await cloud.status_page(fresh=True)
        found["status page"] = page["error"] or ""
        for row in (await cloud.check_network())["endpoints"]:
            error = row["error"]
            found[row["name"]] = _said(error["message"], error["advice"]) if error else ""
        for name in ("bucket", "hub"):
            answer = await publishing.test_destination(name)
            found[f"{name} (library)"] = _bad(answer)
        for kind in ("local", "hub"):
            report = await cloud.check_delivery(kind=kind, hub_model_id="sandbox/cat")
            found[f"delivery {kind}"] = _bad(report)
        hook = await cloud.test_webhook()
        found["webhook"] = hook["error"] or ""
        return found


def table(found: dict[str, str]) -> str:
    """For the words of a test that failed."""
    return "\n".join(f"{name:20}{said or 'reached'}" for name, said in found.items())


def _said(message: str | None, advice: str) -> str:
    return f"{message} | {advice}"


def _bad(answer: DestinationTested | DeliveryReport) -> str:
    """Errors; and that something could not be asked, which stops no job."""
    steps = [s for s in answer["steps"] if s["level"] == "error" or "reached" in s["message"]]
    return "; ".join(_said(step["message"], step["advice"]) for step in steps)


@asynccontextmanager
async def behind(home: Home, tmp_path: Path) -> AsyncIterator[Behind]:
    """Everything but the proxy; nothing outside can be reached yet."""
    sandbox = await serve(wished(work_dir=tmp_path / "sandbox", speed=40.0))
    home.create()
    home.settings_file.write_text(
        f'[listener]\nlisten = "127.0.0.1:0"\npublic_url = "https://{OWN_HOST}"\n'
        "[network]\ntimeout = 20\n"
    )
    settings = load_settings(home, {})
    rights = grant(prefix="job", may_delete=True)
    async with contextlib.AsyncExitStack() as stack:
        # The Hub's library has one pool for the whole process, other tests' calls included.
        stack.callback(open_api, "http://127.0.0.1:1", None, NetworkSettings())
        stack.push_async_callback(sandbox.aclose)
        hosts = await stack.enter_async_context(proxied_hosts(sandbox, tmp_path / "ca"))
        storage = await stack.enter_async_context(
            serve_storage(tmp_path / "s3", grants={ACCESS_KEY: rights})
        )
        engine, _ = await stack.enter_async_context(running_engine(home, settings))
        hosts.ports[STORE_HOST] = storage.port
        hosts.ports[OWN_HOST] = int(engine.listening.address.rpartition(":")[2])
        client = ControlClient(home.socket, API)
        await client.set_session({"replicate_token": sandbox.token, "hf_token": "hf_write"})
        await client.publishing.add_destination(
            name="bucket", kind="s3", bucket=BUCKET, access_key=ACCESS_KEY, secret_key=SECRET,
            endpoint=f"https://{STORE_HOST}{STORAGE_PATH}", session_only=True,
        )  # fmt: skip
        await client.publishing.add_destination(name="hub", kind="hub", repo="sandbox/cat")
        yield Behind(engine, client, sandbox, hosts, home)


@asynccontextmanager
async def proxy_of(
    there: Behind, tmp_path: Path, *, password: str = "", tls: bool = False, refuse: bool = False
) -> AsyncIterator[tuple[Squid, str]]:
    """A proxy that resolves the hosts' names, and its address with name and password."""
    authority = Authority(tmp_path / "pa") if tls else None
    running = squid(
        there.hosts.hosts,
        password=password,
        certificate=authority.issue("127.0.0.1") if authority else None,
        refuse=refuse,
    )
    with running as proxy:
        if authority is not None:  # one bundle for both authorities, as companies have
            text = there.hosts.bundle.read_text() + authority.bundle.read_text()
            there.hosts.bundle.write_text(text)
        scheme, _, rest = proxy.address.partition("://")
        yield proxy, f"{scheme}://{password}@{rest}" if password else proxy.address


ALL = {f"{name}:443" for name in (API_HOST, HUB_HOST, STORE_HOST, OWN_HOST, *PAGES)}


@pytest.mark.parametrize("kind", [{}, *WITH_LOGIN], ids=["plain", "login", "https"])
async def test_every_client_uses_the_only_proxy(
    home: Home, tmp_path: Path, kind: dict[str, Any]
) -> None:
    async with behind(home, tmp_path) as there, proxy_of(there, tmp_path, **kind) as (proxy, way):
        lost = await there.outcomes()
        assert all(lost.values()), table(lost)
        await there.client.cloud.set_network(proxy=way, ca_bundle=str(there.hosts.bundle))
        found = await there.outcomes()
        assert not any(found.values()), table(found)
        assert proxy.hosts() == ALL
        await _up_and_down(there, tmp_path)
        doctor = await there.client.cloud.doctor()
        assert_clean(
            [repr(lost), repr(found), repr(doctor), repr(await there.client.cloud.network())]
        )


async def _up_and_down(there: Behind, tmp_path: Path) -> None:
    """Uploads and downloads take the same way."""
    client = await there.engine.clients.get(API)
    source = tmp_path / "cats.zip"
    source.write_bytes(os.urandom(300_000))
    sent = await client.upload_file(source, filename="cats.zip")
    files = there.sandbox.core.files
    stored = next(one for one in files.all() if one.id == sent.id)
    async with client.reading(files.download_url(stored, API)) as arriving:
        back = b"".join([piece async for piece in arriving.pieces])
    assert back == source.read_bytes()


async def test_proxy_and_authority_of_the_environment_count_as_well(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with behind(home, tmp_path) as there, proxy_of(there, tmp_path) as (proxy, way):
        monkeypatch.setenv("HTTPS_PROXY", way)
        monkeypatch.setenv("SSL_CERT_FILE", str(there.hosts.bundle))
        await there.client.cloud.set_network(timeout=19)  # whoever keeps connections begins anew
        found = await there.outcomes()
        assert not any(found.values()), table(found)
        assert proxy.hosts() == ALL


async def test_hosts_that_go_past_the_proxy(home: Home, tmp_path: Path) -> None:
    names = [API_HOST, HUB_HOST, STORE_HOST, OWN_HOST, *PAGES]
    async with behind(home, tmp_path) as there, proxy_of(there, tmp_path) as (proxy, way):
        await there.client.cloud.set_network(
            proxy=way, ca_bundle=str(there.hosts.bundle), no_proxy=names
        )
        found = await there.outcomes()
        assert all(found.values()), table(found)
        assert proxy.seen == []


async def test_without_the_authority_each_says_what_is_missing(home: Home, tmp_path: Path) -> None:
    async with behind(home, tmp_path) as there, proxy_of(there, tmp_path) as (_, way):
        cloud = there.client.cloud
        await cloud.set_network(proxy=way)
        found = await there.outcomes()
        assert all("certificate" in words for words in found.values()), table(found)
        del found["status page"], found["webhook"]  # say why in a line; the fix stands above
        assert all("ca_bundle" in words for words in found.values()), table(found)
        await cloud.set_network(ssl_verify=False, confirm=True)
        found = await there.outcomes()
        assert not any(found.values()), table(found)
        assert (await cloud.check_network())["tls_verified"] is False


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ({"refuse": True}, "refuse"),
        ({"password": LOGIN}, "password"),
        ({"password": LOGIN, "wrong": True}, "password"),
    ],
    ids=["refuses", "asks", "wrong"],
)
async def test_a_proxy_that_refuses_everything(
    home: Home, tmp_path: Path, kind: dict[str, Any], words: str
) -> None:
    wrong = kind.pop("wrong", False)
    async with behind(home, tmp_path) as there, proxy_of(there, tmp_path, **kind) as (proxy, way):
        address = way.replace(MARK, f"{MARK}no") if wrong else proxy.address
        await there.client.cloud.set_network(proxy=address, ca_bundle=str(there.hosts.bundle))
        found = await there.outcomes()
        assert all(words in said for said in found.values()), table(found)
        assert_clean([repr(found)])


async def test_a_proxy_that_is_not_there_is_named(home: Home, tmp_path: Path) -> None:
    async with behind(home, tmp_path) as there:
        await there.client.cloud.set_network(proxy=f"http://{LOGIN}@127.0.0.1:9")
        found = await there.outcomes()
        assert all("127.0.0.1:9" in said for said in found.values()), table(found)
        assert_clean([repr(found)])


@pytest.mark.parametrize(
    ("bundle", "words"),
    [("", "is a folder"), ("gone.pem", "does not exist"), ("empty.pem", "holds no certificate")],
)
async def test_every_client_reports_a_bundle_without_certificates(
    home: Home, tmp_path: Path, bundle: str, words: str
) -> None:
    """The card refuses such a path; the settings file can be edited by hand."""
    (tmp_path / "pem").mkdir()
    (tmp_path / "pem/empty.pem").touch()
    async with behind(home, tmp_path) as there, proxy_of(there, tmp_path) as (_, way):
        path = tmp_path / "pem" / bundle
        save_settings(home, "network", {"proxy": way, "ca_bundle": str(path)})
        there.engine.live.reload()
        found = await there.outcomes()
        assert all(words in said for said in found.values()), table(found)
        del found["status page"], found["webhook"]  # they have a line each, without the fix
        assert all("ca_bundle" in said for said in found.values()), table(found)


async def test_a_socks_proxy_reaches_all_but_s3_which_says_so(home: Home, tmp_path: Path) -> None:
    async with behind(home, tmp_path) as there, proxying("socks") as proxy:
        way = f"socks5h://127.0.0.1:{proxy.port}"
        proxy.to = there.hosts.address
        await there.client.cloud.set_network(proxy=way, ca_bundle=str(there.hosts.bundle))
        found = await there.outcomes()
        assert "SOCKS" in found.pop("bucket (library)")
        assert not any(found.values()), table(found)


async def test_no_client_waits_longer_than_the_limit(home: Home, tmp_path: Path) -> None:
    """Hosts that take the connection and say nothing: each client gives up by itself."""
    async with behind(home, tmp_path) as there, proxy_of(there, tmp_path) as (_, way):
        held: list[asyncio.StreamWriter] = []
        silent = await asyncio.start_server(lambda _, one: held.append(one), "127.0.0.1", 0)
        port = silent.sockets[0].getsockname()[1]
        there.hosts.ports.update(dict.fromkeys((API_HOST, HUB_HOST, STORE_HOST), port))
        bundle = str(there.hosts.bundle)
        await there.client.cloud.set_network(proxy=way, ca_bundle=bundle, timeout=1)
        async with silent:
            account = await there.client.validate()
            assert account["reason"] == "unreachable", account
            hub = await there.client.cloud.validate_token("huggingface")
            assert hub["reason"] == "unreachable", hub
            for name in ("bucket", "hub"):
                assert not (await there.client.publishing.test_destination(name))["ok"]
            for one in held:
                one.close()


# -- the password ----------------------------------------------------------------------------------


def _kept(there: Behind, where: str) -> bool:
    return bool(there.engine.network.ways()["proxy"]["password"] == where)


async def test_the_password_lives_in_the_keyring_and_comes_back_with_the_engine(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with secret_service() as keyring:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", keyring.address)
        async with (
            behind(home, tmp_path) as there,
            proxy_of(there, tmp_path, password=LOGIN) as (_, way),
        ):
            cloud = there.client.cloud
            await cloud.set_network(proxy=way, ca_bundle=str(there.hosts.bundle))
            await eventually(lambda: _kept(there, "keyring"))
            bare = way.replace(LOGIN, LOGIN.partition(":")[0])
            assert f'proxy = "{bare}"' in home.settings_file.read_text()
            shown = (await cloud.network())["proxy"]
            assert shown == way.replace(LOGIN.partition(":")[2], "***")
            await cloud.set_network(proxy=shown)  # as a form sends back what it was given
            again = LiveSettings(home, load_settings(home, {}))
            password = ProxyPassword(again, EventBus(), TaskOwner())
            await password.recall()
            assert password.kept == "keyring"
            probe = await look(API, network_of(again.now.network), 10)
            assert probe.error is None, probe.error.message


async def test_without_a_keyring_the_password_is_for_the_session(
    home: Home, tmp_path: Path
) -> None:
    async with behind(home, tmp_path) as there:
        await there.client.cloud.set_network(proxy=f"http://{LOGIN}@127.0.0.1:9")
        await eventually(lambda: there.engine.network.ways()["proxy"]["problem"])
        way = there.engine.network.ways()["proxy"]
        assert way["password"] == "session"
        assert "keyring" in way["problem"]
        assert_clean([repr(way), home.settings_file.read_text()])


async def test_a_password_that_was_written_into_the_file_is_told(
    home: Home, tmp_path: Path
) -> None:
    async with behind(home, tmp_path) as there:
        home.settings_file.write_text('[network]\nproxy = "http://bob:his-word@127.0.0.1:9"\n')
        there.engine.live.reload()
        way = (await there.client.cloud.network())["ways"]["proxy"]
        assert way["password"] == "file"
        assert "his-word" not in repr(way)


# -- a caller's own proxy --------------------------------------------------------------------------


async def test_a_callers_proxy_serves_its_calls_and_its_jobs_alone(
    home: Home, tmp_path: Path
) -> None:
    """The engine itself has no way out, and neither has a window without the proxy."""
    async with behind(home, tmp_path) as there, proxy_of(there, tmp_path, password=LOGIN) as (p, w):
        await there.client.cloud.set_network(ca_bundle=str(there.hosts.bundle))
        tokens = {"REPLICATE_API_TOKEN": there.sandbox.token, "HF_TOKEN": "hf_write"}
        caller, other = ControlClient(home.socket, API), ControlClient(home.socket, API)
        caller.hand_in(session_of(tokens | {"HTTPS_PROXY": w}))
        other.hand_in(session_of(tokens))
        assert not (await other.publishing.test_destination("hub"))["ok"]
        assert p.seen == []
        assert (await caller.validate())["valid"] is True
        for name in ("hub", "bucket"):
            answer = await caller.publishing.test_destination(name)
            assert answer["ok"], answer
        draft: Draft = {
            "config": str(write_demo_project(tmp_path / "project")),
            "overrides": {"max_train_steps": 12, "lora_rank": 2}, "consent": True,
            "delivery": {"kind": "none"}, "accept_delivery": True,
        }  # fmt: skip
        job_id = (await caller.submit(draft))["job_id"]

        def ended() -> bool:  # by polls, each of them at once
            there.engine.monitor.wake(job_id)
            return there.engine.reader.find(job_id).status.is_terminal

        await eventually(ended, within=20)
        job = there.engine.reader.find(job_id)
        assert job.started_at, job.error  # the sandbox cannot fetch the data by its true name
        assert "trouble" not in [event.kind for event in there.engine.reader.events(job_id)]
        with pytest.raises(ControlError, match="reached"):
            await other.sync()
        await caller.sync()
        assert_clean(below=home.root)
