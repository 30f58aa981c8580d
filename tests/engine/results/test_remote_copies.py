"""Files fetched from the Hub or a bucket are recorded as having a copy there."""

from __future__ import annotations

import asyncio
import hashlib
from functools import partial
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from tests.destinations.hosting import BUCKET
from tests.engine.transfers.transfer_steps import artifacts
from tests.engine.world import World
from tests.listener.conftest import ACCESS_KEY, SECRET, Storage, grant, serve_storage
from tests.support import eventually
from tui.base.job_status import JobStatus
from tui.store.filter import parse_filter


async def delivered_job(world: World, storage: Storage, kind: str) -> str:
    """Run a job that delivers to the Hub or the bucket, and wait until its files are fetched."""
    await world.client.publishing.add_destination(
        name="mine", kind="s3", bucket=BUCKET, endpoint=storage.endpoint, prefix="runs",
        access_key=ACCESS_KEY, secret_key=SECRET, session_only=True,
    )  # fmt: skip
    delivery = {
        "hub": {"kind": "hub", "hub_model_id": "sandbox/delivered"},
        "s3": {"kind": "s3", "destination": "mine"},
    }[kind]
    job_id = await world.submit(delivery=delivery)
    assert (await world.ended(job_id)).status is JobStatus.COMPLETED

    async def fetched() -> bool:
        jobs = await world.client.publishing.artifacts(job_id)
        rows = jobs[0]["files"] if jobs else []
        return bool(rows) and not jobs[0]["unfetched"] and all(row["here"] for row in rows)

    await eventually(fetched, within=60)
    return job_id


def listed(world: World, job_id: str) -> bool:
    reader = world.reader
    try:
        return job_id in reader.job_ids(where=parse_filter("results>0"))
    finally:
        reader.close()


@pytest.mark.parametrize("kind", ["hub", "s3"])
async def test_fetched_files_are_recorded_as_remote_copies_and_can_be_fetched_again(
    world: World, tmp_path: Path, kind: str
) -> None:
    rights = grant(prefix="user", may_delete=True)
    async with serve_storage(tmp_path / "s3", grants={ACCESS_KEY: rights}) as storage:
        await world.use_hub()
        job_id = await delivered_job(world, storage, kind)
        delivered = await artifacts(world, job_id)
        target = {"hub": "hub:sandbox/delivered", "s3": "s3:mine/"}[kind]
        for row in delivered["files"]:
            assert [copy["target"].startswith(target) for copy in row["published"]] == [True], row
            if kind == "hub":
                assert row["published"][0]["link"].endswith(row["name"])
        assert await world.client.publishing.transfers() == []  # nothing was sent from here
        names = [row["name"] for row in delivered["files"]]
        cleared = await world.client.publishing.clear(job_id, names)
        assert cleared["kept"] == []
        assert not any(Path(row["path"]).exists() for row in delivered["files"])
        assert listed(world, job_id)
        # By itself nothing comes back; asked for, everything does.
        again = await world.client.collect(job_id)
        assert again["missing"] == []
        after = await artifacts(world, job_id)
        assert all(row["here"] and row["published"] for row in after["files"])
        assert {row["sha256"] for row in after["files"]} == {
            row["sha256"] for row in delivered["files"]
        }


@pytest.mark.parametrize("kind", ["hub", "s3"])
async def test_a_hidden_file_there_is_a_visible_one_here(
    world: World, tmp_path: Path, kind: str
) -> None:
    rights = grant(prefix="user", may_delete=True)
    async with serve_storage(tmp_path / "s3", grants={ACCESS_KEY: rights}) as storage:
        hub = await world.use_hub()
        job_id = await delivered_job(world, storage, kind)
        if kind == "hub":
            put = partial(
                HfApi(endpoint=hub, token="hf_write").upload_file, path_or_fileobj=b"hidden",
                path_in_repo="a/.x/run", repo_id="sandbox/delivered",
            )  # fmt: skip
        else:
            weights = next(item.key for item in storage.received if "/pytorch_lora" in item.key)
            key = f"{weights.rpartition('/')[0]}/a/.x/run"
            put = partial(storage.client().put_object, Bucket=BUCKET, Key=key, Body=b"hidden")
        await asyncio.to_thread(put)
        assert (await world.client.collect(job_id))["missing"] == []
        rows = (await artifacts(world, job_id))["files"]
        [row] = [row for row in rows if row["sha256"] == hashlib.sha256(b"hidden").hexdigest()]
        assert row["name"].endswith("a/_.x/run")
        assert Path(row["path"]).read_bytes() == b"hidden"
        assert row["published"]  # known to lie there, under its own name
        cleared = await world.client.publishing.clear(job_id, [row["name"]])
        assert cleared["kept"] == []
