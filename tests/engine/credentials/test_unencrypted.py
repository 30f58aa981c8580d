"""Names that only look like this machine, and tokens on lines that others can read.

A proxy stands for the rest of the world: it takes every `http://` address to a server of the test.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.engine.world import running_engine, running_world
from tests.replicate.server import serving
from tui.client.client import ControlClient, ControlError
from tui.destinations.s3.profile import S3Profile
from tui.sandbox.config import make_token
from tui.settings import Home, Settings, load_settings

LOOKS_LOCAL = ["http://127.example.org/v1", "http://127.0.0.1.example.org/v1"]
OPEN = "network.send_secrets_unencrypted"


def through(home: Home, port: int, more: str = "") -> Settings:
    """Settings whose way out is a proxy on this machine."""
    home.create()
    home.settings_file.write_text(
        f'[listener]\nlisten = "127.0.0.1:0"\n[network]\nproxy = "http://127.0.0.1:{port}"\n{more}'
    )
    return load_settings(home, {})


@dataclass
class World:
    """What a proxy is asked with.

    Attributes:
        heard: the credentials of each request.
        port: where the proxy listens.
    """

    heard: list[str] = field(default_factory=list)
    port: int = 0

    async def answer(self, request: web.Request) -> web.Response:
        """A server that knows everybody as alice."""
        self.heard.append(request.headers.get("Authorization", ""))
        return web.json_response({"username": "alice", "name": "alice", "type": "user"})


@pytest.fixture
async def far() -> AsyncIterator[World]:
    found = World()
    async with serving(found.answer) as found.port:
        yield found


@pytest.mark.parametrize("base", LOOKS_LOCAL)
async def test_a_name_that_looks_local_needs_consent(home: Home, project: Path, base: str) -> None:
    async with running_world(home, project) as world:
        port = int(world.sandbox.base_url.split(":")[2].split("/")[0])
        there = Home(home.root.with_name("h2"), home.root.with_name("h2") / "outputs")
        settings = through(there, port, "send_secrets_unencrypted = true\n")
        async with running_engine(there, settings) as (engine, _):
            client = ControlClient(there.socket, base)
            await client.set_session({"replicate_token": world.sandbox.token})
            answer = await client.validate()
            assert (answer["valid"], answer["sandbox"]) == (True, False)
            draft = world.draft(consent=False, delivery={"kind": "none"})
            with pytest.raises(ControlError) as caught:
                await client.submit(draft)
            assert caught.value.code == "consent_required"
            assert engine.info()["active_jobs"] == 0


@pytest.mark.parametrize("base", [*LOOKS_LOCAL, "http://api.example.org/v1"])
async def test_a_replicate_token_is_not_sent_unencrypted(home: Home, far: World, base: str) -> None:
    async with running_engine(home, through(home, far.port)):
        client, token = ControlClient(home.socket, base), make_token()
        await client.set_session({"replicate_token": token})
        answer = await client.validate()
        assert (answer["valid"], answer["reason"]) == (False, "unencrypted")
        assert base in (answer["error"] or "")
        assert OPEN in answer["advice"]
        assert far.heard == []
        with pytest.raises(ControlError) as caught:
            await client.cloud.change_settings({OPEN: True})
        assert caught.value.code == "confirm_required"
        await client.cloud.change_settings({OPEN: True}, confirm=True)
        answer = await client.validate()
        assert answer["valid"] is True, answer
        assert set(far.heard) == {f"Bearer {token}"}


async def test_a_hub_token_is_not_sent_unencrypted(home: Home, far: World) -> None:
    hub, base = "http://hub.example.org", "https://api.example.org/v1"
    async with running_engine(home, through(home, far.port)) as (engine, _):
        client = ControlClient(home.socket, base)
        await client.set_session({"hf_endpoint": hub, "hf_token": "hf_secret"})
        answer = await client.cloud.validate_token("huggingface")
        assert (answer["valid"], answer["reason"]) == (False, "unencrypted")
        assert hub in (answer["error"] or "")
        checked = await client.cloud.check_delivery(kind="hub", hub_model_id="alice/new")
        assert hub in str(checked)
        await client.publishing.add_destination(name="the-hub", kind="hub", repo="alice/new")
        assert hub in str(await client.publishing.test_destination("the-hub"))
        await client.publishing.check_repository("alice/x")
        assert "Bearer hf_secret" not in far.heard
        engine.live.change("network", {"send_secrets_unencrypted": True})
        assert (await client.cloud.validate_token("huggingface"))["username"] == "alice"
        assert "Bearer hf_secret" in far.heard


async def test_bucket_keys_are_not_used_unencrypted(home: Home, far: World) -> None:
    async with running_engine(home, through(home, far.port)) as (engine, client):
        await client.publishing.add_destination(
            name="nas", kind="s3", bucket="models", endpoint="http://nas.example.org:9000",
            access_key="AKIA", secret_key="word", session_only=True,
        )  # fmt: skip
        refused = await client.publishing.test_destination("nas")
        assert "http://nas.example.org:9000 is not encrypted" in str(refused)
        assert far.heard == []
        engine.live.change("network", {"send_secrets_unencrypted": True})
        assert "is not encrypted" not in str(await client.publishing.test_destination("nas"))
        assert any("AKIA" in one for one in far.heard)


@pytest.mark.parametrize(
    ("endpoint", "addressing", "opened"),
    [
        (None, "auto", False),
        ("https://s3.example.org", "auto", False),
        ("http://s3.example.org", "auto", True),
        ("http://127.0.0.1.example.org:9000", "path", True),
        ("http://localhost:9000", "path", False),
        ("http://127.0.0.1:9000", "virtual", False),
        ("http://localhost:9000", "virtual", True),
        ("http://minio.localhost:9000", "path", True),
    ],
)
def test_which_buckets_are_reached_unencrypted(
    endpoint: str | None, addressing: Any, opened: bool
) -> None:
    assert S3Profile("models", endpoint, addressing=addressing).is_open is opened
