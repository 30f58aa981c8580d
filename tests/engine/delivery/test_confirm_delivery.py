"""The delivery of an ended job is confirmed, because a failed upload does not fail the job."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi

from tests.engine.world import World, edit_config, running_world
from tests.support import eventually
from tui.base.job_status import JobStatus
from tui.base.listener_address import STORAGE_PATH
from tui.engine.credentials.storage_keys import BUCKET
from tui.engine.delivery.confirm_delivery import DUE
from tui.engine.listener import service
from tui.listener.storage import StorageLimits
from tui.sandbox.faults import Fault
from tui.settings import Home
from tui.store.job_json import job_json
from tui.store.records import JobRecord

REPO = "sandbox/cat-lora"
HUB = {"kind": "hub", "hub_model_id": REPO}


@asynccontextmanager
async def notices(world: World) -> AsyncIterator[list[dict[str, Any]]]:
    """Collect the notices published meanwhile."""
    published: list[dict[str, Any]] = []

    async def listen() -> None:
        with world.engine.bus.subscribe() as queue:
            while True:
                kind, data = await queue.get()
                if kind == "notice":
                    published.append(data)

    task = asyncio.create_task(listen())
    await asyncio.sleep(0)
    yield published
    task.cancel()


async def confirmed(world: World, job_id: str, *states: str) -> JobRecord:
    """Wait until the delivery of a job is confirmed, with one of the states if given."""

    def there() -> JobRecord | None:
        job = world.job(job_id)
        return job if job.submit.get("delivered", {}).get("state") in states else None

    return await eventually(there, within=30)


async def test_results_on_the_hub_count_as_delivered(world: World) -> None:
    await world.use_hub()
    job = await confirmed(world, await world.submit(delivery=HUB), "yes", "no")
    delivered = job.submit["delivered"]
    assert delivered["state"] == "yes", delivered
    assert world.sandbox.hub is not None
    repo = world.sandbox.hub.hub.repos.get("model", REPO)
    assert repo is not None
    assert delivered["revision"] == repo.head.oid
    assert delivered["files"] > 0
    assert "delivered" in world.kinds(job.job_id)
    assert job_json(job)["delivered"] == delivered
    await eventually(lambda: world.engine.recorder.writer.fact(DUE) == [])


async def test_results_on_this_machine_count_as_delivered(world: World) -> None:
    job = await confirmed(world, await world.submit(), "yes", "no", "partly", "unknown")
    delivered = job.submit["delivered"]
    assert delivered["state"] == "yes", delivered
    assert (delivered["missing"], job.stage) == ([], "")
    assert delivered["files"] > 0
    assert "delivered" in world.kinds(job.job_id)
    await eventually(lambda: world.engine.recorder.writer.fact(DUE) == [])


async def test_failed_uploads_to_this_machine_are_reported(world: World) -> None:
    world.fault("lost-upload")
    async with notices(world) as published:
        job = await confirmed(world, await world.submit(), "yes", "no", "partly", "unknown")
        assert job.status is JobStatus.COMPLETED
        delivered = job.submit["delivered"]
        assert delivered["state"] == "no", delivered
        assert delivered["words"] == "nothing arrived on this machine"
        assert delivered["missing"], delivered
        assert job.stage == f"delivered: no · {', '.join(delivered['missing'])}"
        assert "undelivered" in world.kinds(job.job_id)
        assert job_json(job)["delivered"] == delivered
        await eventually(
            lambda: any("nothing of it arrived" in notice["message"] for notice in published)
        )


async def test_a_missing_last_checkpoint_is_named(world: World) -> None:
    """Uploads fail from some time on, so the later files are missing."""
    edit_config(world.config, checkpoint_step_interval=20)
    job_id = await world.submit(steps=400)
    await eventually(lambda: any("checkpoint-20/" in path for path in here(world, job_id)))
    # As a defect of the container has it: from now on nothing comes through.
    lost = Fault.parse("lost-upload")
    world.prediction_of(world.job(job_id)).faults[lost.kind] = lost
    job = await confirmed(world, job_id, "yes", "no", "partly", "unknown")
    delivered = job.submit["delivered"]
    assert delivered["state"] == "partly", delivered
    assert "checkpoint-400" in delivered["missing"]
    assert job.stage.startswith("delivered: partly · checkpoint-400")
    assert "not all of it" not in delivered["words"]


def here(world: World, job_id: str) -> list[str]:
    reader = world.reader
    try:
        return [file.path for file in reader.files(job_id)]
    finally:
        reader.close()


async def test_refused_uploads_are_recorded_and_count_as_missing(
    home: Home, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "StorageLimits", lambda: StorageLimits(max_part_bytes=2048))
    async with running_world(home, project) as world:
        job = await confirmed(world, await world.submit(), "yes", "no", "partly", "unknown")
        delivered = job.submit["delivered"]
        assert delivered["state"] == "no", delivered
        assert any(".safetensors" in missing_item for missing_item in delivered["missing"]), (
            delivered
        )
        assert "One request carries at most 2048 bytes." in delivered["advice"]
        reader = world.reader
        events = [event for event in reader.events(job.job_id) if event.kind == "refused"]
        reader.close()
        assert events[0].source == "storage"
        assert "One request carries at most 2048 bytes." in events[0].message
        assert len({event.message for event in events}) == len(events)


async def test_a_full_disk_is_recorded_in_the_job(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = shutil.disk_usage
    job_id = await world.submit(steps=200)
    await world.until(job_id, JobStatus.RUNNING)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: real(path)._replace(free=0))
    job = await confirmed(world, job_id, "yes", "no", "partly", "unknown")
    assert job.submit["delivered"]["state"] == "no"
    assert "The disk has 0 bytes free" in job.submit["delivered"]["advice"]
    assert "refused" in world.kinds(job.job_id)


async def test_a_failed_upload_of_a_succeeded_job_is_reported(world: World) -> None:
    """With a read-only token the job succeeds, and nothing is on the Hub."""
    await world.use_hub("hf_read")
    async with notices(world) as published:
        job_id = await world.submit(delivery=HUB, accept_delivery=True)
        job = await confirmed(world, job_id, "yes", "no")
        assert job.status is JobStatus.COMPLETED
        assert job.submit["delivered"]["state"] == "no"
        assert "does not exist" in job.submit["delivered"]["words"]
        assert "undelivered" in world.kinds(job_id)
        events = await eventually(
            lambda: [notice for notice in published if notice.get("job_id") == job_id]
        )
        assert (events[0]["level"], "nothing of it arrived" in events[0]["message"]) == (
            "error",
            True,
        )


async def test_weights_of_an_earlier_run_do_not_count(world: World) -> None:
    url = await world.use_hub()
    await confirmed(world, await world.submit(delivery=HUB), "yes")
    assert world.sandbox.hub is not None
    repo = world.sandbox.hub.hub.repos.get("model", REPO)
    assert repo is not None
    early = [c.__class__(c.oid, c.title, c.date - timedelta(hours=2), c.tree) for c in repo.commits]
    repo.commits[:] = early
    await world.use_hub("hf_read")
    job_id = await world.submit(delivery=HUB, accept_delivery=True)
    card: dict[str, Any] = {
        "path_or_fileobj": b"# hello\n",
        "path_in_repo": "README.md",
        "repo_id": REPO,
    }
    upload = partial(HfApi(endpoint=url, token="hf_write").upload_file, **card)
    await asyncio.to_thread(upload)
    job = await confirmed(world, job_id, "yes", "no")
    assert job.submit["delivered"]["state"] == "no"
    assert "no weights newer than the run" in job.submit["delivered"]["words"]


async def test_an_unreachable_hub_leaves_the_delivery_unknown(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "tui.engine.delivery.confirm_delivery._UNKNOWN_PAUSES", (0.5, 0.5, 0.5, 0.5, 3600)
    )
    await world.use_hub()
    assert world.sandbox.hub is not None
    faults = world.sandbox.hub.hub.faults
    job_id = await world.submit(delivery=HUB)
    await world.until(job_id, JobStatus.RUNNING, JobStatus.COMPLETED)
    faults.failures[f"/api/models/{REPO}/paths-info"] = 2
    await confirmed(world, job_id, "unknown")
    job = await confirmed(world, job_id, "yes", "no")
    assert job.submit["delivered"]["state"] == "yes"


async def test_due_confirmations_resume_after_a_restart(
    home: Home, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_world(home, project) as world:
        url = await world.use_hub()
        monkeypatch.setattr("tui.engine.delivery.confirm_delivery._UNKNOWN_PAUSES", (3600.0,))
        assert world.sandbox.hub is not None
        world.sandbox.hub.hub.faults.failures["/paths-info"] = 1
        job_id = await world.submit(delivery=HUB)
        await confirmed(world, job_id, "unknown")
        assert world.engine.recorder.writer.fact(DUE) == [job_id]
        arrivals = world.engine.arrivals
        arrivals.resume()  # as a new engine does
        job = await confirmed(world, job_id, "yes")
        assert (job.submit["delivered"]["state"], bool(url)) == ("yes", True)


async def bucket(world: World) -> None:
    """Add our storage receiver as the user's S3 destination."""
    pair = world.engine.keys.personal_pair(timedelta(hours=1))
    await world.client.publishing.add_destination(
        name="attic", kind="s3", bucket=BUCKET, session_only=True,
        endpoint=f"{world.engine.listening.reachable_at}{STORAGE_PATH}",
        access_key=pair.access_key, secret_key=pair.secret_key,
    )  # fmt: skip


async def test_a_bucket_is_inspected_with_the_destinations_keys(world: World) -> None:
    await bucket(world)
    way = {"kind": "s3", "destination": "attic"}
    job = await confirmed(world, await world.submit(delivery=way), "yes", "no", "unknown")
    assert job.submit["delivered"]["state"] == "yes", job.submit["delivered"]
    assert f"{job.job_id}/" in job.submit["delivered"]["words"]
    world.fault("lost-upload")
    job = await confirmed(world, await world.submit(delivery=way), "yes", "no", "unknown")
    assert job.submit["delivered"]["state"] == "no", job.submit["delivered"]
