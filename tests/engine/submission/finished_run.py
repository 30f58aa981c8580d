"""What is checked of a run that has ended, whatever happened to it on its way."""

from __future__ import annotations

from tests.engine.world import World, written_by_trainer
from tui.base.job_status import JobStatus


def check_whole(world: World, job_id: str, steps: int) -> None:
    """Check that log, metrics and files equal the trainer's."""
    job = world.job(job_id)
    assert job.status is JobStatus.COMPLETED, job.error
    assert world.log(job_id) == world.prediction_of(job).logs
    assert world.steps_of(job_id) == list(range(1, steps + 1))
    assert world.steps_of(job_id, "lr") == list(range(1, steps + 1))
    reader = world.reader
    files = [file for file in reader.files(job_id) if file.path.endswith(".safetensors")]
    wrote = written_by_trainer(world, job)
    assert wrote
    assert sorted(file.sha256 for file in files) == sorted(wrote.values())
    for file in files:
        assert (world.home.outputs / file.path).stat().st_size == file.size
    reader.close()
