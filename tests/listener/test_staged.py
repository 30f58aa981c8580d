"""A staged dataset, read and written as SimpleTuner's S3 backend does: shared reads, own writes."""

from __future__ import annotations

import asyncio
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.listener.boto_calls import call, code_of
from tests.listener.conftest import ACCESS_KEY, Storage, grant, serve_storage
from tui.listener.storage import DiskSpace, StorageGrant, StorageLimits
from tui.listener.storage.grants import StorageGrant as Grant
from tui.listener.storage.overlay import StagedView
from tui.listener.storage.staged import ContentChangedError, StagedFolder, ViewedObject

SMALL, LARGE = "job512", "job1024"
PICTURES = {"cat.png": os.urandom(70_000), "züge/ICE 4.jpg": os.urandom(3_000)}
CAPTIONS = {"cat.txt": "a cat\na photo of a cat", "züge/ICE 4.txt": "ein Zug"}
INDEX = "images/aspect_ratio_bucket_indices_photos.json"


def stage(root: Path) -> StagedFolder:
    """Stage the pictures."""
    staged = StagedFolder(root)
    for data in PICTURES.values():
        staged.add_content([data], hashlib.sha256(data).hexdigest(), len(data))
    return staged


def shown() -> list[ViewedObject]:
    """The objects that every job shows."""
    pictures = [
        ViewedObject(f"images/{name}", len(data), hashlib.sha256(data).hexdigest())
        for name, data in PICTURES.items()
    ]
    return [
        *pictures,
        *(ViewedObject.caption(f"images/{name}", text) for name, text in CAPTIONS.items()),
    ]


def data_grant(root: Path, job_id: str, **changes: Any) -> StorageGrant:
    """The permissions of a job's key for its first dataset."""
    view = StagedView(root, job_id, "0")
    usual: dict[str, Any] = {
        "job_id": job_id, "prefix": f"{job_id}-0", "bucket": f"data-{job_id}-0", "view": view,
    }  # fmt: skip
    return grant(**(usual | changes))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "staged"


@pytest.fixture
async def both(root: Path, tmp_path: Path) -> Any:
    """A receiver with two jobs that train on the same folder, and a delivery."""
    staged = stage(root)
    for job_id in (SMALL, LARGE):
        staged.write_view(job_id, "0", shown())
    grants = {
        SMALL: data_grant(root, SMALL),
        LARGE: data_grant(root, LARGE),
        ACCESS_KEY: grant(),
    }
    async with serve_storage(tmp_path / "out", grants=grants) as running:
        yield running


def client_of(storage: Storage, access_key: str) -> Any:
    return storage.client(aws_access_key_id=access_key)


async def names(client: Any, bucket: str, **more: Any) -> list[str]:
    listed = await call(client.list_objects_v2, Bucket=bucket, **more)
    return [row["Key"] for row in listed.get("Contents", [])]


async def read(client: Any, bucket: str, key: str) -> bytes:
    got = await call(client.get_object, Bucket=bucket, Key=key)
    return bytes(await asyncio.to_thread(got["Body"].read))


async def test_pictures_and_captions_are_listed_and_read_as_they_are(both: Storage) -> None:
    client, bucket = client_of(both, SMALL), f"data-{SMALL}-0"
    everything = sorted(f"images/{name}" for name in (*PICTURES, *CAPTIONS))
    for prefix in ("images/", "images", ""):
        assert await names(client, bucket, Prefix=prefix) == everything
    assert await names(client, bucket, Prefix="other/") == []
    for name, data in PICTURES.items():
        head = await call(client.head_object, Bucket=bucket, Key=f"images/{name}")
        assert head["ContentLength"] == len(data)
        assert await read(client, bucket, f"images/{name}") == data
    for name, text in CAPTIONS.items():
        assert (await read(client, bucket, f"images/{name}")).decode() == text
    part = await call(
        client.get_object, Bucket=bucket, Key="images/züge/ICE 4.txt", Range="bytes=4-6"
    )
    assert await asyncio.to_thread(part["Body"].read) == b"Zug"
    with pytest.raises(ClientError) as missing:
        await call(client.head_object, Bucket=bucket, Key=INDEX)
    assert code_of(missing) == "404"


async def test_two_jobs_with_one_folder_see_each_their_own_index(both: Storage, root: Path) -> None:
    before = {path: path.read_bytes() for path in (root / "content").rglob("*") if path.is_file()}
    assert len(before) == len(PICTURES)
    for job_id in (SMALL, LARGE):
        body = f'{{"config": {{"resolution": {job_id.removeprefix("job")}}}}}'
        await call(
            client_of(both, job_id).put_object, Bucket=f"data-{job_id}-0", Key=INDEX,
            Body=body.encode(),
        )  # fmt: skip
    for job_id in (SMALL, LARGE):
        client, bucket = client_of(both, job_id), f"data-{job_id}-0"
        assert job_id.removeprefix("job").encode() in await read(client, bucket, INDEX)
        assert (await names(client, bucket, Prefix="images/")).count(INDEX) == 1
    assert before == {
        path: path.read_bytes() for path in (root / "content").rglob("*") if path.is_file()
    }
    assert both.received == []  # an index is no result
    assert not (both.root / "outputs").exists()


async def test_a_job_that_overwrites_a_picture_changes_it_for_itself_only(both: Storage) -> None:
    for job_id in (SMALL, LARGE):
        client, bucket = client_of(both, job_id), f"data-{job_id}-0"
        if job_id == SMALL:
            await call(client.put_object, Bucket=bucket, Key="images/cat.png", Body=b"another")
        expected = b"another" if job_id == SMALL else PICTURES["cat.png"]
        assert await read(client, bucket, "images/cat.png") == expected
        listed = await call(client.list_objects_v2, Bucket=bucket, Prefix="images/cat.png")
        assert [row["Size"] for row in listed["Contents"]] == [len(expected)]


async def test_a_key_reaches_no_other_jobs_bucket_and_deletes_nothing(both: Storage) -> None:
    small = client_of(both, SMALL)
    for bucket in (f"data-{LARGE}-0", "outputs"):
        with pytest.raises(ClientError) as refused:
            await call(small.list_objects_v2, Bucket=bucket)
        assert code_of(refused) == "NoSuchBucket"
    with pytest.raises(ClientError) as delivery:
        await call(client_of(both, ACCESS_KEY).list_objects_v2, Bucket=f"data-{SMALL}-0")
    assert code_of(delivery) == "NoSuchBucket"
    where = {"Bucket": f"data-{SMALL}-0", "Key": "images/cat.png"}
    with pytest.raises(ClientError) as kept:
        await call(small.delete_object, **where)
    assert code_of(kept) == "AccessDenied"
    with pytest.raises(ClientError) as many:
        await call(
            small.delete_objects, Bucket=where["Bucket"],
            Delete={"Objects": [{"Key": where["Key"]}]},
        )  # fmt: skip
    assert code_of(many) == "AccessDenied"
    assert await read(small, where["Bucket"], where["Key"])


async def test_a_thousand_pictures_take_several_pages(root: Path, tmp_path: Path) -> None:
    staged = stage(root)
    data = PICTURES["cat.png"]
    sha256 = hashlib.sha256(data).hexdigest()
    many = [ViewedObject(f"images/{number:05}.png", len(data), sha256) for number in range(2_500)]
    staged.write_view(SMALL, "0", many)
    grants = {SMALL: data_grant(root, SMALL)}
    async with serve_storage(tmp_path / "out", grants=grants) as storage:
        client = client_of(storage, SMALL)
        await call(client.put_object, Bucket=f"data-{SMALL}-0", Key=INDEX, Body=b"{}")
        pages = client.get_paginator("list_objects_v2").paginate(
            Bucket=f"data-{SMALL}-0", Prefix="images/"
        )
        rows = await asyncio.to_thread(
            lambda: [row["Key"] for page in pages for row in page["Contents"]]
        )
    assert rows == sorted([*(shown.key for shown in many), INDEX])


async def test_notes_beyond_the_quota_or_on_a_full_disk_are_refused(
    root: Path, tmp_path: Path
) -> None:
    stage(root).write_view(SMALL, "0", shown())
    full = StorageLimits(space=lambda path: DiskSpace(1000, 0 if path == root else 1000))
    for limits, quota, expected in (
        (StorageLimits(), 100, "QuotaExceeded"),
        (full, None, "InsufficientStorage"),
    ):
        grants = {SMALL: data_grant(root, SMALL, quota_bytes=quota)}
        async with serve_storage(tmp_path / "out", grants=grants, limits=limits) as storage:
            client = client_of(storage, SMALL)
            with pytest.raises(ClientError) as refused:
                await call(client.put_object, Bucket=f"data-{SMALL}-0", Key=INDEX, Body=b"x" * 200)
            assert code_of(refused) == expected
            assert await read(client, f"data-{SMALL}-0", "images/cat.txt")


async def test_what_a_job_wrote_is_still_there_after_a_restart(root: Path, tmp_path: Path) -> None:
    stage(root).write_view(SMALL, "0", shown())
    grants: dict[str, Grant] = {SMALL: data_grant(root, SMALL)}
    for body in (b"first", b"second"):
        async with serve_storage(tmp_path / "out", grants=grants) as storage:
            client = client_of(storage, SMALL)
            if body == b"second":
                assert await read(client, f"data-{SMALL}-0", INDEX) == b"first"
            await call(client.put_object, Bucket=f"data-{SMALL}-0", Key=INDEX, Body=body)


def test_other_bytes_than_announced_are_not_stored(root: Path) -> None:
    staged = StagedFolder(root)
    sha256 = hashlib.sha256(b"right").hexdigest()
    with pytest.raises(ContentChangedError):
        staged.add_content([b"wrong"], sha256, 5)
    assert not staged.has_content(sha256, 5)
    assert staged.content() == {}
    staged.add_content([b"ri", b"ght"], sha256, 5)
    assert staged.has_content(sha256, 5)


def test_a_view_shows_nothing_that_is_not_there(root: Path) -> None:
    staged = StagedFolder(root)
    with pytest.raises(FileNotFoundError):
        staged.write_view(SMALL, "0", shown())
    assert not staged.has_view(SMALL, "0")


def test_content_goes_when_the_last_view_of_it_went(root: Path) -> None:
    staged = stage(root)
    for job_id in (SMALL, LARGE):
        staged.write_view(job_id, "0", shown())
    names = list(staged.content())
    staged.remove_views(SMALL)
    assert staged.remove_content(names) == 0
    staged.remove_views(LARGE)
    assert staged.remove_content(names) == sum(map(len, PICTURES.values()))
    assert staged.content() == {}
    assert staged.viewing_jobs() == []
