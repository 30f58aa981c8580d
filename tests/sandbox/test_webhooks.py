"""Webhooks: what is sent, when, signed how, and what happens when nobody listens."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from tests.sandbox.conftest import Desk, training
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


async def test_only_what_the_filter_lets_through(desk: Desk, listener: Listener) -> None:
    await desk.hello(webhook=listener.url, webhook_events_filter=["start", "completed"])
    await eventually(lambda: len(listener.got) == 2)
    assert listener.states() == ["processing", "succeeded"]


async def test_the_body_is_what_get_gives_and_the_signature_fits(
    desk: Desk, listener: Listener
) -> None:
    made = await desk.hello(webhook=listener.url, webhook_events_filter=["completed"])
    await eventually(lambda: listener.got)
    headers, body = listener.got[0]
    assert json.loads(body) == await desk.get(made["id"])
    secret = (await desk.http.get("webhooks/default/secret")).json()["key"]
    stamp = int(headers["webhook-timestamp"])
    assert headers["webhook-signature"] == sign(secret, headers["webhook-id"], stamp, body)


async def test_output_and_log_events_are_throttled(open_desk: Any, listener: Listener) -> None:
    desk = await open_desk(speed=20.0)
    given = {"config_json": training(100), "dataloader_json": '[{"id": "a", "type": "csv"}]'}
    made = await desk.create(
        desk.version(), given, webhook=listener.url, webhook_events_filter=["logs", "completed"]
    )
    done = await desk.ended(made)
    await eventually(lambda: listener.states()[-1:] == ["succeeded"])
    growing = [len(body["logs"]) for body in listener.bodies()]
    assert growing == sorted(growing)
    assert growing[-1] == len(done["logs"])
    assert 2 <= len(growing) < done["logs"].count("\r")


async def test_the_last_one_is_tried_again_until_it_is_taken(
    desk: Desk, listener: Listener
) -> None:
    listener.statuses = [500, 404, 503]
    await desk.hello(webhook=listener.url, webhook_events_filter=["completed"])
    await eventually(lambda: len(listener.got) == 4)
    assert len({headers["webhook-id"] for headers, _ in listener.got}) == 1
    assert listener.states() == ["succeeded"] * 4


async def test_it_is_given_up_a_minute_after_the_end(desk: Desk, listener: Listener) -> None:
    assert sum(RETRY_DELAYS) == 60
    listener.statuses = [500] * 100
    await desk.hello(webhook=listener.url, webhook_events_filter=["completed"])
    core = desk.sandbox.core
    await eventually(lambda: listener.got and not core.hooks.open_channels())
    assert len(listener.got) == len(RETRY_DELAYS) + 1
    stamps = [int(headers["webhook-timestamp"]) for headers, _ in listener.got]
    assert stamps == sorted(stamps)


async def test_others_are_tried_once_and_redirects_are_not_followed(
    desk: Desk, listener: Listener
) -> None:
    listener.statuses = [500, 301]
    await desk.hello(webhook=listener.url, webhook_events_filter=["start", "completed"])
    core = desk.sandbox.core
    await eventually(lambda: len(listener.got) == 2 and not core.hooks.open_channels())
    assert listener.states() == ["processing", "succeeded"]


async def test_a_listener_that_is_not_there_harms_nothing(desk: Desk) -> None:
    made = await desk.hello(webhook="http://127.0.0.1:9/none")
    assert (await desk.ended(made))["status"] == "succeeded"
    await eventually(lambda: not desk.sandbox.core.hooks.open_channels())


@pytest.mark.parametrize("fault", ["webhook-duplicate", "webhook-reorder", "webhook-lost"])
async def test_faults_of_delivery(desk: Desk, listener: Listener, fault: str) -> None:
    await desk.fault(fault)
    made = await desk.hello(webhook=listener.url, webhook_events_filter=["start", "completed"])
    await desk.ended(made)
    await eventually(lambda: not desk.sandbox.core.hooks.open_channels())
    states = listener.states()
    ids = [headers["webhook-id"] for headers, _ in listener.got]
    if fault == "webhook-duplicate":
        assert states == ["processing"] * 2 + ["succeeded"] * 2
        assert ids[0] == ids[1] != ids[2] == ids[3]
    elif fault == "webhook-reorder":
        assert states == ["succeeded", "processing"]
    else:
        assert states == []


async def test_the_model_that_tries_a_webhook_address(desk: Desk, listener: Listener) -> None:
    version = desk.sandbox.core.registry.models["simpletuner/webhook-check"].versions[0].id
    done = await desk.ended(await desk.create(version, {"webhook_url": listener.url}))
    assert done["output"]["success"] is True
    assert done["output"]["status_code"] == 200
    assert len(listener.got) == 1
    closed = {"webhook_url": "http://127.0.0.1:9/none", "timeout_seconds": 2}
    done = await desk.ended(await desk.create(version, closed))
    assert done["status"] == "succeeded"
    assert done["output"]["success"] is False
    assert "ConnectError" in done["output"]["error"]


async def test_every_so_many_get_lost(desk: Desk, listener: Listener) -> None:
    await desk.fault("webhook-drop=2")
    made = await desk.hello(webhook=listener.url, webhook_events_filter=["start", "completed"])
    await desk.ended(made)
    await eventually(lambda: not desk.sandbox.core.hooks.open_channels())
    assert listener.states() == ["processing"]
