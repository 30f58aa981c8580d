"""A job that goes on from a checkpoint which an earlier job delivered to this machine."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.engine.world import World
from tui.base.job_status import JobStatus
from tui.client.errors import ControlError
from tui.store.job_folder import folder_of
from tui.store.records import JobRecord
from tui.store.resume_point import MANIFEST, ResumePoint, resume_point


def storage(world: World, job: JobRecord) -> object:
    """The trainer's S3 client of a job."""
    pair = world.engine.keys.pair(job.job_id)
    return boto3.client(
        "s3", endpoint_url=str(job.inputs["s3_endpoint_url"]), region_name="us-east-1",
        aws_access_key_id=pair.access_key, aws_secret_access_key=pair.secret_key,
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
    )  # fmt: skip


async def stopped_job(world: World) -> tuple[JobRecord, ResumePoint]:
    """A job that the time limit ended, with a complete checkpoint of step 10."""
    job = await world.ended(
        await world.submit(20, overrides={"max_train_steps": 20, "lora_rank": 2,
                                          "checkpoint_step_interval": 10})
    )  # fmt: skip
    reader = world.reader
    names = [file.path for file in reader.files(job.job_id) if "/checkpoint-10/" in file.path]
    assert names
    head = names[0].partition("/checkpoint-10/")[0].partition("/")[2] + "/checkpoint-10"
    files = [name.rpartition("/checkpoint-10/")[2] for name in names]
    body = json.dumps({"version": 1, "files": files}).encode()
    await asyncio.to_thread(
        lambda: storage(world, job).put_object(  # type: ignore[attr-defined]  # boto3 is dynamic
            Bucket="outputs", Key=f"{head}/{MANIFEST}", Body=body
        )
    )
    ended = replace(job, diagnosis={"rule": "time-limit"}, status=JobStatus.FAILED)
    outputs = world.engine.listening.outputs
    point = resume_point(ended, reader.files(job.job_id), outputs)
    reader.close()
    assert point is not None
    return job, point


async def test_the_next_job_can_read_the_checkpoint_and_nothing_else(world: World) -> None:
    first, point = await stopped_job(world)
    assert point.step == 10
    overrides = {"max_train_steps": 20, "lora_rank": 2, "resume_from_checkpoint": point.address}
    second = await world.ended(await world.submit(20, overrides=overrides))
    client = storage(world, second)
    key = point.address.removeprefix("s3://outputs/")

    def read(name: str) -> bytes:
        answer = client.get_object(Bucket="outputs", Key=name)  # type: ignore[attr-defined]  # boto3
        return bytes(answer["Body"].read())

    manifest = json.loads(await asyncio.to_thread(read, f"{key}/{MANIFEST}"))
    outputs = world.engine.listening.outputs
    for name in manifest["files"]:
        theirs = (outputs / folder_of(first) / key / name).read_bytes()
        assert await asyncio.to_thread(read, f"{key}/{name}") == theirs
    with pytest.raises(ClientError, match="NoSuchKey"):
        await asyncio.to_thread(read, f"{key.rpartition('/')[0]}/checkpoint-20/training_state.json")
    reader = world.reader
    assert not [f for f in reader.files(second.job_id) if "/checkpoint-10/" in f.path]
    reader.close()
    sent = json.loads(str(second.inputs["config_json"]))
    assert point.address in sent.values()


async def test_a_checkpoint_that_is_not_here_is_refused(world: World) -> None:
    overrides = {"resume_from_checkpoint": "s3://outputs/simpletuner/cog-9/checkpoint-10"}
    with pytest.raises(ControlError, match="No complete checkpoint"):
        await world.submit(20, overrides=overrides)
    assert not world.predictions
