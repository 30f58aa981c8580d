"""Webhooks: what is sent, when, signed how, and what happens when nobody listens."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from tests.sandbox.conftest import SandboxClient, training
from tests.support import eventually
from tui.sandbox.webhooks import RETRY_DELAYS, sign


@dataclass
class Listener:
    """Keeps every webhook; answers the given statuses in turn, then 200."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        self.got.append((dict(request.headers), await request.read()))
        status = self.statuses.pop(0) if self.statuses else 200
        return web.Response(status=status, headers={"Location": "/other"})

    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.got]

    def states(self) -> list[str]:
        return [body["status"] for body in self.bodies()]


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    listener = Listener()
    app = web.Application(client_max_size=2**26)
    app.router.add_post("/{rest:.*}", listener.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    listener.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook?job=7"
    yield listener
    await runner.cleanup()


async def test_only_filtered_events_are_sent(client: SandboxClient, listener: Listener) -> None:
    await client.hello(webhook=listener.url, webhook_events_filter=["start", "completed"])
    await eventually(lambda: len(listener.got) == 2)
    assert listener.states() == ["processing", "succeeded"]


async def test_the_body_is_the_prediction_and_the_signature_is_valid(
    client: SandboxClient, listener: Listener
) -> None:
    made = await client.hello(webhook=listener.url, webhook_events_filter=["completed"])
    await eventually(lambda: listener.got)
    headers, body = listener.got[0]
    assert json.loads(body) == await client.get(made["id"])
    secret = (await client.http.get("webhooks/default/secret")).json()["key"]
    stamp = int(headers["webhook-timestamp"])
    assert headers["webhook-signature"] == sign(secret, headers["webhook-id"], stamp, body)


async def test_output_and_log_events_are_throttled(open_client: Any, listener: Listener) -> None:
    client = await open_client(speed=20.0)
    given = {"config_json": training(100), "dataloader_json": '[{"id": "a", "type": "csv"}]'}
    made = await client.create(
        client.version(), given, webhook=listener.url, webhook_events_filter=["logs", "completed"]
    )
    done = await client.ended(made)
    await eventually(lambda: listener.states()[-1:] == ["succeeded"])
    growing = [len(body["logs"]) for body in listener.bodies()]
    assert growing == sorted(growing)
    assert growing[-1] == len(done["logs"])
    assert 2 <= len(growing) < done["logs"].count("\r")


async def test_the_terminal_webhook_is_retried_until_accepted(
    client: SandboxClient, listener: Listener
) -> None:
    listener.statuses = [500, 404, 503]
    await client.hello(webhook=listener.url, webhook_events_filter=["completed"])
    await eventually(lambda: len(listener.got) == 4)
    assert len({headers["webhook-id"] for headers, _ in listener.got}) == 1
    assert listener.states() == ["succeeded"] * 4


async def test_the_terminal_webhook_is_given_up_after_a_minute(
    client: SandboxClient, listener: Listener
) -> None:
    assert sum(RETRY_DELAYS) == 60
    listener.statuses = [500] * 100
    await client.hello(webhook=listener.url, webhook_events_filter=["completed"])
    core = client.sandbox.core
    await eventually(lambda: listener.got and not core.hooks.open_channels())
    assert len(listener.got) == len(RETRY_DELAYS) + 1
    stamps = [int(headers["webhook-timestamp"]) for headers, _ in listener.got]
    assert stamps == sorted(stamps)


async def test_other_webhooks_are_not_retried_and_redirects_not_followed(
    client: SandboxClient, listener: Listener
) -> None:
    listener.statuses = [500, 301]
    await client.hello(webhook=listener.url, webhook_events_filter=["start", "completed"])
    core = client.sandbox.core
    await eventually(lambda: len(listener.got) == 2 and not core.hooks.open_channels())
    assert listener.states() == ["processing", "succeeded"]


async def test_an_unreachable_receiver_does_not_affect_the_run(client: SandboxClient) -> None:
    made = await client.hello(webhook="http://127.0.0.1:9/none")
    assert (await client.ended(made))["status"] == "succeeded"
    await eventually(lambda: not client.sandbox.core.hooks.open_channels())


@pytest.mark.parametrize("fault", ["webhook-duplicate", "webhook-reorder", "webhook-lost"])
async def test_faults_of_delivery(client: SandboxClient, listener: Listener, fault: str) -> None:
    await client.fault(fault)
    made = await client.hello(webhook=listener.url, webhook_events_filter=["start", "completed"])
    await client.ended(made)
    await eventually(lambda: not client.sandbox.core.hooks.open_channels())
    states = listener.states()
    ids = [headers["webhook-id"] for headers, _ in listener.got]
    if fault == "webhook-duplicate":
        assert states == ["processing"] * 2 + ["succeeded"] * 2
        assert ids[0] == ids[1] != ids[2] == ids[3]
    elif fault == "webhook-reorder":
        assert states == ["succeeded", "processing"]
    else:
        assert states == []


async def test_the_model_that_tests_a_webhook_address(
    client: SandboxClient, listener: Listener
) -> None:
    version = client.sandbox.core.registry.models["simpletuner/webhook-check"].versions[0].id
    done = await client.ended(await client.create(version, {"webhook_url": listener.url}))
    assert done["output"]["success"] is True
    assert done["output"]["status_code"] == 200
    assert len(listener.got) == 1
    closed = {"webhook_url": "http://127.0.0.1:9/none", "timeout_seconds": 2}
    done = await client.ended(await client.create(version, closed))
    assert done["status"] == "succeeded"
    assert done["output"]["success"] is False
    assert "ConnectError" in done["output"]["error"]


async def test_every_nth_webhook_is_dropped(client: SandboxClient, listener: Listener) -> None:
    await client.fault("webhook-drop=2")
    made = await client.hello(webhook=listener.url, webhook_events_filter=["start", "completed"])
    await client.ended(made)
    await eventually(lambda: not client.sandbox.core.hooks.open_channels())
    assert listener.states() == ["processing"]
