"""A job on the release that runs as SimpleTuner 4.10.1 does, from the submission to its files."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

from huggingface_hub import CommitOperationAdd, HfApi

from tests.engine.world import edit_config, running_world
from tui.base.job_status import JobStatus
from tui.engine.tracking.job_logs import JobLogs
from tui.engine.tracking.snapshot_values import diagnosis_values
from tui.settings import Home
from tui.simpletuner.log.run_health import Thresholds


def stage(endpoint: str, folder: Path) -> None:
    """Put the demo's photographs on the sandbox's Hub, as a public dataset."""
    api = HfApi(endpoint=endpoint, token="hf_write")
    api.create_repo("sandbox/photographs", repo_type="dataset", private=False)
    photos = sorted(folder.glob("*.png"))
    rows = [
        json.dumps({"file_name": photo.name, "caption": photo.with_suffix(".txt").read_text()})
        for photo in photos
    ]
    files = [CommitOperationAdd(photo.name, str(photo)) for photo in photos]
    files.append(CommitOperationAdd("metadata.jsonl", "\n".join(rows).encode()))
    api.create_commit(
        "sandbox/photographs", files, commit_message="photographs", repo_type="dataset"
    )


async def test_the_last_checkpoint_of_a_job_arrives_on_this_machine(
    home: Home, project: Path
) -> None:
    async with running_world(home, project, release="4.10.1") as world:
        assert world.sandbox.hub_url
        folder = world.config.parents[2] / "datasets/photographs"
        await asyncio.to_thread(stage, world.sandbox.hub_url, folder)
        edit_config(world.config, checkpoint_step_interval=6, validation_step_interval=6)
        entry = {
            "id": "photographs",
            "type": "huggingface",
            "dataset_name": "sandbox/photographs",
            "crop": True,
            "crop_aspect": "square",
            "resolution": 512,
            "resolution_type": "pixel_area",
        }
        (world.config.parent / "multidatabackend.json").write_text(json.dumps([entry]))
        job_id = await world.submit(steps=12)
        job = await world.ended(job_id, within=60)
        assert job.status is JobStatus.COMPLETED, world.log(job_id)
        assert world.steps_of(job_id)[-1] == 12
        outputs = {path.name for path in home.outputs.rglob("checkpoint-*")}
        assert outputs == {"checkpoint-6", "checkpoint-12"}
        manifests = home.outputs.rglob("checkpoint_manifest.json")
        assert {path.parent.name for path in manifests} == outputs, "a later run can resume here"


async def test_a_folder_that_is_staged_on_the_hub_is_trained_on(home: Home, project: Path) -> None:
    async with running_world(home, project, release="4.10.1") as world:
        await world.use_hub()
        edit_config(world.config, checkpoint_step_interval=6, validation_step_interval=6)
        job_id = await world.submit(steps=12, data="staged")
        job = await world.ended(job_id, within=60)
        assert job.status is JobStatus.COMPLETED, world.log(job_id)
        weights = home.outputs.rglob("checkpoint-*/pytorch_lora_weights.safetensors")
        assert {path.parent.name for path in weights} == {"checkpoint-6", "checkpoint-12"}


async def test_a_folder_that_is_staged_on_this_machine_is_trained_on(
    home: Home, project: Path
) -> None:
    """Two jobs at once with the same folder: each has its own index, and its own resolution."""
    async with running_world(home, project, release="4.10.1") as world:
        edit_config(world.config, checkpoint_step_interval=6, validation_step_interval=6)
        jobs = []
        for resolution in (512, 1024):
            path = world.config.parent / "multidatabackend.json"
            entries = json.loads(path.read_text())
            entries[0]["resolution"] = resolution
            path.write_text(json.dumps(entries))
            jobs.append(await world.submit(steps=12, data="staged", staging="here"))
        for job_id in jobs:
            job = await world.ended(job_id, within=60)
            assert job.status is JobStatus.COMPLETED, world.log(job_id)
            assert "inconsistent config" not in world.log(job_id)
        weights = home.outputs.rglob("checkpoint-12/pytorch_lora_weights.safetensors")
        assert len(list(weights)) == 2


async def test_an_archive_that_is_ignored_ends_in_the_advice_to_stage(
    home: Home, project: Path
) -> None:
    async with running_world(home, project, release="4.10.1") as world:
        job_id = await world.submit(steps=12, data="upload", accept_data=True, accept_delivery=True)
        job = await world.ended(job_id, within=60)
        assert job.status is JobStatus.FAILED, world.log(job_id)
        assert job.diagnosis["changes"] == {"data": "staged"}
        assert "--data staged" in job.diagnosis["advice"][0]
        staged = replace(job, submit={**job.submit, "staging": {"place": "hub"}})
        tail, offset = JobLogs(world.home, Thresholds).tail(job_id)
        again = diagnosis_values(staged, job.error, tail, offset)["diagnosis"]
        assert (again["rule"], again["changes"]) == (job.diagnosis["rule"], {}), "it was staged"
