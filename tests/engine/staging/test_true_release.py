"""Jobs on the release that runs as SimpleTuner 4.10.1 does, with data that are staged here."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.engine.staging.folders import picture, use_datasets
from tests.engine.world import World, edit_config, running_world
from tui.base.job_status import JobStatus
from tui.engine.credentials.storage_keys import data_label
from tui.listener.storage.staged import StagedFolder
from tui.settings import Home
from tui.store.records import JobRecord


async def submit(world: World, folder: Path, resolution: int) -> str:
    """Submit a job that trains on a folder at a resolution."""
    use_datasets(
        world,
        {
            "id": "photos", "type": "local", "instance_data_dir": str(folder),
            "caption_strategy": "textfile", "resolution": resolution, "crop": True,
            "crop_aspect": "square", "resolution_type": "pixel_area",
            "metadata_backend": "discovery",
        },
    )  # fmt: skip
    return await world.submit(steps=12, data="staged", staging="here")


def resolutions(home: Home, job: JobRecord) -> set[int]:
    """The resolutions in the index files that a job wrote beside its data."""
    files = list(home.staged.glob(f"written/{job.job_id}-*/**/aspect_ratio_bucket_indices_*.json"))
    return {json.loads(file.read_bytes())["config"]["resolution"] for file in files}


async def test_two_jobs_with_one_folder_train_each_at_its_own_resolution(
    home: Home, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StagedFolder, "remove_views", lambda *_: None)  # to look at them after
    folder = tmp_path / "photos"
    for number in range(8):
        path = picture(folder / f"{number}.png", number)
        path.with_suffix(".txt").write_text(f"picture {number}\nin other words")
    async with running_world(home, project, release="4.10.1") as world:
        edit_config(world.config, checkpoint_step_interval=6, validation_step_interval=6)
        wanted = (512, 1024)
        job_ids = [await submit(world, folder, resolution) for resolution in wanted]
        jobs: list[JobRecord] = await asyncio.gather(
            *(world.ended(job_id, within=90) for job_id in job_ids)
        )
        for job, resolution in zip(jobs, wanted, strict=True):
            log = world.log(job.job_id)
            assert job.status is JobStatus.COMPLETED, log
            assert resolutions(home, job) == {resolution}
            weights = home.outputs.glob(f"*{job.job_id}/**/*.safetensors")
            assert any("checkpoint-12" in str(path) for path in weights)
            assert "'aws_secret_access_key': '***'" in log  # the trainer printed it
            label = data_label("photos")
            assert world.engine.keys.data_pair(job.job_id, label).secret_key not in log


async def test_data_from_the_hub_are_trained_with_caches_outside_of_the_results(
    home: Home, project: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    for number in range(8):
        picture(folder / f"{number}.png", number).with_suffix(".txt").write_text("a picture")
    async with running_world(home, project, release="4.10.1") as world:
        await world.use_hub()
        edit_config(world.config, checkpoint_step_interval=6, validation_step_interval=6)
        path = world.config.with_name("multidatabackend.json")
        entry = {
            "id": "photos", "type": "local", "instance_data_dir": str(folder),
            "caption_strategy": "textfile", "resolution": 512,
        }  # fmt: skip
        path.write_text(json.dumps([entry]))
        draft = world.draft(data="staged", staging="hub")
        report = await world.client.check(draft)
        assert report["ok"], report["checks"]
        said = (
            "caches stay out of what it delivers, in cache/hub, cache/text/staged, cache/vae/photos"
        )
        assert any(said in check["message"] for check in report["checks"])
        job = await world.ended((await world.client.submit(draft))["job_id"], within=90)
        assert job.status is JobStatus.COMPLETED, world.log(job.job_id)
        rows = {row["id"]: row for row in json.loads(str(job.inputs["dataloader_json"]))}
        assert rows["photos"]["cache_dir_vae"] == "cache/vae/photos"
        assert rows["photos"]["huggingface"]["cache_dir"] == "cache/hub"
        assert rows["staged-texts"]["cache_dir"] == "cache/text/staged"
        assert "generating default text embed backend" not in world.log(job.job_id)
