"""Finished jobs with files, and their publishing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from tests.app.world import job as job_record
from tests.engine.transfers.transfer_steps import ended
from tests.engine.world import World
from tui.api.transfers import Transfer
from tui.base.job_status import JobStatus
from tui.destinations.common.meter import sha256_of
from tui.store.job_folder import folder_of
from tui.store.records import FileRecord
from tui.store.writer import Change


def a_job_with(world: World, number: int, **files: bytes) -> str:
    """Add a finished job with these files; `_` in a name stands for a dot."""
    record = replace(
        job_record(number, JobStatus.COMPLETED), api_base=world.sandbox.base_url, file_count=0,
        file_bytes=0,
    )  # fmt: skip
    job = world.engine.recorder.insert(record)
    kept = []
    for name, data in files.items():
        path = world.home.outputs / folder_of(job) / name.replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        relative = str(path.relative_to(world.home.outputs))
        kept.append(
            FileRecord(relative, len(data), sha256_of(path), "delivered", datetime.now(UTC))
        )
    world.engine.recorder.write(job.job_id, Change(files=kept))
    return job.job_id


async def publish(world: World, job_id: str, to: str, **options: Any) -> Transfer:
    transfer = await world.client.publishing.publish(job_id, to, **options)
    return await ended(world, transfer["transfer_id"])
