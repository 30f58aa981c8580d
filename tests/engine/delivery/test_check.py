"""Delivery checks: on the Cloud screen, and before a job costs anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from aiohttp import web

from tests.engine.world import World, edit_config, write_quick_settings
from tests.replicate.server import serving
from tui.api.diagnostics import DeliveryCheckRequest
from tui.base.clock import utc_now
from tui.base.listener_address import STORAGE_PATH
from tui.client.client import ControlError
from tui.engine.credentials.storage_keys import BUCKET
from tui.engine.staging.here_place import Proof, proof_of
from tui.store.fact_names import scoped

HUB = {"kind": "hub", "hub_model_id": "sandbox/cat-lora"}


def levels(report: Mapping[str, Any], key: str = "steps") -> dict[str, str]:
    return {step["id"]: step["level"] for step in report[key]}


def step_text(report: Mapping[str, Any], step_id: str) -> str:
    return " ".join(f"{s['message']} {s['advice']}" for s in report["steps"] if s["id"] == step_id)


def fact(world: World, kind: str) -> Any:
    reader = world.reader
    try:
        fact_record = reader.fact(scoped(f"delivery:{kind}", world.sandbox.base_url))
    finally:
        reader.close()
    return fact_record.value if fact_record is not None else None


def trainer_is(world: World, release: str) -> None:
    """Say which release the trainer is, as the user."""
    write_quick_settings(world.home)
    world.engine.live.change("cloud", {"trainer_release": release})


# -- this machine --------------------------------------------------------------------------------


async def test_delivery_to_this_machine_is_tested_by_sending_a_file(world: World) -> None:
    report = await world.client.cloud.check_delivery(kind="local", config=str(world.config))
    assert (report["ok"], report["verdict"]) == (True, "works"), report
    assert levels(report)["receiver-reach"] == "ok"
    assert str(world.engine.listening.outputs) in report["summary"]
    assert list(world.engine.listening.outputs.rglob("delivery-check*")) == []
    edit_config(world.config, validation_disable=True)
    report = await world.client.cloud.check_delivery(kind="local", config=str(world.config))
    assert levels(report)["delivery-schedule"] == "ok", "this build sends its final weights"
    trainer_is(world, "4.10.1")
    report = await world.client.cloud.check_delivery(kind="local", config=str(world.config))
    assert levels(report)["delivery-schedule"] == "error"
    assert not report["ok"]
    (schedule,) = (step for step in report["steps"] if step["id"] == "delivery-schedule")
    assert schedule["release"] == "SimpleTuner 4.10.1 (as you said)"
    assert fact(world, "hub") is None


async def test_findings_about_a_config_are_no_proof_against_a_way(world: World) -> None:
    """A trainer that would send nothing can still read from this machine."""
    edit_config(world.config, validation_disable=True)
    trainer_is(world, "4.10.1")
    report = await world.client.cloud.check_delivery(kind="local", config=str(world.config))
    assert (report["verdict"], levels(report)["delivery-schedule"]) == ("fails", "error")
    stored = fact(world, "local")
    assert (stored["verdict"], stored["ok"]) == ("works", True)
    assert "error" not in levels(stored).values()
    endpoint = world.engine.listening.storage_url(world.sandbox.base_url)
    assert proof_of(str(endpoint), stored, now=utc_now()) == Proof()


def behind(world: World, port: int) -> None:
    """Set the public URL to a port on this machine."""
    url = f"http://127.0.0.1:{port}{STORAGE_PATH}"
    world.engine.listening.storage_url = lambda api_base: url  # type: ignore[method-assign]


async def test_another_server_at_the_public_url_is_detected(world: World) -> None:
    async def other(_request: web.Request) -> web.Response:
        return web.Response(text="<html>welcome</html>", content_type="text/html")

    async with serving(other) as port:
        behind(world, port)
        report = await world.client.cloud.check_delivery(kind="local")
    assert (report["ok"], report["verdict"]) == (False, "fails")
    assert "something else answers" in step_text(report, "receiver-reach")


async def test_another_storage_server_is_detected(world: World) -> None:
    """It answers unsigned requests as ours does and accepts uploads, but nothing arrives here."""

    async def other(request: web.Request) -> web.Response:
        if "Authorization" not in request.headers:
            text = "<Error><Code>AccessDenied</Code></Error>"
            return web.Response(text=text, status=403, content_type="application/xml")
        async for _piece in request.content.iter_any():
            pass
        if request.method != "POST":
            return web.Response(headers={"ETag": '"0"'})
        name = (
            "InitiateMultipartUploadResult"
            if "uploads" in request.query
            else ("CompleteMultipartUploadResult")
        )
        text = f"<{name}><Bucket>b</Bucket><Key>k</Key><UploadId>1</UploadId></{name}>"
        return web.Response(text=text, content_type="application/xml")

    async with serving(other) as port:
        behind(world, port)
        report = await world.client.cloud.check_delivery(kind="local")
    assert "did not come to this machine" in step_text(report, "receiver-reach")


async def test_a_tunnel_that_changes_the_path_is_detected(world: World) -> None:
    """A reverse proxy renames the bucket in the path, which breaks the signature."""
    listener = world.engine.listening.reachable_at

    async def tunnel(request: web.Request) -> web.Response:
        path = request.raw_path.replace("delivery-check", "renamed-check")
        headers = {k: v for k, v in request.headers.items() if k.lower() != "content-length"}
        async with httpx.AsyncClient() as client:
            body = b"".join([piece async for piece in request.content.iter_any()])
            reply = await client.request(
                request.method, f"{listener}{path}", content=body, headers=headers
            )
        return web.Response(body=reply.content, status=reply.status_code,
                            content_type="application/xml")  # fmt: skip

    async with serving(tunnel) as port:
        behind(world, port)
        report = await world.client.cloud.check_delivery(kind="local")
    assert "does not come through" in step_text(report, "receiver-reach")
    assert "tunnel or proxy" in step_text(report, "receiver-reach")


async def test_an_unreachable_public_url_fails(world: World) -> None:
    behind(world, 9)
    report = await world.client.cloud.check_delivery(kind="local")
    assert "cannot be reached" in step_text(report, "receiver-reach")
    with pytest.raises(ControlError) as caught:
        await world.submit()
    assert caught.value.code == "check_failed"
    assert "--accept-delivery" in caught.value.advice
    assert world.predictions == []


# -- the Hub -------------------------------------------------------------------------------------


async def test_delivery_nowhere_and_to_a_hub_without_token(world: World) -> None:
    assert (await world.client.cloud.check_delivery(kind="none"))["ok"] is False
    report = await world.client.cloud.check_delivery(kind="hub", hub_model_id="a/b")
    assert levels(report)["hub-token"] == "error"
    bodies: tuple[dict[str, Any], ...] = ({"kind": "pigeon"}, {"config": "/nowhere.json"})
    for body in bodies:
        with pytest.raises(ControlError) as caught:
            await world.client.cloud.check_delivery(**body)
        assert list(caught.value.details["fields"]) == list(body)


@pytest.mark.parametrize(
    ("token", "repo", "level", "step"),
    [
        ("hf_write", "sandbox/new", "ok", "hub-write"),
        ("hf_write", "new", "ok", "hub-write"),
        ("hf_write", "sandbox-lab/new", "ok", "hub-write"),
        ("hf_write", "", "ok", "hub-write"),
        ("hf_fine", "sandbox/new", "ok", "hub-write"),
        ("hf_fine", "sandbox-lab/new", "error", "hub-write"),
        ("hf_one", "sandbox/new", "error", "hub-write"),
        ("hf_read", "sandbox/new", "error", "hub-write"),
        ("hf_expired", "sandbox/new", "error", "hub-token"),
        ("hf_write", "bob/new", "error", "hub-owner"),
        ("hf_write", "no name", "error", "hub-repo"),
    ],
)
async def test_delivery_to_the_hub(
    world: World, token: str, repo: str, level: str, step: str
) -> None:
    await world.use_hub(token)
    body: DeliveryCheckRequest = {"kind": "hub", "hub_model_id": repo, "try": True}
    report = await world.client.cloud.check_delivery(**body)
    assert levels(report)[step] == level, report
    assert report["ok"] is (level == "ok")
    assert fact(world, "hub")["verdict"] == report["verdict"]
    assert world.sandbox.hub is not None
    assert world.sandbox.hub.hub.repos._all == {}


async def test_a_job_with_a_token_that_only_reads_is_refused(world: World) -> None:
    await world.use_hub("hf_read")
    report = await world.client.check(world.draft(delivery=HUB))
    assert report["ok"] is False, report["checks"]
    with pytest.raises(ControlError) as caught:
        await world.submit(delivery=HUB)
    assert caught.value.code == "check_failed"
    assert world.predictions == []


async def test_missing_rights_on_the_hub_stop_the_submit(world: World) -> None:
    """The token has the right, but the organisation refuses it."""
    await world.use_hub()
    assert world.sandbox.hub is not None
    world.sandbox.hub.hub.faults.closed.add("sandbox-lab")
    there = {"kind": "hub", "hub_model_id": "sandbox-lab/cat"}
    assert (await world.client.check(world.draft(delivery=there)))["ok"] is True
    with pytest.raises(ControlError) as caught:
        await world.submit(delivery=there)
    assert caught.value.code == "check_failed"
    assert "--accept-delivery" in caught.value.advice
    assert world.predictions == []


async def test_the_user_may_override_a_failed_delivery_check(world: World) -> None:
    await world.use_hub()
    assert world.sandbox.hub is not None
    world.sandbox.hub.hub.faults.closed.add("sandbox-lab")
    there = {"kind": "hub", "hub_model_id": "sandbox-lab/cat"}
    report = await world.client.check(world.draft(delivery=there, accept_delivery=True))
    assert report["ok"] is True
    job_id = await world.submit(delivery=there, accept_delivery=True)
    await world.ended(job_id)
    assert len(world.predictions) == 1


async def test_a_hub_that_does_not_answer_is_a_warning_only(world: World) -> None:
    await world.use_hub()
    assert world.sandbox.hub is not None
    world.sandbox.hub.hub.faults.failures["/api/"] = 1000
    report = await world.client.check(world.draft(delivery=HUB))
    assert report["ok"] is True
    assert "warn" in levels(report, "checks").values()
    job_id = await world.submit(delivery=HUB)
    world.sandbox.hub.hub.faults.failures.clear()
    await world.ended(job_id)
    assert len(world.predictions) == 1


async def test_the_repository_is_created_as_the_config_says(world: World) -> None:
    await world.use_hub()
    edit_config(world.config, model_card_private=False)
    job_id = await world.submit(delivery=HUB)
    assert world.sandbox.hub is not None
    repo = world.sandbox.hub.hub.repos.get("model", "sandbox/cat-lora")
    assert repo is not None
    assert repo.private is False
    await world.ended(job_id)


# -- S3 ------------------------------------------------------------------------------------------


async def bucket(world: World, name: str = "attic", **changes: Any) -> None:
    """Add our storage receiver as the user's S3 destination."""
    pair = world.engine.keys.personal_pair(timedelta(hours=1))
    values: dict[str, Any] = {
        "name": name, "kind": "s3", "bucket": BUCKET, "session_only": True,
        "endpoint": f"{world.engine.listening.reachable_at}{STORAGE_PATH}",
        "access_key": pair.access_key, "secret_key": pair.secret_key,
    }  # fmt: skip
    await world.client.publishing.add_destination(**values | changes)


async def test_a_bucket_is_tested_by_write_read_and_delete(world: World) -> None:
    report = await world.client.cloud.check_delivery(kind="s3")
    assert step_text(report, "s3").startswith("no S3 destination is set up")
    await bucket(world)
    report = await world.client.cloud.check_delivery(kind="s3", destination="attic")
    assert (report["verdict"], "s3://outputs" in report["summary"]) == ("works", True), report
    assert {"s3-write", "s3-read", "s3-delete"} <= set(levels(report))
    assert levels(report)["validation"] == "ok", "this build sends its final weights"
    trainer_is(world, "4.10.1")
    report = await world.client.cloud.check_delivery(kind="s3", destination="attic")
    assert levels(report)["validation"] == "warn"  # no config: a general word
    assert list(world.engine.listening.outputs.rglob("*probe*")) == []
    await bucket(world, "cellar", secret_key="wrong")
    report = await world.client.cloud.check_delivery(kind="s3")  # all there are
    assert report["ok"] is False
    assert any(step["message"].startswith("cellar: ") for step in report["steps"])
    report = await world.client.cloud.check_delivery(kind="s3", destination="roof")
    assert "no S3 destination called roof" in step_text(report, "s3")


async def test_a_private_endpoint_is_refused_for_replicate(world: World) -> None:
    await bucket(world)
    check = world.engine.delivery_check._s3
    from tui.simpletuner.request.delivery import Delivery

    proof = await check.test("https://api.replicate.com/v1", Delivery("s3"))
    assert [step.id for step in proof.steps] == ["s3-reach"]
    assert proof.verdict == "fails"


# -- how long a proof is believed ----------------------------------------------------------------


async def test_repeated_checks_are_cached(world: World) -> None:
    tries = 0
    local = world.engine.delivery_check._local
    prove = local.test

    async def counted(api_base: str) -> Any:
        nonlocal tries
        tries += 1
        return await prove(api_base)

    local.test = counted  # type: ignore[method-assign]
    for _ in range(3):
        assert (await world.client.check(world.draft()))["ok"]
    await world.ended(await world.submit())
    assert tries == 1
    world.engine.live.change("network", {"timeout": 21.0})  # another way out, another answer
    assert (await world.client.check(world.draft()))["ok"]
    assert (await world.client.check(world.draft()))["ok"]
    assert tries == 2
    settings = world.engine.live.now
    world.engine.live.now = replace(
        settings, listener=replace(settings.listener, public_url="http://127.0.0.1:9")
    )
    with pytest.raises(ControlError):
        await world.submit()
    assert tries == 3
