"""The delivery of an ended job is confirmed, because a failed upload does not fail the job."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from huggingface_hub import HfApi

from tests.engine.delivery.sent_files import send
from tests.engine.world import World, edit_config, running_world
from tests.support import eventually
from tui.base.job_status import DELIVERY_NOT_KNOWN_YET, JobStatus
from tui.base.listener_address import STORAGE_PATH
from tui.engine.credentials.storage_keys import BUCKET
from tui.engine.delivery.confirm_delivery import DUE
from tui.engine.listener import service
from tui.listener.storage import StorageLimits
from tui.sandbox.faults import Fault
from tui.settings import Home
from tui.store.annotations import NONE
from tui.store.job_json import job_json
from tui.store.records import JobRecord
from tui.store.writer import Change

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
    assert job_json(job, annotation=NONE)["delivered"] == delivered
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
        assert job_json(job, annotation=NONE)["delivered"] == delivered
        await eventually(
            lambda: any("nothing of it arrived" in notice["message"] for notice in published)
        )


async def test_a_missing_last_checkpoint_is_named(world: World) -> None:
    """Uploads fail from some time on, so the later files are missing."""
    edit_config(world.config, checkpoint_step_interval=20)
    world.fault("stall=30")
    job_id = await world.submit(steps=60)
    await eventually(lambda: any("checkpoint-20/" in path for path in here(world, job_id)))
    # As a defect of the container has it: from now on nothing comes through.
    lost = Fault.parse("lost-upload")
    world.prediction_of(world.job(job_id)).faults[lost.kind] = lost
    world.go_on(job_id)
    job = await confirmed(world, job_id, "yes", "no", "partly", "unknown")
    delivered = job.submit["delivered"]
    assert delivered["state"] == "partly", delivered
    assert "checkpoint-60" in delivered["missing"]
    assert job.stage.startswith("delivered: partly · checkpoint-")
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
        job_id = await world.submit(accept_delivery=True)  # its proof is refused as well
        job = await confirmed(world, job_id, "yes", "no", "partly", "unknown")
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
    world.fault("stall=5")
    job_id = await world.submit()
    await world.until(job_id, JobStatus.RUNNING)
    async with notices(world) as published:
        monkeypatch.setattr(shutil, "disk_usage", lambda path: real(path)._replace(free=0))
        world.go_on(job_id)
        job = await confirmed(world, job_id, "yes", "no", "partly", "unknown")
    assert job.submit["delivered"]["state"] == "no"
    assert "The disk has 0 bytes free" in job.submit["delivered"]["advice"]
    assert "refused" in world.kinds(job.job_id)
    refusals = [notice for notice in published if "was refused here" in notice["message"]]
    assert len(refusals) == 1, "one for all files"
    assert refusals[0]["job_id"] == job_id
    assert "Make room" in refusals[0]["advice"]


async def test_a_refused_file_that_comes_again_is_no_longer_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refusal is on the job at once, while it runs; the retry finds the room."""
    real = shutil.disk_usage
    world.fault("stall=5")
    job_id = await world.submit()
    job = await world.until(job_id, JobStatus.RUNNING)
    with monkeypatch.context() as full:
        full.setattr(shutil, "disk_usage", lambda path: real(path)._replace(free=0))
        with pytest.raises(ClientError):
            await asyncio.to_thread(send, world, job, "w.safetensors", b"w")
        fresh = world.job(job_id)
        assert fresh.status is JobStatus.RUNNING
        assert list(fresh.submit["refused"]) == ["simpletuner/cog-1/w.safetensors"]
    await asyncio.to_thread(send, world, job, "w.safetensors", b"w")
    assert world.job(job_id).submit["refused"] == {}
    assert "accepted" in world.kinds(job_id)
    await world.client.cancel(job_id)
    await world.ended(job_id)


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


async def test_an_end_that_was_the_last_thing_written_is_confirmed_by_the_next_engine(
    home: Home, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_world(home, project) as world:
        monkeypatch.setattr(world.engine.recorder, "on_end", lambda _job: None)  # killed before it
        job_id = await world.submit(delivery={"kind": "local"})
        job = await world.until(job_id, JobStatus.COMPLETED)
        assert (job.stage, world.engine.recorder.writer.fact(DUE)) == (DELIVERY_NOT_KNOWN_YET, None)
        world.engine.arrivals.resume()  # as a new engine does
        job = await confirmed(world, job_id, "yes")
        assert job.stage == ""


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


# -- by the schedule, and after the verdict ------------------------------------------------------


def forget_schedule(world: World, job_id: str) -> None:
    """Take the schedule away, as jobs of earlier versions have none."""
    submit = {k: v for k, v in world.job(job_id).submit.items() if k != "expected_delivery"}
    world.engine.recorder.write(job_id, Change(values={"submit": submit}))


async def promise(world: World, job_id: str, *weights: int, **more: Any) -> None:
    """Store a schedule with a job, as its submission does."""
    job = world.job(job_id)
    expected = {
        "steps": max(weights), "weights": list(weights), "last": max(weights), "final": False,
        "promise": "yes", "way": job.delivery,
    }  # fmt: skip
    submit = {**job.submit, "expected_delivery": expected | more}
    world.engine.recorder.write(job_id, Change(values={"submit": submit}))


async def test_weights_of_the_schedule_that_never_came_are_named(world: World) -> None:
    edit_config(world.config, checkpoint_step_interval=10)
    job_id = await world.submit(steps=20)
    await confirmed(world, job_id, "yes")
    await promise(world, job_id, 10, 15, 20)
    await world.client.collect(job_id)
    job = await confirmed(world, job_id, "partly")
    delivered = job.submit["delivered"]
    assert (delivered["state"], delivered["missing"]) == ("partly", ["checkpoint-15"])
    assert job.stage == "delivered: partly · checkpoint-15"
    assert delivered["expected"] == ["checkpoint-10", "checkpoint-15", "checkpoint-20"]
    assert {"checkpoint-10", "checkpoint-20"} <= set(delivered["arrived"])


async def test_a_file_that_arrives_after_the_verdict_changes_it(world: World) -> None:
    world.fault("lost-upload")
    job_id = await world.submit()
    job = await confirmed(world, job_id, "no")
    await promise(world, job_id, 6, 12)
    await asyncio.to_thread(send, world, job, "checkpoint-6/a.safetensors", b"a")
    job = await confirmed(world, job_id, "partly")
    assert job.submit["delivered"]["missing"][0] == "checkpoint-12"
    await asyncio.to_thread(send, world, job, "checkpoint-12/a.safetensors", b"b")
    job = await eventually(
        lambda: (
            job if "checkpoint-12" in (job := world.job(job_id)).submit["delivered"]["arrived"]
            else None
        )
    )  # fmt: skip
    assert "checkpoint-12" not in job.submit["delivered"]["missing"]
    kinds = world.kinds(job_id)
    assert kinds.index("undelivered") < kinds.index("partly")


async def test_a_refused_hidden_file_that_arrives_later_counts(world: World) -> None:
    """Our receiver stores `.notes` as `_.notes`; the refusal names it as the trainer does."""
    world.fault("stall=5")
    job_id = await world.submit()
    job = await world.until(job_id, JobStatus.RUNNING)
    key = "simpletuner/cog-1/.notes/a.txt"
    refused = {key: {"code": "InsufficientStorage", "why": "The disk is full."}}
    world.engine.recorder.write(
        job_id, Change(values={"submit": {**job.submit, "refused": refused}})
    )
    await asyncio.to_thread(send, world, job, ".notes/a.txt", b"now there is room")
    world.go_on(job_id)
    job = await confirmed(world, job_id, "yes", "no", "partly", "unknown")
    assert job.submit["delivered"]["state"] == "yes", job.submit["delivered"]


async def test_the_hub_is_judged_by_its_listing(world: World) -> None:
    """A pushed checkpoint that the schedule names and the repository lacks is missing."""
    await world.use_hub()
    job_id = await world.submit(delivery=HUB)
    await confirmed(world, job_id, "yes")
    await promise(world, job_id, 6, steps=12, final=True)
    await world.client.collect(job_id)
    job = await confirmed(world, job_id, "partly")
    delivered = job.submit["delivered"]
    assert delivered["missing"] == ["checkpoint-6"]
    assert "the final weights" in delivered["arrived"]


async def test_a_fetch_has_the_verdict_checked_again(world: World) -> None:
    """Weights that came to the Hub late: `f` looks there again."""
    await world.use_hub("hf_read")
    job_id = await world.submit(delivery=HUB, accept_delivery=True)
    await confirmed(world, job_id, "no")
    forget_schedule(world, job_id)
    url = await world.use_hub()
    api = HfApi(endpoint=url, token="hf_write")
    await asyncio.to_thread(api.create_repo, REPO, exist_ok=True)
    upload = partial(api.upload_file, path_or_fileobj=b"weights", repo_id=REPO,
                     path_in_repo="pytorch_lora_weights.safetensors")  # fmt: skip
    await asyncio.to_thread(upload)
    await world.client.collect(job_id)
    job = await confirmed(world, job_id, "yes")
    assert job.stage == ""


async def test_shards_in_a_repository_are_read_from_their_index(world: World) -> None:
    await world.use_hub("hf_read")
    job_id = await world.submit(delivery=HUB, accept_delivery=True)
    await confirmed(world, job_id, "no")
    forget_schedule(world, job_id)
    url = await world.use_hub()
    api = HfApi(endpoint=url, token="hf_write")
    index = {
        "weight_map": {"a": "m-00001-of-00002.safetensors", "b": "m-00002-of-00002.safetensors"}
    }

    def put(name: str, data: bytes) -> None:
        api.create_repo(REPO, exist_ok=True)
        api.upload_file(path_or_fileobj=data, repo_id=REPO, path_in_repo=f"transformer/{name}")

    await asyncio.to_thread(put, "m.safetensors.index.json", json.dumps(index).encode())
    await asyncio.to_thread(put, "m-00001-of-00002.safetensors", b"a")
    await world.client.collect(job_id)
    job = await eventually(
        lambda: (
            job if "no complete weights" in (job := world.job(job_id)).submit["delivered"]["words"]
            else None
        )
    )  # fmt: skip
    assert "transformer/m-00002-of-00002.safetensors" in job.submit["delivered"]["missing"]
    await asyncio.to_thread(put, "m-00002-of-00002.safetensors", b"b")
    await world.client.collect(job_id)
    await confirmed(world, job_id, "yes")


async def test_the_root_of_a_repository_is_compared_with_its_checkpoints(world: World) -> None:
    await world.use_hub("hf_read")
    job_id = await world.submit(delivery=HUB, accept_delivery=True)
    await confirmed(world, job_id, "no")
    await promise(world, job_id, 6, steps=12, final=True)
    url = await world.use_hub()
    api = HfApi(endpoint=url, token="hf_write")

    def put(name: str, data: bytes) -> None:
        api.create_repo(REPO, exist_ok=True)
        api.upload_file(path_or_fileobj=data, repo_id=REPO, path_in_repo=name)

    for name in ("checkpoint-6/w.safetensors", "w.safetensors"):  # as the trainer pushes one
        await asyncio.to_thread(put, name, b"step 6")
    await world.client.collect(job_id)
    job = await confirmed(world, job_id, "partly")
    assert job.submit["delivered"]["missing"] == ["the final weights"]
    await asyncio.to_thread(put, "w.safetensors", b"step 12")
    await world.client.collect(job_id)
    await confirmed(world, job_id, "yes")
