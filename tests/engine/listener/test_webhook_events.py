"""Webhooks and the jobs they speak of: one door, polling as the backup, tests of the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.engine.listener.webhook_sender import send
from tests.engine.submission.finished_run import check_whole
from tests.engine.world import World, quick_settings, running_world
from tests.support import eventually
from tui.base.job_status import JobStatus
from tui.client.client import ControlError
from tui.engine.tracking import monitor
from tui.listener.webhooks import WEBHOOK_PATH
from tui.settings import Home
from tui.store.records import JobRecord


@pytest.fixture
async def unpolled(home: Home, project: Path) -> AsyncIterator[World]:
    """A world that polls nothing that has a webhook."""
    async with running_world(home, project, settings=quick_settings(polling=False)) as world:
        yield world


async def post(world: World, path: str, body: object) -> Any:
    """The engine's answer to any body, also one that no client of ours sends."""
    return await asyncio.to_thread(world.client.request, "POST", path, body)


def history(world: World, job_id: str, source: str) -> list[str]:
    reader = world.reader
    try:
        return [event.kind for event in reader.events(job_id) if event.source == source]
    finally:
        reader.close()


async def test_a_job_is_followed_by_webhooks_alone(unpolled: World) -> None:
    world = unpolled
    job_id = await world.submit(steps=40)
    await world.ended(job_id)
    check_whole(world, job_id, 40)
    kinds = history(world, job_id, "webhook")
    assert "start" in kinds
    assert "logs" in kinds
    assert "completed" in kinds
    assert history(world, job_id, "poll") == []
    assert world.engine.listening.stats["accepted"] >= 3
    await eventually(lambda: world.engine.monitor.following == 0)


async def test_a_failed_end_is_its_own_event(unpolled: World) -> None:
    unpolled.fault("oom=5*1")
    job = await unpolled.ended(await unpolled.submit())
    assert job.status is JobStatus.FAILED
    assert "failed" in history(unpolled, job.job_id, "webhook")


async def test_results_are_collected_once_after_a_webhook_of_the_end(
    unpolled: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[str] = []
    told = unpolled.engine.recorder.on_end

    def note(job: JobRecord) -> None:
        ended.append(job.job_id)
        told(job)

    monkeypatch.setattr(unpolled.engine.recorder, "on_end", note)
    unpolled.fault("webhook-duplicate*1")
    job_id = await unpolled.submit()
    await unpolled.ended(job_id)
    await eventually(lambda: not unpolled.sandbox.core.hooks.open_channels())
    assert ended == [job_id]


async def test_polling_takes_over_when_webhooks_stop(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor, "LOOPBACK_WEBHOOK_FLOW_SECONDS", 0.2)
    monkeypatch.setattr(monitor, "LOOPBACK_WEBHOOK_SECONDS", 0.3)
    world.fault("webhook-lost*1")
    job_id = await world.submit(steps=30)
    await world.ended(job_id)
    check_whole(world, job_id, 30)
    assert history(world, job_id, "webhook") == []


async def test_polling_is_slow_while_webhooks_flow(world: World) -> None:
    world.fault("stall=50")
    job_id = await world.submit(steps=400)
    job = await world.until(job_id, JobStatus.RUNNING)
    await eventually(lambda: "logs" in history(world, job_id, "webhook"))
    slow = world.engine.monitor._interval(world.job(job_id))
    assert slow > 5 * monitor.LOOPBACK_SECONDS
    assert job.submit["webhook"] is True
    world.engine.monitor._last_webhook[job_id] -= monitor.LOOPBACK_WEBHOOK_FLOW_SECONDS
    assert world.engine.monitor._interval(world.job(job_id)) < 2 * monitor.LOOPBACK_SECONDS
    await world.client.cancel(job_id)


async def test_a_webhook_that_overtakes_the_answer_of_the_post(unpolled: World) -> None:
    """The POST's answer is lost; the webhook alone knows the id. One job, and it is ours."""
    unpolled.fault("cut=0*1@POST /v1/predictions")
    job_id = await unpolled.submit(steps=30)
    await unpolled.ended(job_id)
    check_whole(unpolled, job_id, 30)
    assert len(unpolled.predictions) == 1


async def test_an_unknown_prediction_of_a_trainer_is_brought_in(world: World) -> None:
    world.engine._api_base = world.sandbox.base_url
    body = {
        "id": "elsewhere1",
        "status": "processing",
        "model": "simpletuner/advanced-trainer-l40s",
        "version": "0" * 64,
        "input": {"config_json": '{"--tracker_run_name": "from the web"}'},
        "created_at": "2026-11-20T10:00:00Z",
    }
    assert (await send(world, body)).status_code == 200
    base = world.sandbox.base_url
    job = await eventually(lambda: world.engine.recorder.writer.by_prediction(base, "elsewhere1"))
    assert job.name == "from the web"
    assert (await send(world, body | {"id": "other", "model": "black-forest/flux"})).is_success
    assert (await send(world, body | {"id": "forged"}, signed=False)).status_code == 401
    await eventually(lambda: world.engine.listening.stats["accepted"] == 2)
    for unwanted in ("other", "forged"):
        assert world.engine.recorder.writer.by_prediction(base, unwanted) is None


async def test_a_body_of_another_job_is_rejected(world: World) -> None:
    world.fault("stall=5")
    first, second = await world.submit(), await world.submit(name="two")
    await world.until(first, JobStatus.RUNNING)
    await world.until(second, JobStatus.RUNNING)
    other = world.job(second).prediction_id
    key = world.engine.keys.hook_key(first)
    answer = await send(world, {"id": other, "status": "failed"}, key=key)
    assert answer.status_code == 403
    assert world.job(second).status is JobStatus.RUNNING
    wrong = f"{first}-{'0' * 32}"
    assert (await send(world, {"id": other, "status": "failed"}, key=wrong)).status_code == 403
    for job_id in (first, second):
        await world.client.cancel(job_id)


async def test_bodies_that_simpletuner_composes(world: World) -> None:
    """Only for a job that uses them, only with its key, and they end nothing by themselves."""
    job_id = await world.submit(steps=400)
    await world.until(job_id, JobStatus.RUNNING)
    key = world.engine.keys.hook_key(job_id)
    body = {"type": "lifecycle.stage", "job_id": job_id, "message": "caching text"}
    await send(world, body, key=key, signed=False)
    await eventually(lambda: world.engine.listening.stats["accepted"] >= 1)
    job = world.job(job_id)
    world.engine.recorder.note(
        job_id, "local", "config", "webhooks on", config={**job.config, "webhook_config": "x"}
    )
    await send(world, body | {"message": "caching images"}, key=key, signed=False)
    done = {"type": "training.status", "status": "completed", "job_id": job_id}
    await send(world, done, key=key, signed=False)
    await eventually(lambda: "completed" in history(world, job_id, "webhook"))
    reader = world.reader
    words = [event.message for event in reader.events(job_id) if event.source == "webhook"]
    reader.close()
    assert "caching images" in words
    assert "caching text" not in words
    assert world.job(job_id).status is JobStatus.RUNNING
    assert (await send(world, body, signed=False)).status_code == 401
    await world.client.cancel(job_id)


async def test_a_secret_that_was_changed_is_fetched_again(world: World) -> None:
    job_id = await world.submit(steps=20)
    await world.ended(job_id)
    world.sandbox.core.hooks.secret = "whsec_" + "QUJD" * 8
    base = world.sandbox.base_url
    world.engine.hook_secrets.of(base)._again = 0.0
    key = world.engine.keys.hook_key(job_id)
    body = {"id": world.job(job_id).prediction_id, "status": "succeeded"}
    assert (await send(world, body, key=key)).status_code == 200


async def test_the_webhook_url_is_tested_from_here_and_from_outside(world: World) -> None:
    here = await post(world, "/api/cloud/providers/replicate/test-webhook", {})
    assert here["success"], here
    assert here["latency_ms"] > 0
    path = "/api/cloud/providers/replicate/test-webhook-external"
    with pytest.raises(ControlError) as refused:
        await post(world, path, {})
    assert refused.value.code == "consent_required"
    assert world.predictions == []
    outside = await post(world, path, {"confirm": True})
    assert outside["success"], outside
    assert outside["prediction_id"] == world.predictions[0].id
    either = await post(world, "/api/webhooks/test", {"method": "direct"})
    assert (either["success"], either["method"]) == (True, "direct")


async def test_problems_of_a_webhook_url_are_reported(world: World) -> None:
    path = "/api/cloud/providers/replicate/test-webhook"
    dead = await post(world, path, {"webhook_url": "http://127.0.0.1:9"})
    assert not dead["success"]
    assert "cannot be reached" in dead["error"]
    for address in (
        "http://name.example",
        "ftp://x",
        "https://a b",
        "https://u:p@h",
        "https://h?q",
    ):
        with pytest.raises(ControlError) as refused:
            await post(world, path, {"webhook_url": address})
        assert refused.value.status == 400
        assert "Invalid webhook URL" in refused.value.message


async def test_an_address_that_redirects_or_is_another_servers(world: World) -> None:
    """Replicate follows no redirects, and a friendly 200 of somebody else proves nothing."""

    async def move(_request: web.Request) -> web.Response:
        raise web.HTTPMovedPermanently("https://www.t.example/there?secret=1")

    async def smile(_request: web.Request) -> web.Response:
        return web.json_response({"status": "received"})

    app = web.Application()
    app.router.add_post("/moved/{rest:.*}", move)
    app.router.add_post("/other/{rest:.*}", smile)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        here = f"http://127.0.0.1:{runner.addresses[0][1]}"
        path = "/api/cloud/providers/replicate/test-webhook"
        moved = await asyncio.to_thread(
            world.client.request, "POST", path, {"webhook_url": f"{here}/moved"}
        )
        assert not moved["success"]
        assert "redirects to https://www.t.example/there." in moved["error"].replace(",", ".")
        world.engine.webhook_tests.arrival_seconds = 0.5
        other = await asyncio.to_thread(
            world.client.request, "POST", path, {"webhook_url": f"{here}/other"}
        )
        assert not other["success"]
        assert "another server" in other["error"]
    finally:
        await runner.cleanup()


async def test_the_public_url_is_taken_with_or_without_the_path(world: World) -> None:
    listening = world.engine.listening
    for text in ("https://t.example", "https://t.example/", f"https://t.example{WEBHOOK_PATH}"):
        world.engine.live.change("listener", {"public_url": text})
        assert listening.state()["webhook_url"] == f"https://t.example{WEBHOOK_PATH}"
    real = replace(
        world.job(await world.submit(accept_delivery=True)), api_base="https://api.replicate.com/v1"
    )
    url = listening.webhook_url(real)
    assert url == f"https://t.example{WEBHOOK_PATH}?key={world.engine.keys.hook_key(real.job_id)}"
    world.engine.live.change("listener", {"public_url": ""})
    assert listening.webhook_url(real) is None
