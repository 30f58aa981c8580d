"""The HTTP API over TCP: who is let in, and what it answers."""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.shapes import misfits
from tests.engine.http_api.callers import PUBLIC, example
from tests.engine.world import World, running_world, write_quick_settings
from tests.support import eventually
from tui.api import paths, routes
from tui.api.errors import Failure
from tui.api.schemas import shapes_of
from tui.base.clock import utc_now
from tui.base.job_status import JobStatus
from tui.destinations.card.model_card import licence_fields
from tui.engine.http_api.description import describe
from tui.replicate.secret import Secret
from tui.settings import Home
from tui.simpletuner.config.families import families
from tui.store.sweeps import MemberRecord, SweepRecord


@pytest.fixture
async def world(home: Home, project: Path) -> AsyncIterator[World]:
    """A world whose settings are in its file, because these tests change them."""
    write_quick_settings(home)
    async with running_world(home, project) as world:
        # Over TCP no other configs are read.
        world.engine.live.change("cloud", {"config_roots": (str(project),)})
        yield world


@pytest.fixture
def key(world: World) -> str:
    return world.engine.api_keys.create("test", "admin").key


@pytest.fixture
async def http(world: World, key: str) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {key}", "X-Api-Base": world.sandbox.base_url}
    base = f"http://{world.engine.listening.address}"
    async with httpx.AsyncClient(base_url=base, headers=headers, timeout=60) as client:
        yield client


# -- who is let in ----------------------------------------------------------------------------


async def test_every_route_needs_a_key(world: World, http: httpx.AsyncClient) -> None:
    routes = PUBLIC
    assert len(routes) > 40
    async with httpx.AsyncClient(base_url=http.base_url) as stranger:
        for route in routes:
            path = example(route.path)
            if path.startswith("/api/cloud/storage"):
                assert (await stranger.get(path)).status_code in (400, 403)  # in S3's own words
                answer = await stranger.get(path, headers={"X-API-Key": "wrong"})
            else:
                answer = await stranger.request(route.method, path)
            assert answer.status_code == 401, path
            assert "simpletuner-tui api-key create" in answer.json()["detail"]
            wrong = {"Authorization": "Bearer sttui_00000000_guess"}
            assert (await stranger.request(route.method, path, headers=wrong)).status_code == 401


async def test_what_is_private_is_not_on_tcp(world: World, http: httpx.AsyncClient) -> None:
    private = [endpoint for endpoint in paths.ENDPOINTS if endpoint.door == "socket"]
    assert len(private) > 40
    for endpoint in private:
        answer = await http.request(endpoint.method, example(endpoint.path), json={})
        assert answer.status_code in (404, 405), endpoint.path


async def test_both_headers_are_taken_and_revoked_keys_are_not(
    world: World, http: httpx.AsyncClient, key: str
) -> None:
    async with httpx.AsyncClient(base_url=http.base_url) as client:
        for headers in ({"X-API-Key": key}, {"Authorization": f"bearer {key}"}):
            assert (await client.get("/api/cloud/jobs", headers=headers)).status_code == 200
        world.engine.api_keys.revoke(world.engine.api_keys.rows()[0]["id"])
        assert (await client.get("/api/cloud/jobs", headers=headers)).status_code == 401


async def test_keys_are_kept_as_hashes(world: World, key: str) -> None:
    stored = json.dumps(world.engine.recorder.writer.fact("api_keys"))
    assert key not in stored
    assert key.rpartition("_")[2] not in stored
    assert key.encode() not in world.home.database.read_bytes()


async def test_web_pages_of_others_are_kept_out(world: World, http: httpx.AsyncClient) -> None:
    async def status(**headers: str) -> int:
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return (await http.get("/api/cloud/jobs", headers=headers)).status_code

    assert await status(Host="rebound.example") == 421
    assert await status(Host="rebound.example:8080") == 421
    assert await status(Host="localhost:8080") == 200
    assert await status(Host="[::1]:8080") == 200
    assert await status(Origin="https://evil.example") == 403
    assert await status(Origin="null") == 403
    for malformed in ("http://[", "http://[::1", "//[v1.a]", "[", "http://a]b"):
        assert await status(Origin=malformed) == 403
        assert await status(Host=malformed) == 421
    assert await status(Sec_Fetch_Site="cross-site") == 403
    assert await status(Origin="http://127.0.0.1:1") == 200
    world.engine.live.change("listener", {"public_url": "https://t.example"})
    assert await status(Host="t.example") == 200
    answer = await http.options("/api/cloud/jobs", headers={"Origin": "https://evil.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_no_answer_holds_a_secret(world: World, http: httpx.AsyncClient, key: str) -> None:
    proxy = {"proxy": "http://u:canary-proxy@127.0.0.1:9", "no_proxy": ("127.0.0.1",)}
    world.engine.live.change("network", proxy)
    await world.use_hub("hf_canary_token")
    job_id = await world.submit()
    await world.ended(job_id)
    pair = world.engine.keys.pair(job_id)
    secrets = [world.sandbox.token, key, pair.secret_key, "canary", world.sandbox.core.hooks.secret]
    for route in PUBLIC:
        if route.method == "GET":
            path = example(route.path).replace("nobody", job_id)
            answer = await http.get(path)
            for secret in secrets:
                assert secret not in answer.text, path


# -- what it answers --------------------------------------------------------------------------


async def test_answers_are_as_described(world: World, http: httpx.AsyncClient) -> None:
    """Every GET that answers JSON, with a finished job, its sweep and a Hub token there."""
    await world.use_hub()
    job_id = await world.submit()
    await world.ended(job_id)
    now = utc_now()
    sweep = SweepRecord("x", world.sandbox.base_url, "running", "", "", 1, now, now)
    member = MemberRecord(job_id, sweep.name, 0, now, {"lora_rank": "4"})
    world.engine._writer.sweeps.insert(sweep, [member])
    check_id = (await world.client.check_at_once(world.draft(13)))["check_id"]
    checked = 0
    for route in PUBLIC:
        if route.method != "GET" or route.content != "application/json":
            continue
        path = example(route.path).replace("nobody", job_id).replace("check/x", f"check/{check_id}")
        answer = await http.get(path)
        assert answer.status_code == 200, (path, answer.text)
        assert answer.headers["content-type"].startswith("application/json")
        assert misfits(answer.json(), shapes_of(route).answer) == [], path
        checked += 1
    assert checked > 25


async def test_refusals_are_as_described(world: World, http: httpx.AsyncClient) -> None:
    one = "/api/cloud/providers/replicate"
    cases: list[tuple[str, str, Any, int]] = [
        ("GET", "/api/cloud/jobs/nobody", None, 404),
        ("GET", "/api/cloud/jobs?job_type=odd", None, 400),
        ("GET", "/api/cloud/jobs?status=odd", None, 400),
        ("GET", "/api/cloud/jobs?filter=stat:failed", None, 400),
        ("GET", "/api/cloud/jobs?limit=0", None, 400),
        ("GET", "/api/cloud/jobs?limit=-1", None, 400),
        ("GET", "/api/cloud/metrics?days=9999", None, 400),
        ("GET", "/api/cloud/providers/modal/config", None, 404),
        ("PUT", f"{one}/config", {"webhook_allowed_ips": ["no"]}, 400),
        ("PUT", f"{one}/config", {"webhook_allowed_ips": "34.82.0.0/16"}, 400),
        ("PUT", f"{one}/config", {"cost_limit_amount": -1}, 400),
        ("PUT", f"{one}/config", {"cost_limit_period": "yearly"}, 400),
        ("PUT", f"{one}/config", {"ssl_ca_bundle": "/not/there"}, 403),
        ("PUT", f"{one}/config", {"ssl_ca_bundle": "/"}, 403),
        ("PUT", f"{one}/config", {"ssl_ca_bundle": "/dev/null"}, 403),
        ("PUT", f"{one}/config", {"proxy_url": "ftp://proxy:3128"}, 400),
        ("PUT", f"{one}/config", {"proxy_url": "http://"}, 400),
        ("PUT", f"{one}/config", {"proxy_url": "http://proxy:0"}, 400),
        ("PUT", f"{one}/config", {"proxy_url": "http://proxy:99999"}, 400),
        ("PUT", f"{one}/config", {"proxy_url": "http://proxy:3128/path"}, 400),
        ("PATCH", f"{one}/advanced", {"proxy_url": "http://a b:3128"}, 400),
        ("PATCH", f"{one}/advanced", {"ssl_verify": False}, 400),
        ("PATCH", f"{one}/advanced", {"ssl_verify": False, "confirm": "yes"}, 400),
        ("PUT", f"{one}/config", {"webhook_url": "http://plain.example"}, 400),
        ("PUT", f"{one}/config", {"http_timeout": True}, 400),
        ("PUT", f"{one}/config", [1], 400),
        ("PUT", f"{one}/token", {"api_token": ""}, 400),
        ("PUT", f"{one}/token", {"api_token": "nope"}, 400),
        ("PUT", f"{one}/token", {"api_token": 5}, 400),
        ("POST", "/api/cloud/jobs/submit", {}, 400),
        ("POST", "/api/cloud/jobs/submit?provider=modal", {}, 400),
        ("POST", "/api/cloud/jobs/submit", {"config_name_to_load": "/not/there"}, 403),
        ("POST", "/api/cloud/jobs/submit", {"config": {}, "dataloader_config": 5}, 400),
        ("POST", "/api/cloud/jobs/nobody/cancel", None, 404),
        ("DELETE", "/api/cloud/jobs/nobody", None, 404),
        ("POST", "/api/publishing/repository/check", {"repo_id": "a//b"}, 400),
        ("POST", "/api/publishing/license", {}, 400),
        ("POST", "/api/webhooks/test", {"method": "odd"}, 400),
        ("PUT", "/api/cloud/polling/setting", {}, 400),
    ]
    for method, path, body, status in cases:
        answer = await http.request(method, path, json=body)
        assert answer.status_code == status, (method, path, body, answer.text)
        assert misfits(answer.json(), Failure) == [], path
    assert (await http.post("/api/cloud/check", content=b"{")).status_code == 400
    big = await http.post("/api/cloud/check", content=b'"' + b"x" * 9_000_000)
    assert big.status_code == 413
    packed = {"Content-Encoding": "gzip"}
    assert (await http.post("/api/cloud/check", content=b"x", headers=packed)).status_code == 415


async def test_a_licence_is_the_one_that_the_card_would_have(http: httpx.AsyncClient) -> None:
    for family, flavours in ((one.name, one.flavours) for one in families().values()):
        for flavour in ("", *flavours):
            body = {"model_family": family, "model_flavour": flavour}
            answer = await http.post("/api/publishing/license", json=body)
            fields = licence_fields(family, flavour)
            expected = fields.get("license_name") or fields.get("license", "")
            assert answer.json() == {"license": expected}, body
    asked = {"sdxl": "openrail++", "flux": "flux-1-dev-non-commercial-license", "sana": "",
             "nobody": ""}  # fmt: skip
    for family, licence in asked.items():
        answer = await http.post("/api/publishing/license", json={"model_family": family})
        assert answer.json() == {"license": licence}


async def test_the_description_names_every_route_and_no_other(
    world: World, http: httpx.AsyncClient
) -> None:
    document = (await http.get("/api/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    assert document == json.loads(json.dumps(describe("both", "listener")))
    told = {
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method in operations
    }
    table = [one for one in paths.ENDPOINTS if one.door != "socket"] + list(paths.S3_ENDPOINTS)
    assert told == {(one.method, routes.plain(one.path)) for one in table}


async def test_a_provider_is_set_up_with_the_documented_call(
    world: World, http: httpx.AsyncClient, key: str
) -> None:
    """The documentation's own curl call, with a key."""
    ranges = '["34.82.0.0/16", "35.185.0.0/16"]'
    done = await asyncio.to_thread(
        subprocess.run,
        ["curl", "-sS", "-f", "-X", "PUT", f"{http.base_url}/api/cloud/providers/replicate",
         "-H", "Content-Type: application/json", "-H", f"X-API-Key: {key}",
         "-d", f'{{"webhook_allowed_ips": {ranges}}}'],
        capture_output=True, check=True, timeout=30,
    )  # fmt: skip
    assert json.loads(done.stdout)["config"]["webhook_allowed_ips"] == json.loads(ranges)
    hook = f"{http.base_url}/api/webhooks/replicate"
    tried = await asyncio.to_thread(
        subprocess.run,
        ["curl", "-sS", "-w", "%{http_code}", "-X", "POST", hook, "-d", "{}"],
        capture_output=True, check=True, timeout=30,
    )  # fmt: skip
    assert tried.stdout.endswith(b"403")  # this machine is not in Replicate's ranges
    await http.put("/api/cloud/providers/replicate/config", json={"webhook_allowed_ips": []})
    assert (await http.post("/api/webhooks/replicate", content=b"{}")).status_code == 401

    def counted() -> bool:
        fact = world.reader.fact("listener")
        return fact is not None and fact.value["webhooks"]["rejected_total"] == 2

    await eventually(counted)


async def test_settings_by_the_names_of_simpletuner(world: World, http: httpx.AsyncClient) -> None:
    change = {
        "hardware_profile": "2xH100",
        "version_override": f"simpletuner/advanced-trainer-h100-x2:{'a' * 64}",
        "webhook_url": "https://t.example/api/webhooks/replicate",
        "webhook_require_signature": False,
        "cost_limit_enabled": True,
        "cost_limit_amount": 12.5,
        "cost_limit_period": "weekly",
        "cost_limit_action": "block",
        "http_timeout": 20,
        "hardware_info": {"h100-x2": {"name": "x", "cost_per_second": 0.004}},
        "org_id": 7,
    }
    answer = (await http.put("/api/cloud/providers/replicate/config", json=change)).json()
    assert answer["ignored"] == ["org_id"]
    now = world.engine.live.now
    assert now.cloud.hardware == "h100-x2"
    assert now.cloud.pinned_versions == {"simpletuner/advanced-trainer-h100-x2": "a" * 64}
    assert now.listener.public_url == "https://t.example"
    assert not now.listener.verify_signatures
    assert (now.spending.amount_micros, now.spending.period) == (12_500_000, "weekly")
    assert now.rates_micros == {"h100-x2": 4000}
    change = {"webhook_allowed_ips": ["1.2.3.4"], "ssl_verify": False, "confirm": True}
    answer = await http.patch("/api/cloud/providers/replicate/advanced", json=change)
    advanced = answer.json()
    assert advanced["webhook_ip_allowlist_enabled"] is True
    assert advanced["http_timeout"] == 20
    assert world.engine.live.now.network.ssl_verify is False
    again = await http.patch("/api/cloud/providers/replicate/advanced", json={"ssl_verify": False})
    assert again.status_code == 200  # it is off already
    given = "http://me:secret-word@proxy:3128"
    path = "/api/cloud/providers/replicate/config"
    shown = (await http.put(path, json={"proxy_url": given})).json()["config"]["proxy_url"]
    assert shown == "http://me:***@proxy:3128"
    await http.put(path, json={"proxy_url": shown})
    assert world.engine.live.now.network.proxy == given
    assert "secret-word" not in world.home.settings_file.read_text()


async def test_a_job_by_simpletuners_own_form(world: World, http: httpx.AsyncClient) -> None:
    body = {
        "config_name_to_load": str(world.config),
        "hardware_profile": "l40s",
        "tracker_run_name": "by-script",
        "idempotency_key": "once",
    }
    path = "/api/cloud/jobs/submit?provider=replicate"
    world.engine.live.change("cloud", {"consent": "allow"})
    first = await http.post(path, json=body)
    again = await http.post(path, json=body)
    assert (first.status_code, again.status_code) == (200, 200)
    made = first.json()
    assert made["success"] is True
    assert made["data_uploaded"] is True
    assert again.json()["idempotent_hit"] is True
    assert again.json()["job_id"] == made["job_id"]
    assert world.job(made["job_id"]).name == "by-script"
    progress = await http.get(f"/api/cloud/jobs/{made['job_id']}/inline-progress")
    assert progress.json()["job_id"] == made["job_id"]
    cancelled = (await http.post(f"/api/cloud/jobs/{made['job_id']}/cancel")).json()
    assert cancelled["success"] is True
    await world.ended(made["job_id"])
    assert (await http.delete(f"/api/cloud/jobs/{made['job_id']}")).json()["success"] is True


async def test_simpletuners_form_chooses_place_and_release(
    world: World, http: httpx.AsyncClient
) -> None:
    body = {"config_name_to_load": str(world.config), "consent": True, "data": "upload"}
    path = "/api/cloud/jobs/submit"
    known = {**body, "trainer_release": "4.10.1", "delivery": {"kind": "none"}}
    refused = await http.post(path, json=known)
    assert refused.status_code == 422, refused.text
    assert "ignores an archive" in refused.text
    assert "--data staged" in refused.text
    accepted = await http.post(path, json={**known, "accept_data": True})
    assert accepted.status_code == 200, accepted.text
    job = world.job(accepted.json()["job_id"])
    assert job.submit["draft"]["trainer_release"] == "4.10.1"
    assert (job.submit["draft"]["data"], job.delivery) == ("upload", "none")
    await http.post(f"/api/cloud/jobs/{job.job_id}/cancel")
    place = {"staging": "bucket:nowhere", "keep_staged": True}
    nowhere = await http.post(path, json={**body, **place, "data": "staged"})
    assert nowhere.status_code == 422
    assert "nowhere" in nowhere.text


async def test_a_whole_config_in_the_body(world: World, http: httpx.AsyncClient) -> None:
    config = {
        name: value
        for name, value in json.loads(world.config.read_text()).items()
        if "data_backend_config" not in name
    }
    dataloader = json.loads((world.config.parent / "multidatabackend.json").read_text())
    for entry in dataloader:
        if folder := entry.get("instance_data_dir"):
            entry["instance_data_dir"] = str((world.config.parent.parent.parent / folder).resolve())
    body = {"config": config, "dataloader_config": dataloader, "consent": True}
    answer = await http.post("/api/cloud/jobs/submit", json=body)
    assert answer.status_code == 200, answer.text
    job = world.job(answer.json()["job_id"])
    assert Path(job.config_path).is_file()
    assert Path(job.config_path).stat().st_mode & 0o077 == 0
    await http.post(f"/api/cloud/jobs/{job.job_id}/cancel")


async def test_logs_whole_and_live(world: World, http: httpx.AsyncClient) -> None:
    job_id = await world.submit(steps=60)
    await world.until(job_id, JobStatus.RUNNING)
    lines, marks = [], []
    async with http.stream("GET", f"/api/cloud/jobs/{job_id}/logs/stream") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        event = ""
        async for line in stream.aiter_lines():
            if line.startswith("id: "):
                marks.append(int(line[4:]))
            elif line.startswith("event: "):
                event = line[7:]
            elif line.startswith("data: ") and not event:
                lines.append(line[6:])
    assert event == "done"
    whole = (await http.get(f"/api/cloud/jobs/{job_id}/logs")).json()["logs"]
    assert whole == world.log(job_id)
    assert lines == whole.replace("\r\n", "\n").replace("\r", "\n").splitlines()
    assert marks == sorted(marks)
    assert marks[-1] == len(whole.encode())
    half = marks[len(marks) // 2]
    rest = await http.get(
        f"/api/cloud/jobs/{job_id}/logs/stream", headers={"Last-Event-ID": str(half)}
    )
    told = [line[6:] for line in rest.text.splitlines() if line.startswith("data: ")]
    assert told[:-1] == lines[len(marks) // 2 + 1 :]


async def test_delivered_files_are_listed_and_read(world: World, http: httpx.AsyncClient) -> None:
    job_id = await world.submit()
    await world.ended(job_id)
    listed = (await http.get("/api/cloud/storage/outputs")).json()["Contents"]
    known = {file.path: file for file in world.reader.files(job_id)}
    assert {row["Key"] for row in listed} == set(known)
    row = next(row for row in listed if row["Key"].endswith(".safetensors"))
    got = await http.get(f"/api/cloud/storage/outputs/{row['Key']}")
    assert hashlib.sha256(got.content).hexdigest() == known[row["Key"]].sha256
    for bad in ("../state.db", "%2e%2e/state.db", ".incoming/x", "a/../../state.db", "nothing"):
        answer = await http.get(f"/api/cloud/storage/outputs/{bad}")
        assert answer.status_code in (400, 404), bad
    assert (await http.get("/api/cloud/storage/other")).status_code == 404


async def test_a_persons_own_s3_keys(world: World) -> None:
    import boto3
    from botocore.exceptions import ClientError

    made = await world.client.make_storage_key(60)

    def client(secret: str) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=made["endpoint"],
            aws_access_key_id=made["access_key"],
            aws_secret_access_key=secret,
            region_name=made["region"],
        )

    def work() -> bytes:
        s3 = client(made["secret_key"])
        s3.put_object(Bucket=made["bucket"], Key="notes/a.txt", Body=b"mine")
        assert [row["Key"] for row in s3.list_objects_v2(Bucket="outputs")["Contents"]] == [
            "notes/a.txt"
        ]
        body: bytes = s3.get_object(Bucket="outputs", Key="notes/a.txt")["Body"].read()
        s3.delete_object(Bucket="outputs", Key="notes/a.txt")
        with pytest.raises(ClientError):
            client(made["secret_key"][::-1]).list_objects_v2(Bucket="outputs")
        return body

    assert await asyncio.to_thread(work) == b"mine"
    assert Secret(made["secret_key"]).reveal().encode() not in world.home.database.read_bytes()
    later = made["access_key"].replace(made["access_key"][2:12], f"{2**33:010X}")
    grant = await world.engine.keys.secret_for(later)
    assert grant is not None
    assert grant.secret != made["secret_key"]  # a longer life has another secret
