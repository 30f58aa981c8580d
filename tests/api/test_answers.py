"""Every operation of the table is asked for once, and answers as the table says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.watch import Watch
from tests.engine.world import World, running_world, write_quick_settings
from tests.support import eventually
from tui.api import paths, routes
from tui.api.jobs import JobWarning
from tui.api.routes import Endpoint
from tui.base.job_status import JobStatus
from tui.settings import Home
from tui.store.writer import Change

Any3 = Endpoint[Any, Any, Any]
_KEYRING = {paths.SAVE_PROVIDER_TOKEN, paths.SAVE_HUB_TOKEN}
"""What is kept in a keyring or nowhere; with a real one it is tried beside the other tokens."""


@pytest.fixture
async def world(home: Home, project: Path) -> AsyncIterator[World]:
    """A world whose settings are in its file, because they are changed here."""
    write_quick_settings(home)
    async with running_world(home, project) as world:
        yield world


class Caller:
    """Calls operations on the engine's socket."""

    def __init__(self, world: World, client: httpx.AsyncClient) -> None:
        self._client = client
        self._headers = {"X-Api-Base": world.sandbox.base_url}

    async def __call__(
        self,
        endpoint: Any3,
        body: Any = None,
        query: Mapping[str, Any] | None = None,
        *,
        status: int | None = None,
        **values: str,
    ) -> Any:
        answer = await self._client.request(
            endpoint.method, routes.url(endpoint, query, **values), headers=self._headers,
            content=None if body is None else httpx.Request("GET", "http://x", json=body).content,
        )  # fmt: skip
        wanted = {endpoint.status, *endpoint.more} if status is None else {status}
        assert answer.status_code in wanted, (endpoint.path, answer.text)
        assert answer.headers["content-type"].partition(";")[0] == endpoint.content
        return answer.json() if endpoint.content == "application/json" else answer.text


async def test_every_operation_answers_as_the_table_says(
    world: World, watched_shapes: Watch, tmp_path: Path
) -> None:
    before = watched_shapes.seen.copy()
    transport = httpx.AsyncHTTPTransport(uds=str(world.home.socket))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://engine", timeout=60
    ) as client:
        call = Caller(world, client)
        await _about_the_engine(call)
        await _what_is_set(call)
        await world.use_hub()
        await _about_the_account(call, world)
        job_id = await _about_jobs(call, world)
        await _about_publishing(call, world, job_id, tmp_path)
        await _about_webhooks(call)
        async with client.stream("GET", routes.url(paths.EVENTS)) as stream:
            async for line in stream.aiter_lines():
                if not line:
                    break
            await call(paths.GIVE_WAY)
            await call(paths.SHUT_DOWN)
    seen = watched_shapes.seen - before
    missing = {
        (one.method, one.path)
        for one in paths.ENDPOINTS
        if not any(seen[one.method, one.path, status] for status in (one.status, *one.more))
        and one not in _KEYRING
    }
    # The stream's answer comes to its end with the engine, after this.
    assert missing - {(paths.EVENTS.method, paths.EVENTS.path)} == set()
    assert watched_shapes.problems == []


async def _about_the_engine(call: Caller) -> None:
    await call(paths.ENGINE_INFO)
    await call(paths.SET_SESSION, {"hf_token": "hf_write"})
    made = await call(paths.NEW_API_KEY, {"name": "mine"})
    assert (await call(paths.API_KEYS))["keys"][0]["id"] == made["id"]
    await call(paths.REVOKE_API_KEY, id=made["id"])
    pair = await call(paths.NEW_STORAGE_KEY, {"ttl_seconds": 60})
    listed = (await call(paths.STORAGE_KEYS))["keys"]
    assert [one["access_key"] for one in listed] == [pair["access_key"]]
    await call(paths.REVOKE_STORAGE_KEY, id=pair["access_key"])
    await call(paths.HEALTH, query={"include_replicate": True})
    await call(paths.LIVENESS)
    await call(paths.READINESS)
    await call(paths.CIRCUIT_BREAKERS)
    await call(paths.OPENAPI)


async def _what_is_set(call: Caller) -> None:
    for endpoint in (paths.PROVIDER, paths.PROVIDER_CONFIG, paths.PROVIDER_ADVANCED):
        await call(endpoint, provider="replicate")
    await call(paths.CHANGE_PROVIDER, {"cost_limit_enabled": True, "more": 1}, provider="replicate")
    await call(paths.CHANGE_PROVIDER_CONFIG, {"cost_limit_amount": 20}, provider="replicate")
    await call(paths.CHANGE_PROVIDER_ADVANCED, {"http_timeout": 20}, provider="replicate")
    await call(paths.COST_LIMIT)
    await call(paths.SET_COST_LIMIT, {"amount": "$12.50", "enabled": True})
    await call(paths.SET_DEFAULTS, {"delivery": "local"})
    await call(paths.RATES)
    await call(paths.SET_RATES, {"l40s": "$3.51/h", "h100": None})
    await call(paths.RESET_RATES)
    await call(paths.SETTINGS)
    await call(paths.CHANGE_SETTINGS, {"values": {"ui.ascii": True, "ui.theme": None}})
    await call(paths.NETWORK)
    await call(paths.SET_NETWORK, {"timeout": 25, "no_proxy": ["127.0.0.1"]})
    await call(paths.CHECK_NETWORK)
    await call(paths.ONBOARDING)
    await call(paths.CHANGE_ONBOARDING, {"done": ["demo"], "finished": False})
    await call(paths.POLLING)
    await call(paths.SET_POLLING, {"enabled": True})
    await call(paths.HARDWARE_OPTIONS)
    await call(paths.LOCAL_UPLOAD)


async def _about_the_account(call: Caller, world: World) -> None:
    await call(paths.PROVIDERS)
    await call(paths.VALIDATE_ACCOUNT, provider="replicate")
    await call(paths.MODEL_VERSIONS, provider="replicate")
    await call(paths.BILLING, provider="replicate")
    await call(paths.TOKENS)
    token = {"token": world.sandbox.token, "session_only": True}
    await call(paths.SET_TOKEN, token, kind="replicate")
    await call(paths.VALIDATE_TOKEN, kind="huggingface")
    await call(paths.DELETE_TOKEN, kind="replicate")
    hub = {"token": "hf_write", "session_only": True}
    for endpoint in (paths.DELETE_PROVIDER_TOKEN, paths.DELETE_HUB_TOKEN):
        # One that was given for the session can be forgotten where there is no keyring, too.
        kind = "replicate" if endpoint is paths.DELETE_PROVIDER_TOKEN else "huggingface"
        await call(paths.SET_TOKEN, token if kind == "replicate" else hub, kind=kind)
        await call(endpoint)
    versions = (await call(paths.MODEL_VERSIONS, provider="replicate"))["versions"]
    model = versions[0]["model_id"]
    await call(paths.COMPARE_VERSIONS, query={"model": model})
    await call(paths.PIN_VERSION, {"model": model, "version": versions[0]["id"]})
    await call(paths.PIN_VERSION, {"model": model, "version": None})
    await call(paths.STATUS_PAGE, query={"fresh": "1"})
    await call(paths.REPLICATE_STATUS)
    await call(paths.SYSTEM_STATUS)
    await call(paths.CHECK_DELIVERY, {"kind": "hub", "hub_model_id": "sandbox/lora"})
    await call(paths.DOCTOR)
    await call(paths.PUBLISHING_STATUS)
    await call(paths.PUBLISHING_STATUS_OLD)
    await call(paths.VALIDATE_HUB_TOKEN)
    await call(paths.HUB_NAMESPACES)
    await call(paths.CHECK_REPOSITORY, {"repo_id": "sandbox/lora"})
    await call(paths.LICENCE, {"model_family": "flux", "model_flavour": "dev"})
    await call(paths.HUB_IDENTITY)
    await call(paths.LOOK_AT_REPOSITORY, query={"name": "lora", "private": "true"})


async def _move_a_job(call: Caller, world: World) -> None:
    world.fault("queue-forever*1")
    archive = {"data": "hosted", "images_url": "https://example.com/a.zip", "accept_data": True}
    every = {"checkpoint_step_interval": 4, "validation_step_interval": 4}  # the last one as well
    options = {"max_train_steps": 8, "lora_rank": 2, **every}
    waiting = await world.submit(8, hardware="l40s", overrides=options, **archive)
    await world.until(waiting, JobStatus.QUEUED)
    await call(paths.JOB_QUEUE, job_id=waiting)
    await call(paths.MOVE_JOB, {"hardware": "h100"}, job_id=waiting)
    await world.until(waiting, JobStatus.CANCELLED)


async def _about_jobs(call: Caller, world: World) -> str:
    await call(paths.AVAILABLE_CONFIGS, query={"cwd": str(world.config.parent)})
    await call(paths.GIT_STATE, query={"config_name": str(world.config)})
    await call(paths.COST_ESTIMATE, [{"instance_data_dir": str(world.config.parent)}])
    await call(paths.RECOMMEND, {"config": str(world.config)})
    checked = await call(paths.CHECK_JOB, world.draft(), {"proofs": "later"})
    assert checked["asking"]
    await call(paths.CHECK_LATER, query={"after": checked["rev"]}, check_id=checked["check_id"])
    job_id: str = (await call(paths.SUBMIT_JOB, world.draft()))["job_id"]
    await call(paths.SET_FOCUS, {"job_id": job_id})
    await world.ended(job_id)
    theirs = {"config_name_to_load": str(world.config), "consent": True}
    other = (await call(paths.SUBMIT_JOB, theirs, {"provider": "replicate"}, status=200))["job_id"]
    await call(paths.CANCEL_JOB, job_id=other)
    await world.until(other, JobStatus.CANCELLED)
    await _move_a_job(call, world)
    await call(paths.JOBS, query={"limit": 10, "sync_active": True, "job_type": "cloud"})
    change = {"name": "Cats, again", "note": "a\n\nb", "add_tags": ["face"], "pinned": True}
    assert (await call(paths.CHANGE_JOB, change, job_id=job_id))["job"]["note"] == "a\n\nb"
    found = await call(
        paths.JOBS, query={"filter": "tag:face has:note again", "status": "completed"}
    )
    assert [(row["job_id"], row["tags"]) for row in found["jobs"]] == [(job_id, ["face"])]
    assert found["total"] == 1
    await _about_warnings(call, world, job_id)
    for endpoint in (paths.JOB, paths.JOB_LOG, paths.JOB_LOG_STREAM, paths.JOB_PROGRESS):
        await call(endpoint, job_id=job_id)
    staged = world.draft(data="staged", keep_staged=True)
    await world.ended((await call(paths.SUBMIT_JOB, staged))["job_id"])
    (row,) = (await call(paths.STAGED))["staged"]
    await call(paths.REMOVE_STAGED, key=row["key"])
    await call(paths.RERUN_PLAN, job_id=job_id)
    again = (await call(paths.RERUN_JOB, {"consent": True}, job_id=job_id))["job_id"]
    assert world.reader.annotation(again).tags == ("face",)
    await world.ended(again)
    await _about_sweeps(call, world)
    await call(paths.COLLECT_JOB, job_id=job_id)
    await call(paths.SYNC_JOBS)
    await call(paths.DELETE_JOB, job_id=other)
    await call(paths.METRICS, query={"days": 7})
    await call(paths.SPENDING, query={"days": 7})
    await call(paths.PROMETHEUS)
    await call(paths.COST_LIMIT_STATUS, query={"provider": "replicate"})
    await call(paths.REFRESH_BALANCE)
    await call(paths.STORED_BUCKETS)
    stored = (await call(paths.STORED_OBJECTS, query={"prefix": ""}, bucket="outputs"))["Contents"]
    name = min(stored, key=lambda row: row["Size"])["Key"]
    await call(paths.STORED_OBJECT, bucket="outputs", key=name)
    return job_id


async def _about_warnings(call: Caller, world: World, job_id: str) -> None:
    stalled: JobWarning = {
        "kind": "stalled", "step": 3, "since": "2026-11-23T14:00:02Z", "ratio": None,
        "dismissed": False,
    }  # fmt: skip
    world.engine.recorder.write(job_id, Change(values={"warnings": [stalled]}))
    found = await call(paths.JOBS, query={"filter": "has:warning"})
    assert [(row["job_id"], row["warnings"]) for row in found["jobs"]] == [(job_id, [stalled])]
    away = {**stalled, "dismissed": True}
    answer = await call(paths.CHANGE_JOB, {"dismiss": ["stalled"]}, job_id=job_id)
    assert answer["job"]["warnings"] == [away]
    assert (await call(paths.JOB, job_id=job_id))["job"]["warnings"] == [away]
    assert (await call(paths.JOBS, query={"filter": "has:warning"}))["total"] == 0


async def _about_sweeps(call: Caller, world: World) -> None:
    ranks = [{"name": "lora_rank", "values": ["4", "8"]}]
    wanted = {"drafts": [world.draft()], "axes": ranks, "name": "cats", "at_once": 1}
    plan = await call(paths.PLAN_SWEEP, wanted)
    agreed = {**wanted, "consent": True, "agreed": plan["digest"]}
    first, _ = (await call(paths.START_SWEEP, agreed))["members"]
    world.engine.recorder.writer.sweeps.set_state("cats", "paused", "tried", "go on")
    assert (await call(paths.SWEEP, name="cats"))["reason"] == "tried"
    await call(paths.RESUME_SWEEP, name="cats")
    assert [one["name"] for one in (await call(paths.SWEEPS))["sweeps"]] == ["cats"]
    await call(paths.CANCEL_SWEEP, name="cats")
    await world.ended(first["job_id"])


async def _about_publishing(call: Caller, world: World, job_id: str, folder: Path) -> None:
    place = {"name": "shelf", "kind": "folder", "path": str(folder / "shelf")}
    await call(paths.ADD_DESTINATION, place)
    await call(paths.CHANGE_DESTINATION, {"path": str(folder / "other")}, name="shelf")
    await call(paths.TEST_DESTINATION, name="shelf")
    await call(paths.DESTINATIONS)
    wish = {"job_id": job_id, "to": "shelf"}
    await call(paths.PREVIEW_PUBLISH, wish)
    await call(paths.SET_BANDWIDTH, {"bandwidth": "1k"})
    made = (await call(paths.PUBLISH, {**wish, "card": True}))["transfer_id"]
    await call(paths.ACT_ON_TRANSFER, {}, id=made, action="cancel")

    async def ended() -> Any:
        rows = (await call(paths.TRANSFERS))["transfers"]
        return [row["state"] for row in rows] == ["cancelled"]

    await eventually(ended, within=20)
    await call(paths.CLEAR_TRANSFERS, {"id": made})
    await call(paths.REMOVE_DESTINATION, query={"force": "1"}, name="shelf")
    jobs = (await call(paths.ARTIFACTS, query={"job": job_id}))["jobs"]
    await call(paths.ARTIFACTS)
    names = [file["name"] for file in jobs[0]["files"]]
    kept = await call(paths.CLEAR_FILES, {"job_id": job_id, "files": names})
    assert len(kept["kept"]) == len(names)


async def _about_webhooks(call: Caller) -> None:
    assert (await call(paths.TEST_WEBHOOK, {}, provider="replicate"))["success"] is True
    agreed = {"confirm": True}
    assert (await call(paths.TEST_WEBHOOK_EXTERNAL, agreed, provider="replicate"))[
        "success"
    ] is True
    either = {**agreed, "method": "replicate_cog", "timeout": 30}
    assert (await call(paths.TEST_WEBHOOK_EITHER, either))["method"] == "replicate_cog"
    await call(paths.TEST_WEBHOOK_EITHER, {"method": "direct"})
    assert (await call(paths.WEBHOOK_EVENTS))["events"] != []
