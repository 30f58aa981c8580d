"""One judge of tokens: every door says the same of the same answer of a far end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.destinations.interceptor import Answer, intercepting
from tests.engine.conftest import home, project  # noqa: F401  short paths for sockets
from tests.engine.world import World, running_world, write_quick_settings
from tui.client.client import ControlClient
from tui.settings import Home

PAGE = b"<!DOCTYPE html><html><title>Attention Required! | Cloudflare</title></html>"
ANSWERS = {
    "401 of the service": (Answer(401, body=b'{"detail": "Invalid token."}'), True),
    "403 of the service": (Answer(403, body=b'{"detail": "Not allowed."}'), True),
    "401 page": (Answer(401, body=b"<html>Please log in</html>"), False),
    "403 page": (Answer(403, body=PAGE), False),
    "200 page": (Answer(200, body=PAGE), False),
    "200 of something else": (Answer(200, body=b"[]"), False),
    "500": (Answer(500, body=b'{"detail": "down"}'), False),
    "503 page": (Answer(503, body=PAGE), False),
    "404 page": (Answer(404, body=PAGE), False),
    "429": (Answer(429, body=b"{}", headers={"Retry-After": "0"}), False),
}
"""What a far end answers, and whether that is about the token."""


@pytest.fixture
async def world(home: Home, project: Path) -> AsyncIterator[World]:  # noqa: F811  the fixture
    write_quick_settings(home)
    async with running_world(home, project) as one:
        yield one


async def of_replicate(world: World, client: ControlClient) -> dict[str, bool]:
    """What each door says: whether the token of Replicate is bad."""
    validated = await client.validate()
    shown = await client.cloud.validate_token("replicate")
    report = await client.check(world.draft())
    errors = {item["id"] for item in report["checks"] if item["level"] == "error"}
    assert errors & {"token", "replicate"}, report["checks"]
    return {
        "account": not validated.get("unreachable"),
        "token command": shown["reason"] not in ("unreachable", "rate_limited"),
        "check of a job": "token" in errors,
    }


async def of_hub(world: World, client: ControlClient) -> dict[str, bool]:
    """What each door says: whether the token of the Hub is bad."""
    shown = await client.cloud.validate_token("huggingface")
    delivery = await client.cloud.check_delivery(kind="hub", hub_model_id="sandbox/judged")
    assert delivery["verdict"] in ("fails", "unknown"), delivery
    return {
        "token command": shown["reason"] not in ("unreachable", "rate_limited"),
        "check of the delivery": delivery["verdict"] == "fails",
    }


async def test_every_door_judges_the_same(world: World) -> None:
    async with (
        intercepting(world.sandbox.base_url.removesuffix("/v1")) as replicate,
        intercepting(world.sandbox.hub_url or "") as hub,
    ):
        client = ControlClient(world.home.socket, f"{replicate.endpoint}/v1")
        await client.set_session({
            "replicate_token": world.sandbox.token, "hf_endpoint": hub.endpoint,
            "hf_token": "hf_write",
        })  # fmt: skip
        wrong: list[str] = []
        for name, (answer, about_token) in ANSWERS.items():
            for far_end, ask in ((replicate, of_replicate), (hub, of_hub)):
                far_end.answer = answer
                said = await ask(world, client)
                far_end.answer = None
                wrong += [
                    f"{ask.__name__}, {name}: {door} says {bad}"
                    for door, bad in said.items() if bad is not about_token
                ]  # fmt: skip
        assert not wrong, "\n".join(wrong)
