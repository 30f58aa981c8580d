"""The Hub of an API base comes with the session, and each Hub's token stays with that Hub."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from aiohttp import web

from tests.engine.world import World
from tests.replicate.server import serving
from tui.client.client import ControlClient
from tui.client.engine_process import engine_environment, session_of
from tui.engine.config.live import LiveSettings
from tui.engine.credentials.bucket_keys import same_server
from tui.engine.credentials.caller_tokens import CallerTokens
from tui.engine.credentials.replicate_clients import ReplicateClients
from tui.engine.credentials.token_store import DEFAULT_HUB, clean_endpoint, hub_meant
from tui.replicate.secret import Secret
from tui.settings import Home, Settings

LIVE = "https://api.replicate.com/v1"
LOCAL = "http://127.0.0.1:5/v1"


@pytest.fixture
def clients(home: Home) -> ReplicateClients:
    return ReplicateClients(LiveSettings(home, Settings()), lambda _base: None)


def shown(clients: ReplicateClients, base: str) -> str:
    token = clients.hub_token(base)
    return token.reveal() if token is not None else ""


def test_the_session_carries_the_hub_and_the_engine_forgets_the_shells() -> None:
    environ = {"HF_ENDPOINT": "http://127.0.0.1:7/", "HF_TOKEN": " hf_a ", "LANG": "C"}
    hub = {"hf_endpoint": "http://127.0.0.1:7/", "hf_token": "hf_a"}
    assert session_of(environ) == hub | {"proxies": "{}"}
    needed = {"LANG": "C", "LC_ALL": "C", "https_proxy": "http://p:1", "HF_HUB_DISABLE_XET": "1"}
    others = {"AWS_SECRET_ACCESS_KEY": "a", "OPENAI_API_KEY": "b", "GITHUB_TOKEN": "c"}
    assert engine_environment(environ | needed | others) == needed


def take(clients: ReplicateClients, base: str, endpoint: str, token: str) -> None:
    """Use what a shell's environment holds, as `Takeover` does while no job is active."""
    hub = hub_meant(CallerTokens(base, None, Secret(token) if token else None, endpoint))
    if hub is not None:
        clients.tokens.use_hub(base, hub)
        if token and hub:
            clients.tokens.give("huggingface", base, token, "environment")


def test_each_api_has_a_hub_of_its_own(clients: ReplicateClients) -> None:
    take(clients, LOCAL, "http://127.0.0.1:7/", "hf_sandbox")
    take(clients, LIVE, "", "hf_real")
    assert (clients.hub_endpoint(LOCAL), shown(clients, LOCAL)) == (
        "http://127.0.0.1:7",
        "hf_sandbox",
    )
    assert (clients.hub_endpoint(LIVE), shown(clients, LIVE)) == (DEFAULT_HUB, "hf_real")


def test_a_token_stays_with_the_hub_that_it_was_given_for(clients: ReplicateClients) -> None:
    take(clients, LIVE, "https://mirror.example", "hf_mirror")
    take(clients, LIVE, "", "hf_real")  # a window without HF_ENDPOINT
    assert (clients.hub_endpoint(LIVE), shown(clients, LIVE)) == (DEFAULT_HUB, "hf_real")
    take(clients, LIVE, "https://other.example", "")
    assert shown(clients, LIVE) == ""
    take(clients, LIVE, "https://mirror.example/", "")
    assert shown(clients, LIVE) == "hf_mirror"
    take(clients, LIVE, "", "")  # an environment without either changes nothing
    assert shown(clients, LIVE) == "hf_mirror"


def test_the_keyrings_token_is_not_for_an_api_of_a_caller(
    clients: ReplicateClients,
) -> None:
    tokens = clients.tokens
    assert tokens.host("huggingface", LIVE) == "huggingface.co"
    for base in ("https://api.example.org/v1", "https://api.replicate.com.example.org/v1",
                 "https://api.replicate.com/other/v1", "http://api.replicate.com/v1"):  # fmt: skip
        assert tokens.hub(base) == DEFAULT_HUB
        assert tokens.host("huggingface", base) != tokens.host("huggingface", LIVE)
        assert tokens.host("replicate", base) != tokens.host("replicate", LIVE)


def test_a_buckets_keys_are_not_for_its_unencrypted_address() -> None:
    def options(endpoint: str | None) -> dict[str, str | None]:
        return {"endpoint": endpoint}

    server = options("https://s3.example.org")
    assert same_server(server, options("https://S3.example.org:443/"))
    assert same_server(options(None), options(""))
    for other in ("http://s3.example.org", "https://s3.example.org:8443", "https://s3.example.org/a",
                  "https://example.org", None):  # fmt: skip
        assert not same_server(server, options(other))


def test_a_real_token_is_not_for_a_server_on_this_machine(clients: ReplicateClients) -> None:
    take(clients, LOCAL, "", "hf_real")
    assert (clients.hub_endpoint(LOCAL), shown(clients, LOCAL)) == ("", "")
    take(clients, LOCAL, DEFAULT_HUB, "hf_real")  # unless the environment names exactly that Hub
    assert shown(clients, LOCAL) == "hf_real"


def test_a_malformed_hub_address_gets_no_token(clients: ReplicateClients) -> None:
    take(clients, LIVE, "mirror.example", "hf_mirror")
    assert (clients.hub_endpoint(LIVE), shown(clients, LIVE)) == ("", "")


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("https://hub.example/", "https://hub.example"),
        (" http://127.0.0.1:80/hub/ ", "http://127.0.0.1:80/hub"),
        ("hub.example", ""),
        ("ftp://hub.example", ""),
        ("https://user:pw@hub.example", ""),
        ("https://hub.example:port", ""),
        ("https://hub.example/?a=b", ""),
        ("https://[::1", ""),
        ("", ""),
    ],
)
def test_addresses_of_a_hub(text: str, clean: str) -> None:
    assert clean_endpoint(text) == clean


@dataclass
class Listener:
    """A Hub that remembers what it was asked with."""

    heard: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.heard.append(request.headers.get("Authorization", ""))
        return web.json_response({"id": "alice/x", "name": "alice", "orgs": [], "auth": {}})


async def test_no_call_brings_one_hubs_token_to_another(world: World) -> None:
    """Every call of the engine that signs in at a Hub, for two APIs with two Hubs."""
    first, second = Listener(), Listener()
    other = ControlClient(world.home.socket, "http://127.0.0.1:9/v1")
    async with serving(first.answer) as one, serving(second.answer) as two:
        for client, port, token in ((world.client, one, "hf_one"), (other, two, "hf_two")):
            await client.set_session({"hf_endpoint": f"http://127.0.0.1:{port}", "hf_token": token})
        for client in (world.client, other):
            assert (await client.cloud.validate_token("huggingface"))["valid"]
            await client.cloud.check_delivery(kind="hub", hub_model_id="alice/new")
            await client.publishing.namespaces()
            await client.publishing.check_repository("alice/x")
            await client.publishing.add_destination(name="the-hub", kind="hub", repo="alice/new")
            await client.publishing.test_destination("the-hub")
            await client.publishing.remove_destination("the-hub")
    assert set(first.heard) == {"Bearer hf_one"}
    assert set(second.heard) == {"Bearer hf_two"}
    assert len(first.heard) == len(second.heard) > 4


async def test_without_a_hub_nobody_is_asked(world: World) -> None:
    await world.client.set_session({"hf_token": "hf_write"})
    found = await world.client.cloud.validate_token("huggingface")
    assert (found["valid"], found["reason"]) == (False, "none")
    assert "HF_ENDPOINT" in found["advice"]


async def test_a_sandbox_is_asked_again_after_shorter_pauses(clients: ReplicateClients) -> None:
    token = Secret("r8_" + "a" * 37)
    near, far = (
        clients.client_with(base, token)
        for base in ("http://127.0.0.1:9/v1", "https://api.replicate.com/v1")
    )
    try:
        assert near._session.network.retry.attempts == far._session.network.retry.attempts
        assert near._session.network.retry.base < far._session.network.retry.base / 10
    finally:
        await near.aclose()
        await far.aclose()
