"""Whose proxies a call and a job's calls use."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import httpx
import pytest

from tests.canary import MARK
from tests.engine.world import quick_settings
from tui.client.engine_process import session_of
from tui.client.session_headers import PROXIES, to_headers
from tui.engine.config.live import LiveSettings
from tui.engine.credentials.caller_network import proxies_from_headers
from tui.engine.credentials.caller_tokens import (
    CallerTokens,
    called_with,
    engine_tokens,
    engine_wide,
)
from tui.engine.credentials.job_networks import JobNetworks
from tui.engine.credentials.replicate_clients import ReplicateClients
from tui.replicate.environment_proxies import EnvironmentProxies, caller_proxies, using_proxies
from tui.replicate.known_secrets import KNOWN
from tui.replicate.network import Network, ProxyAddressError
from tui.replicate.secret import Secret
from tui.settings import Home, NetworkSettings

HTTPS = httpx.URL("https://api.replicate.com/v1")
MINE = EnvironmentProxies(https="http://mine.example:3128", no="huggingface.co")


@pytest.mark.parametrize(
    ("environ", "https", "no"),
    [
        ({}, "", ""),
        ({"HTTPS_PROXY": "http://a:1", "NO_PROXY": "x"}, "http://a:1", "x"),
        ({"HTTPS_PROXY": "http://a:1", "https_proxy": "http://b:1"}, "http://b:1", ""),
        ({"HTTPS_PROXY": "http://a:1", "https_proxy": ""}, "", ""),
    ],
)
def test_an_environments_proxies_travel_with_every_call(
    environ: dict[str, str], https: str, no: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also that there is none: an engine that was started behind a proxy goes straight for it."""
    monkeypatch.setenv("ALL_PROXY", "http://engine.example:3128")
    headers = to_headers({k: v for k, v in session_of(environ).items() if isinstance(v, str)})
    found = proxies_from_headers(headers, NetworkSettings())
    assert found is not None
    assert (found.https, found.no, found.all) == (https, no, "")
    with using_proxies(found):
        assert Network().proxy_for(HTTPS) == (https or None)
    assert Network().proxy_for(HTTPS) == "http://engine.example:3128"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"https": 1}', '{"https": "%s"}' % ("x" * 9999)])
def test_without_proxies_that_can_be_read_the_engines_own_count(text: str) -> None:
    assert proxies_from_headers({PROXIES: text}, NetworkSettings()) is None


def test_a_proxy_of_the_settings_is_everybodys() -> None:
    headers = {PROXIES: MINE.to_text()}
    assert proxies_from_headers(headers, NetworkSettings()) == MINE
    assert proxies_from_headers(headers, NetworkSettings(proxy="http://all.example:1")) is None


def test_the_engines_own_environment_is_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", MINE.https)
    headers = {PROXIES: EnvironmentProxies.of(os.environ).to_text()}
    assert proxies_from_headers(headers, NetworkSettings()) is None


def test_a_password_is_masked_wherever_it_could_be_written() -> None:
    word = f"{MARK}-his-word"
    address = f"http://alice:{word}@mine.example:3128"
    found = proxies_from_headers(
        {PROXIES: EnvironmentProxies(https=address).to_text()}, NetworkSettings()
    )
    assert MARK not in repr(found)
    assert MARK not in KNOWN.redact(f"could not connect to {address}")


def test_a_proxy_that_libraries_read_differently_is_refused_without_being_shown() -> None:
    bad = EnvironmentProxies(https="http://a@b@evil.example\\@good:1")
    with using_proxies(bad), pytest.raises(ProxyAddressError) as caught:
        Network().proxy_for(HTTPS)
    assert "HTTPS_PROXY" in str(caught.value)
    assert "evil" not in str(caught.value)


def test_a_job_keeps_the_way_of_whoever_started_it() -> None:
    networks = JobNetworks()
    with using_proxies(MINE):
        networks.remember("a")
    networks.remember("a")  # a webhook, or another window
    networks.remember("b")
    with networks.of("a"):
        assert caller_proxies() == MINE
    for job_id in ("b", "never started here"):
        with using_proxies(MINE), networks.of(job_id):
            assert caller_proxies() is None
    with using_proxies(MINE):
        networks.adopt("b")
    with networks.of("b"):
        assert caller_proxies() == MINE


def test_work_for_all_callers_takes_the_engines_way() -> None:
    with using_proxies(MINE):
        with engine_wide():
            assert caller_proxies() is None
        with engine_tokens():
            assert caller_proxies() == MINE


async def test_a_way_that_fails_does_not_hold_back_the_calls_of_others(tmp_path: Path) -> None:
    """Six failures in a row would stop every call of the client for a while."""
    live = LiveSettings(Home(tmp_path, tmp_path / "out"), quick_settings())
    clients, base = ReplicateClients(live, lambda _base: None), "https://api.replicate.com/v1"
    clients.set_token(base, "r8_" + "x" * 37, "session")
    own = await clients.get(base)
    with using_proxies(MINE):
        other = await clients.get(base)
        assert await asyncio.create_task(clients.get(base)) is other
    assert other is not own
    assert other.budget is not own.budget
    assert await clients.get(base) is own
    await clients.aclose()


@pytest.mark.parametrize("proxies", [None, MINE])
async def test_changed_network_settings_count_for_calls_with_callers_tokens_as_well(
    tmp_path: Path, proxies: EnvironmentProxies | None
) -> None:
    """A base that the engine has no token of its own for has clients of callers alone."""
    told: list[str] = []
    live = LiveSettings(Home(tmp_path, tmp_path / "out"), quick_settings())
    clients, base = ReplicateClients(live, told.append), "https://api.replicate.com/v1"
    with using_proxies(proxies), called_with(CallerTokens(base, Secret("r8_" + "x" * 37))):
        before = await clients.get(base)
        live.change("network", {"timeout": 7})
        after = await clients.get(base)
        assert after is not before
        assert await clients.get(base) is after
    assert told == [base]
    await clients.aclose()
