"""The gateway's promises, kept by both workers: threads of the sandbox, and real Cog servers.

One sandbox per worker serves all tests here, so that a Cog server that a test has crashed,
cancelled or used up must be replaced for the next one.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.sandbox.conftest import Bucket, SandboxClient, archive, open_bucket, training
from tests.support import eventually
from tests.wished import OPTION, wished
from tui.sandbox.cog_worker.worker import CogMissingError, CogWorker
from tui.sandbox.releases import CURRENT, EARLY, SUMMER
from tui.sandbox.server import serve

pytestmark = pytest.mark.asyncio(loop_scope="module")
WORKERS = ("sim", "cog")
NO_IMAGES = '[{"id": "hosted", "type": "huggingface"}]'
SPEED = 100.0


def needs_cog() -> None:
    if importlib.util.find_spec("cog") is None:
        pytest.skip("needs the extra `cog` (Linux with glibc, or Apple silicon)")


@pytest_asyncio.fixture(loop_scope="module")
async def bucket(tmp_path: Path) -> AsyncIterator[Bucket]:
    async with open_bucket(tmp_path / "outputs") as bucket:
        yield bucket


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=WORKERS)
async def client(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[SandboxClient]:
    if request.param == "cog":
        needs_cog()
    config = wished(
        work_dir=tmp_path_factory.mktemp("sandbox"),
        worker=request.param,
        release="4.10.1",  # it has the wished release as well
        speed=SPEED,
        slots_per_model=2,
        # At this speed a Cog server takes minutes to start, as a container does.
        run_limit_seconds=6000.0,
        retention_seconds=1e6,
    )
    sandbox = await serve(config)
    async with httpx.AsyncClient(
        base_url=sandbox.base_url + "/",
        headers={"Authorization": f"Bearer {sandbox.token}"},
        timeout=30,
        trust_env=False,
    ) as http:
        yield SandboxClient(sandbox, http)
    await sandbox.aclose()


def long_run(**options: Any) -> dict[str, Any]:
    return {"config_json": plain(10**6, **options), "dataloader_json": NO_IMAGES}


def plain(steps: int, **options: Any) -> str:
    """A run of many steps, with one checkpoint at its end and no validation."""
    rare = {"--checkpoint_step_interval": 10**9, "--validation_step_interval": 0}
    return training(steps, **rare, **options)


async def test_a_run_from_upload_to_files(client: SandboxClient, bucket: Bucket) -> None:
    given = {"config_json": training(6), "images": await client.upload(archive())}
    done = await client.ended(await client.create(client.version(), given | bucket.inputs()))
    assert done["status"] == "succeeded", done["error"]
    assert done["output"].startswith(bucket.endpoint)
    assert any(name.endswith("pytorch_lora_weights.safetensors") for name in bucket.names())
    assert "\r" in done["logs"]
    assert "Step 6 of 6: loss" in done["logs"]
    assert bucket.secret not in str(done)
    assert done["input"]["s3_secret_key"] == "[REDACTED]"
    assert done["metrics"]["total_time"] > done["metrics"]["predict_time"] > 0


async def test_the_true_release_runs_too(client: SandboxClient, bucket: Bucket) -> None:
    csv = {
        "id": "a", "type": "csv", "caption_strategy": "csv", "csv_file": "a",
        "csv_cache_dir": "b", "csv_caption_column": "c", "csv_url_column": "d",
    }  # fmt: skip
    options = {"--model_type": "lora", "--optimizer": "adamw_bf16", "--num_train_epochs": 0}
    given = {"config_json": training(6, **options), "dataloader_json": json.dumps([csv])}
    done = await client.ended(await client.create(client.version(CURRENT), given | bucket.inputs()))
    assert done["status"] == "succeeded", done["error"]
    assert any("checkpoint-6/" in name for name in bucket.names())


async def test_an_older_release_prints_its_bars_as_lines(client: SandboxClient) -> None:
    given = {"config_json": training(4), "dataloader_json": NO_IMAGES}
    done = await client.ended(await client.create(client.version(EARLY), given))
    assert done["status"] == "succeeded", done["error"]
    assert "\r" not in done["logs"]
    assert "| 4/4 [" in done["logs"]


async def test_the_log_only_grows_while_it_runs(client: SandboxClient) -> None:
    given = {"config_json": plain(1000), "dataloader_json": NO_IMAGES}
    made = await client.create(client.version(), given)
    seen: list[str] = []
    while (now := await client.get(made["id"]))["status"] in {"starting", "processing"}:
        seen.append(now["logs"])
    assert now["status"] == "succeeded", now["error"]
    assert len(set(seen)) > 3
    for before, after in zip(seen, [*seen[1:], now["logs"]], strict=True):
        assert after.startswith(before)


async def test_output_arrives_in_pieces(client: SandboxClient) -> None:
    made = await client.hello("dear world")
    stream = await client.http.get(made["urls"]["stream"], headers={"Authorization": ""})
    done = await client.ended(made)
    assert done["output"] == ["hello", " dear", " world"]
    assert stream.text.count("event: output") == 3
    assert done["logs"].endswith("said 3 of 3\n")


@pytest.mark.parametrize(
    ("fault", "error", "in_log"),
    [
        ("oom=4", "CUDA out of memory", "torch.OutOfMemoryError: CUDA out of memory"),
        ("gated-model", "gated repo", "[ERROR] Fatal Error: Failed to run training: 401"),
        ("nsfw", "NSFW content detected", "[STAGE] ✗ Configuring data backends: NSFW"),
        ("worker-crash=4", "Worker crashed", "| 3/6 "),
    ],
)
async def test_a_failed_run_does_not_affect_the_next(
    client: SandboxClient, fault: str, error: str, in_log: str
) -> None:
    await client.fault(f"{fault}*1")
    given = {"config_json": training(6), "dataloader_json": NO_IMAGES}
    done = await client.ended(await client.create(client.version(), given))
    assert done["status"] == "failed"
    assert error in done["error"]
    assert in_log in done["logs"]
    assert done["output"] is None
    again = await client.ended(await client.create(client.version(), given))
    assert again["status"] == "succeeded", again["error"]


async def test_a_log_that_is_rewritten(client: SandboxClient) -> None:
    await client.fault("log-rewritten=5*1")
    given = {"config_json": plain(600), "dataloader_json": NO_IMAGES}
    done = await client.ended(await client.create(client.version(), given))
    assert done["status"] == "succeeded", done["error"]
    assert not done["logs"].startswith("[COG] Webhook receiver started")
    assert "| 600/600 [" in done["logs"]


async def test_cancel_takes_effect_at_once_and_frees_the_slot(client: SandboxClient) -> None:
    made = [await client.create(client.version(), long_run()) for _ in range(3)]
    for job in made[:2]:
        await client.reaches(job, lambda now: "Steps:" in now["logs"])
    assert (await client.get(made[2]["id"]))["status"] == "starting"
    for job in made:
        canceled = (await client.http.post(f"predictions/{job['id']}/cancel")).json()
        assert canceled["status"] == "canceled"
    await eventually(lambda: not client.sandbox.core.jobs.running())
    assert (await client.get(made[0]["id"]))["status"] == "canceled"


async def test_a_cancel_before_the_first_step_of_a_run_ends_it(
    client: SandboxClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = client.sandbox.core.jobs
    boot = jobs._boot

    async def cancelled_at_once(model: str) -> None:
        await boot(model)
        asyncio.get_running_loop().call_soon(jobs.cancel, jobs.order["prediction"][-1])

    monkeypatch.setattr(jobs, "_boot", cancelled_at_once)
    made = await client.create(client.version(), long_run())
    await eventually(lambda: not jobs.running())
    assert (await client.get(made["id"]))["status"] == "canceled"


async def test_a_long_step_does_not_delay_a_cancel(client: SandboxClient) -> None:
    # One step of this batch takes longer than any test waits.
    made = await client.create(client.version(), long_run(train_batch_size=10**6))
    await client.reaches(made, lambda now: "Steps:" in now["logs"])
    await client.http.post(f"predictions/{made['id']}/cancel")
    await eventually(lambda: not client.sandbox.core.jobs.running(), within=4)


async def test_the_deadline_ends_a_run(client: SandboxClient) -> None:
    body = {"version": client.version(), "input": long_run()}
    made = (await client.post("predictions", body, **{"Cancel-After": "4m"})).json()
    done = await client.ended(made)
    assert done["status"] == "canceled"
    assert done["deadline"] > done["created_at"]


async def test_waiting_for_the_end(client: SandboxClient) -> None:
    version = client.version(SUMMER, "replicate/hello-world")
    await client.ended(await client.hello())  # a Cog server is up
    body = {"version": version, "input": {"text": "x"}}
    answer = await client.post("predictions", body, Prefer="wait")
    assert answer.headers["Preference-Applied"] == "wait"
    assert (answer.status_code == 201) == (answer.json()["status"] == "succeeded")


async def test_the_model_that_tests_a_webhook_address(client: SandboxClient) -> None:
    version = client.sandbox.core.registry.models["simpletuner/webhook-check"].versions[0].id
    closed = {"webhook_url": "http://127.0.0.1:9/none", "timeout_seconds": 2}
    done = await client.ended(await client.create(version, closed))
    assert done["status"] == "succeeded", done["error"]
    assert done["output"]["success"] is False
    assert "ConnectError" in done["output"]["error"]


only_cog = pytest.mark.parametrize("client", ["cog"], indirect=True)


@only_cog
async def test_a_cog_server_that_dies_fails_its_run_and_is_replaced(client: SandboxClient) -> None:
    made = await client.create(client.version(), long_run())
    await client.reaches(made, lambda now: "Steps:" in now["logs"])
    worker = client.sandbox.core.jobs._worker
    assert isinstance(worker, CogWorker)
    for server in list(worker._all):
        server.kill()
    done = await client.ended(made)
    assert done["status"] == "failed"
    assert "Cog server" in done["error"]
    given = {"config_json": training(4), "dataloader_json": NO_IMAGES}
    again = await client.ended(await client.create(client.version(), given))
    assert again["status"] == "succeeded", again["error"]


@only_cog
async def test_webhooks_without_the_token_are_refused(client: SandboxClient) -> None:
    made = await client.create(client.version(), long_run())
    await client.reaches(made, lambda now: "Steps:" in now["logs"])
    worker = client.sandbox.core.jobs._worker
    assert isinstance(worker, CogWorker)
    hook = worker._hook
    async with httpx.AsyncClient(trust_env=False) as http:
        forged = {"id": made["id"], "status": "succeeded", "logs": "x" * 10**6}
        assert (await http.post(f"{hook}/{made['id']}", json=forged)).status_code == 401
    assert "xxx" not in (await client.get(made["id"]))["logs"]
    await client.http.post(f"predictions/{made['id']}/cancel")


@only_cog
async def test_cog_servers_exit_with_a_killed_sandbox(client: SandboxClient) -> None:
    command = [
        sys.executable,
        "-m",
        "tui",
        "sandbox",
        "--worker",
        "cog",
        "--speed",
        "50",
        "--json",
        *OPTION,
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        answer = json.loads(await asyncio.to_thread(program.stdout.readline))
        headers = {"Authorization": f"Bearer {answer['token']}"}
        body = {"version": client.version(), "input": long_run()}
        async with httpx.AsyncClient(headers=headers, trust_env=False) as http:
            made = (await http.post(f"{answer['api_base']}/predictions", json=body)).json()

            async def starts() -> bool:
                now = (await http.get(made["urls"]["get"])).json()
                return "Steps:" in now["logs"]

            await eventually(starts, within=30)
        below = _below(program.pid)
        assert len(below) >= 2
        program.kill()
        program.wait()
    await eventually(lambda: not any(Path(f"/proc/{pid}/stat").exists() for pid in below))


def _below(pid: int) -> list[int]:
    """The processes that a process has started, and those below them."""
    children = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            children += [int(child), *_below(int(child))]
    return children


async def test_without_its_packages_the_worker_names_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(CogMissingError, match=r"simpletuner-tui\[cog\]"):
        await serve(wished(work_dir=tmp_path, worker="cog"))
