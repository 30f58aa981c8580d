"""From a folder of images to files on disk, through the control API alone."""

from __future__ import annotations

from tests.engine.world import World, written_by_trainer
from tui.store.records import JobStatus


async def test_a_job_ends_with_the_files_the_trainer_wrote(world: World) -> None:
    job_id = await world.submit(steps=60)
    job = await world.ended(job_id)
    assert job.status is JobStatus.COMPLETED, job.error
    record = world.prediction_of(job)
    files = world.reader.files(job_id)
    weights = {file.path: file.sha256 for file in files if file.path.endswith(".safetensors")}
    wrote = written_by_trainer(world, job)
    assert wrote
    assert sorted(weights.values()) == sorted(wrote.values())
    print(wrote, weights)
    assert world.log(job_id) == record.logs
    assert world.steps_of(job_id) == list(range(1, 61))
    assert world.steps_of(job_id, "lr") == list(range(1, 61))
