"""A key pair for each job, the same after a restart, worth nothing for another job."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.app.world import home_at, job
from tests.engine.world import World
from tui.base.job_status import JobStatus
from tui.base.listener_address import STORAGE_PATH
from tui.engine.credentials import storage_keys
from tui.engine.credentials.storage_keys import (
    DATA_QUOTA,
    GRACE,
    LEAST_LIMIT,
    LONGEST,
    USUAL_LIMIT,
    StorageKeys,
    data_label,
)
from tui.listener.storage.grants import GIB
from tui.listener.storage.staged import StagedFolder, ViewedObject
from tui.store.job_folder import folder_of
from tui.store.submit_state import SubmitState
from tui.store.writer import Change, StoreWriter

NOW = datetime.now(UTC)
LABEL = data_label("photos")


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[StoreWriter]:
    writer = StoreWriter(home_at(tmp_path / "home"))
    yield writer
    writer.close()


def keys_of(tmp_path: Path, writer: StoreWriter) -> StorageKeys:
    return StorageKeys(tmp_path / "receiver.key", writer, lambda: NOW)


async def test_each_job_has_its_own_key_pair_that_survives_a_restart(
    tmp_path: Path, writer: StoreWriter
) -> None:
    writer.insert(replace(job(1, JobStatus.RUNNING), created_at=NOW))
    writer.insert(replace(job(2, JobStatus.RUNNING), created_at=NOW))
    first = keys_of(tmp_path, writer)
    pair = first.pair("job00001")
    assert pair.secret_key not in repr(pair)
    assert pair != first.pair("job00002")
    assert stat.S_IMODE((tmp_path / "receiver.key").stat().st_mode) == 0o600
    again = keys_of(tmp_path, writer)
    assert again.pair("job00001") == pair
    grant = await again.secret_for(pair.access_key)
    assert grant is not None
    assert (grant.job_id, grant.secret) == ("job00001", pair.secret_key)
    other = await again.secret_for(first.pair("job00002").access_key)
    assert other is not None
    assert other.prefix != grant.prefix
    for unknown in ("", "ST", "STNOBODY", "AKIAIOSFODNN7EXAMPLE", pair.access_key + "X"):
        assert await again.secret_for(unknown) is None


async def test_a_grant_ends_some_time_after_its_job(tmp_path: Path, writer: StoreWriter) -> None:
    ended = NOW - timedelta(hours=1)
    record = replace(job(1, JobStatus.COMPLETED), created_at=ended, completed_at=ended)
    writer.insert(record)
    keys = keys_of(tmp_path, writer)
    grant = await keys.secret_for(keys.pair("job00001").access_key)
    assert grant is not None
    assert grant.expires_at == ended + GRACE


async def test_a_job_that_is_never_told_to_have_ended_keeps_no_key_for_ever(
    tmp_path: Path, writer: StoreWriter
) -> None:
    writer.insert(replace(job(1, JobStatus.RUNNING), created_at=NOW - 2 * LONGEST))
    staged = StagedFolder(tmp_path / "staged")
    staged.write_view("job00001", LABEL, [ViewedObject.caption("images/cat.txt", "a cat")])
    keys = StorageKeys(tmp_path / "receiver.key", writer, lambda: NOW, staged)
    for pair in (keys.pair("job00001"), keys.data_pair("job00001", LABEL)):
        grant = await keys.secret_for(pair.access_key)
        assert grant is not None
        assert grant.expires_at == NOW - LONGEST


async def test_a_key_of_a_staged_dataset_opens_it_alone_and_ends_with_its_job(
    tmp_path: Path, writer: StoreWriter
) -> None:
    staged = StagedFolder(tmp_path / "staged")
    caption = ViewedObject.caption("images/cat.txt", "a cat")
    running = replace(job(1, JobStatus.RUNNING), created_at=NOW)
    writer.insert(running)
    writer.insert(replace(job(2, JobStatus.RUNNING), created_at=NOW))
    keys = StorageKeys(tmp_path / "receiver.key", writer, lambda: NOW, staged)
    pair = keys.data_pair("job00001", LABEL)
    assert await keys.secret_for(pair.access_key) is None  # nothing is staged for it
    staged.write_view("job00001", LABEL, [caption])
    grant = await keys.secret_for(pair.access_key)
    assert grant is not None
    assert grant.secret == pair.secret_key
    assert grant.bucket == f"data-job00001-{LABEL}"
    assert grant.view is not None
    assert grant.quota_bytes == DATA_QUOTA
    assert not grant.may_delete
    assert grant.expires_at > NOW
    delivery = await keys.secret_for(keys.pair("job00001").access_key)
    assert delivery is not None
    assert delivery.view is None
    assert {delivery.bucket, delivery.prefix, delivery.secret}.isdisjoint(
        {grant.bucket, grant.prefix, grant.secret}
    )
    others = [keys.data_pair("job00001", data_label("others")), keys.data_pair("job00002", LABEL)]
    assert len({pair.secret_key, *(other.secret_key for other in others)}) == 3
    for other in others:
        assert await keys.secret_for(other.access_key) is None
    ended = NOW - timedelta(seconds=1)
    values = {"status": JobStatus.COMPLETED, "completed_at": ended}
    writer.apply("job00001", Change(values=values))
    grant = await keys.secret_for(pair.access_key)
    assert grant is not None
    assert grant.expires_at == ended
    delivery = await keys.secret_for(keys.pair("job00001").access_key)
    assert delivery is not None
    assert delivery.expires_at > NOW  # late uploads still come in


@pytest.mark.parametrize("content", [b"", b"AAAA", b"not base64 !!", b"\xff\xfe"])
def test_a_truncated_key_file_is_replaced(
    tmp_path: Path, writer: StoreWriter, content: bytes
) -> None:
    """With an empty master key every secret could be computed by anybody."""
    (tmp_path / "receiver.key").write_bytes(content)
    first = keys_of(tmp_path, writer).pair("job00001")
    assert keys_of(tmp_path, writer).pair("job00001") == first
    (tmp_path / "receiver.key").unlink()
    assert keys_of(tmp_path, writer).pair("job00001") != first


@pytest.mark.parametrize(
    "name", ["../../etc", "a/b", "..", "ü x", "", "x" * 300, ".hidden", "con\0"]
)
def test_folders_are_names_that_stay_below(name: str) -> None:
    folder = folder_of(replace(job(1, JobStatus.RUNNING), name=name))
    assert "/" not in folder
    assert "\0" not in folder
    assert not folder.startswith(".")
    assert folder.endswith("-job00001")
    assert len(folder.encode()) < 100


async def test_a_job_may_keep_twice_what_it_is_expected_to_deliver(
    tmp_path: Path, writer: StoreWriter
) -> None:
    wanted = {"job00001": 5 * GIB, "job00002": 30 * GIB, "job00003": 1000, "job00004": None}
    for number, expected in enumerate(wanted.values(), start=1):
        submit: SubmitState = {"expected_bytes": expected}
        writer.insert(replace(job(number, JobStatus.RUNNING), created_at=NOW, submit=submit))
    limit = [USUAL_LIMIT]
    keys = StorageKeys(tmp_path / "receiver.key", writer, lambda: NOW, limit=lambda: limit[0])

    async def quota(access_key: str) -> int | None:
        grant = await keys.secret_for(access_key)
        assert grant is not None
        return grant.quota_bytes

    found = [await quota(keys.pair(job_id).access_key) for job_id in wanted]
    assert found == [10 * GIB, 60 * GIB, LEAST_LIMIT, USUAL_LIMIT]
    person = keys.listed_pair(timedelta(hours=1)).access_key
    assert await quota(person) == USUAL_LIMIT == 10 * GIB
    limit[0] = 40 * GIB  # at once, for jobs that run
    assert await quota(keys.pair("job00004").access_key) == await quota(person) == 40 * GIB


async def test_what_a_trainer_sends_beyond_that_is_refused_and_told_on_the_job(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_keys, "LEAST_LIMIT", 1000)
    world.fault("stall=5")
    job_id = await world.submit()
    record = await world.until(job_id, JobStatus.RUNNING)
    submit = {**record.submit, "expected_bytes": 1000}
    world.engine.recorder.write(job_id, Change(values={"submit": submit}))
    pair = world.engine.keys.pair(job_id)
    client = boto3.client(
        "s3", endpoint_url=f"{world.engine.listening.reachable_at}{STORAGE_PATH}",
        aws_access_key_id=pair.access_key, aws_secret_access_key=pair.secret_key,
        region_name="us-east-1",
    )  # fmt: skip

    def put(key: str, size: int) -> None:
        client.put_object(Bucket="outputs", Key=key, Body=bytes(size))

    await asyncio.to_thread(put, "a", 1900)
    with pytest.raises(ClientError, match="QuotaExceeded"):
        await asyncio.to_thread(put, "b", 200)
    job_now = world.job(job_id)
    assert job_now.submit["refused"]["b"]["code"] == "QuotaExceeded"
    told = [event.message for event in world.reader.events(job_id) if event.kind == "refused"]
    assert len(told) == 1
    assert "2,000 bytes" in told[0]
    await world.client.cancel(job_id)
