"""Faults of HTTP and of runs, switched on while the sandbox runs."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
import pytest

from tests.sandbox.conftest import Bucket, SandboxClient, archive, training
from tui.sandbox.releases import SUMMER


async def test_the_control_route(client: SandboxClient) -> None:
    root = client.sandbox.base_url.removesuffix("/v1")
    url = f"{root}/_sandbox/faults"
    body = [{"kind": "oom", "value": 3, "times": 1}, "nsfw@h100"]
    listed = (await client.http.post(url, json=body)).json()["faults"]
    assert [item["kind"] for item in listed] == ["oom", "nsfw"]
    assert (await client.http.get(url)).json()["faults"] == listed
    assert (await client.http.delete(url, params={"kind": "oom"})).json()["faults"] == listed[1:]
    assert (await client.http.delete(url)).json()["faults"] == []
    for wrong in ("earthquake", 5, {"kind": "oom", "value": "x"}):
        assert (await client.http.post(url, json=wrong)).status_code == 400
    assert (await client.http.delete(url, params={"kind": "x"})).status_code == 400
    more = await client.http.post(f"{root}/_sandbox/predictions", json={"count": 7})
    assert more.json() == {"predictions": 7}
    assert len((await client.http.get("predictions")).json()["results"]) == 7


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        ("rate-limit=7*1", 429, "application/problem+json"),
        ("server-error*1", 500, "text/html"),
        ("bad-gateway*1", 502, "text/html"),
        ("expired-token*1", 401, "application/problem+json"),
    ],
)
async def test_answers_that_refuse(
    client: SandboxClient, fault: str, status: int, kind: str
) -> None:
    await client.fault(fault)
    answer = await client.http.get("account")
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith(kind)
    if status == 429:
        assert answer.headers["retry-after"] == "7"
        assert answer.json()["retry_after"] == 7
        assert "resets in ~7s" in answer.json()["detail"]
    assert (await client.http.get("account")).status_code == 200


async def test_throttling_with_the_wait_in_the_text(client: SandboxClient) -> None:
    await client.fault("rate-limit-text=3*1")
    answer = await client.http.get("account")
    assert answer.json() == {
        "detail": "Request was throttled. Expected available in 3 seconds.",
        "status": 429,
    }
    assert "retry-after" not in answer.headers


async def test_network_faults_print_nothing_on_the_terminal(
    client: SandboxClient, caplog: pytest.LogCaptureFixture
) -> None:
    await client.fault("cut-request*1")
    with pytest.raises(httpx.TransportError):
        await client.http.get("account")
    host, port = client.sandbox.base_url.split("/")[2].split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"nonsense\0\r\n\r\n")
    assert b"400" in await reader.readline()
    writer.close()
    assert caplog.records == []


async def test_no_credit_stops_only_new_work(client: SandboxClient) -> None:
    await client.fault("no-credit")
    version = client.version(SUMMER, "replicate/hello-world")
    answer = await client.post("predictions", {"version": version, "input": {"text": "x"}})
    assert (answer.status_code, answer.json()["title"]) == (402, "Insufficient credit")
    assert (await client.http.get("predictions")).status_code == 200


async def test_low_credit_limits_creating_to_six_a_minute(open_client) -> None:
    client = await open_client(speed=1.0)
    await client.fault("low-credit")
    version = client.version(SUMMER, "replicate/hello-world")
    body = {"version": version, "input": {"text": "x"}}
    assert (await client.post("predictions", body)).status_code == 201
    answer = await client.post("predictions", body)
    assert answer.status_code == 429
    assert "6 requests per minute" in answer.json()["detail"]
    assert 1 <= answer.json()["retry_after"] <= 10


@pytest.mark.parametrize("fault", ["cut*1", "cut=0*1", "wrong-length*1", "cut-request*1"])
async def test_broken_connections(client: SandboxClient, fault: str) -> None:
    await client.fault(f"{fault}@POST /v1/predictions")
    version = client.version(SUMMER, "replicate/hello-world")
    with pytest.raises(httpx.TransportError):
        await client.post("predictions", {"version": version, "input": {"text": "x"}})
    made = (await client.http.get("predictions")).json()["results"]
    assert len(made) == (0 if fault.startswith("cut-request") else 1)


async def test_garbage_and_a_slow_answer(client: SandboxClient) -> None:
    await client.fault("garbage*1")
    answer = await client.http.get("account")
    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r"."):
        answer.json()
    await client.fault("slow=400*1")  # 0.2 s at this speed
    assert (await client.http.get("account")).elapsed.total_seconds() > 0.15


async def test_a_skewed_clock(client: SandboxClient) -> None:
    await client.fault("clock-skew=600")
    answer = await client.http.get("account")
    assert 590 < (parsedate_to_datetime(answer.headers["date"]) - _now()).total_seconds() < 610
    created = datetime.fromisoformat((await client.hello())["created_at"])
    assert 590 < (created - _now()).total_seconds() < 610


def _now() -> datetime:
    return datetime.now(UTC)


@pytest.mark.parametrize(
    ("fault", "error", "in_log"),
    [
        ("oom=4", "CUDA out of memory", "torch.OutOfMemoryError: CUDA out of memory"),
        ("gated-model", "gated repo", "[ERROR] Fatal Error: Failed to run training: 401"),
        ("nsfw", "NSFW content detected", "[STAGE] ✗ Configuring data backends: NSFW"),
        ("worker-crash=4", "Worker crashed (E1000)", "| 3/6 "),
    ],
)
async def test_runs_that_fail(client: SandboxClient, fault: str, error: str, in_log: str) -> None:
    await client.fault(f"{fault}*1")
    given = {"config_json": training(6), "images": await client.upload(archive())}
    done = await client.ended(await client.create(client.version(), given))
    assert done["status"] == "failed"
    assert error in done["error"]
    assert in_log in done["logs"]
    assert done["output"] is None
    again = await client.ended(await client.create(client.version(), given))
    assert again["status"] == "succeeded"


async def test_a_stalled_run_goes_on_when_it_is_allowed_to(client: SandboxClient) -> None:
    await client.fault("stall=4*1")
    given = {"config_json": training(6), "images": await client.upload(archive())}
    made = await client.create(client.version(), given)
    await client.reaches(made, lambda now: " 3/6 " in now["logs"])
    (client.work_dir / "runs" / made["id"] / "go-on").touch()
    done = await client.ended(made)
    assert (done["status"], " 6/6 " in done["logs"]) == ("succeeded", True)


async def test_a_stalled_run_can_be_canceled(client: SandboxClient) -> None:
    await client.fault("stall=4*1")
    given = {"config_json": training(6), "images": await client.upload(archive())}
    made = await client.create(client.version(), given)
    await client.reaches(made, lambda now: " 3/6 " in now["logs"])
    await client.http.post(f"/predictions/{made['id']}/cancel")
    done = await client.ended(made)
    assert (done["status"], " 4/6 " in done["logs"]) == ("canceled", False)


async def test_a_log_that_is_rewritten(open_client) -> None:
    client = await open_client(speed=100.0, step_seconds=1.0)
    await client.fault("log-rewritten=5")
    given = {"config_json": training(8), "dataloader_json": '[{"id": "a", "type": "csv"}]'}
    made = await client.create(client.version(), given)
    before = await client.reaches(made, lambda now: " 2/8 " in now["logs"])
    done = await client.ended(made)
    assert done["status"] == "succeeded"
    assert not done["logs"].startswith(before["logs"][:100])


async def test_lost_output_and_data_removed_at_once(client: SandboxClient) -> None:
    await client.fault("lost-output*1")
    done = await client.ended(await client.hello())
    assert (done["status"], done["output"]) == ("succeeded", None)
    await client.fault("data-removed*1")
    done = await client.ended(await client.hello())
    assert (done["status"], done["data_removed"], done["logs"]) == ("succeeded", True, "")


async def test_lost_uploads_do_not_fail_the_run(client: SandboxClient, bucket: Bucket) -> None:
    await client.fault("lost-upload")
    given = {"config_json": training(), "images": await client.upload(archive())}
    done = await client.ended(await client.create(client.version(), given | bucket.inputs()))
    assert done["status"] == "succeeded"
    assert "[ERROR] Publishing" in done["logs"]
    assert bucket.objects == []
