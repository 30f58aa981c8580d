"""Steps of the tests about transfers: a job with files, and transfers that are awaited."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Unpack

from tests.engine.world import World
from tests.support import eventually
from tui.api.artifacts import JobArtifacts
from tui.api.transfers import Transfer
from tui.base.job_status import JobStatus
from tui.destinations.common.contract import Item, LocalFile
from tui.destinations.common.meter import sha256_of
from tui.store.transfer_records import TransferItem, TransferOptions, TransferRecord, TransferState
from tui.store.writer import StoreWriter

ENDS = ("done", "unverified", "failed", "cancelled", "paused")


async def ended(world: World, transfer_id: str, *states: str) -> Transfer:
    async def look() -> Transfer | None:
        rows = await world.client.publishing.transfers()
        row = next(transfer for transfer in rows if transfer["transfer_id"] == transfer_id)
        return row if row["state"] in (states or ENDS) else None

    return await eventually(look, within=40)


async def a_job(world: World) -> str:
    job_id = await world.submit()
    assert (await world.ended(job_id)).status is JobStatus.COMPLETED
    reader = world.reader
    await eventually(lambda: reader.files(job_id))
    reader.close()
    return job_id


def random_file(path: Path, size: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(size))
    return path


def add(world: World, target: str, *files: LocalFile) -> str:
    """Queue files as if a job had produced them."""
    record = world.engine.transfers.queue.add(
        job_id="job", api_base=world.sandbox.base_url, target=target, files=files,
        options={"card": False},
    )  # fmt: skip
    return record.transfer_id


def half_sent(
    writer: StoreWriter, source: Path, state: TransferState, **options: Unpack[TransferOptions]
) -> TransferRecord:
    """Add a transfer with one part in the bucket."""
    record = TransferRecord(
        "0123456789", "job", "http://127.0.0.1:1/v1", "s3:mine/runs", datetime.now(UTC),
        state=state, total_bytes=100, options={"files": ["a.bin"], "card": False, **options},
    )  # fmt: skip
    state_now = source.stat()
    item = Item(
        "a.bin", "runs/a.bin", source, state_now.st_size, state_now.st_mtime_ns, sha256_of(source)
    )
    resume = {"upload_id": "u1", "key": "runs/a.bin", "sha256": item.sha256, "part": 8, "parts": {}}
    kept = TransferItem(0, "a.bin", str(source), item.size, item.sha256, item.to_dict(), resume)
    writer.transfers.insert(record, [kept])
    return record


async def artifacts(world: World, job_id: str) -> JobArtifacts:
    (job_artifacts,) = await world.client.publishing.artifacts(job_id)
    return job_artifacts
