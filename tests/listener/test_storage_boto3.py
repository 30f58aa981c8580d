"""Deliveries by the real client that the trainer uses."""

from __future__ import annotations

import asyncio
import hashlib
import os
import ssl
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from tests.listener.boto_calls import call, code_of
from tests.listener.conftest import ACCESS_KEY, Checksums, Storage, grant, serve_storage
from tui.base.stored_names import stored_path
from tui.listener.storage import DiskSpace, StorageLimits

MIB = 1024 * 1024
CHECKSUMS = ["CRC32", "CRC32C", "SHA1", "SHA256", "CRC64NVME"]


@pytest.mark.parametrize("checksums", ["when_supported", "when_required"])
@pytest.mark.parametrize("size", [0, 1, 65_537, 5 * MIB])
async def test_a_body_of_any_size_arrives_as_it_was(
    any_storage: Storage, size: int, checksums: Checksums
) -> None:
    data = os.urandom(size)
    client = any_storage.client(checksums=checksums)
    answer = await call(client.put_object, Bucket="outputs", Key="a/b.bin", Body=data)
    if size < 5 * MIB:
        assert answer["ETag"] == f'"{hashlib.md5(data).hexdigest()}"'
    else:
        assert answer["ETag"].endswith('-1"')  # a dash says that it is no MD5
    assert (any_storage.folder / "a/b.bin").read_bytes() == data
    (item,) = any_storage.received
    assert (item.size, item.sha256) == (size, hashlib.sha256(data).hexdigest())
    assert (item.job_id, item.bucket, item.key) == ("job-1", "outputs", "a/b.bin")
    got = await call(client.get_object, Bucket="outputs", Key="a/b.bin")
    assert await asyncio.to_thread(got["Body"].read) == data
    assert any_storage.leftovers() == []


@pytest.mark.parametrize("algorithm", CHECKSUMS)
async def test_every_checksum_is_verified_and_echoed(any_storage: Storage, algorithm: str) -> None:
    client = any_storage.client()
    data = os.urandom(300_000)
    answer = await call(
        client.put_object, Bucket="outputs", Key="x", Body=data, ChecksumAlgorithm=algorithm
    )
    assert answer[f"Checksum{algorithm}"]
    head = await call(client.head_object, Bucket="outputs", Key="x", ChecksumMode="ENABLED")
    assert head[f"Checksum{algorithm}"] == answer[f"Checksum{algorithm}"]


@pytest.mark.parametrize("checksums", ["when_supported", "when_required"])
@pytest.mark.parametrize("mib", [40, pytest.param(200, marks=pytest.mark.release)])
async def test_a_large_file_in_parallel_parts(
    any_storage: Storage, tmp_path: Path, checksums: Checksums, mib: int
) -> None:
    source = tmp_path / "big.safetensors"
    block = os.urandom(MIB)
    with source.open("wb") as handle:
        for number in range(mib):
            handle.write(number.to_bytes(4, "big") + block[4:])
        handle.write(b"tail")
    client = any_storage.client(checksums=checksums)
    await call(
        client.upload_file,
        Filename=str(source),
        Bucket="outputs",
        Key="checkpoint-100/big.safetensors",
    )
    delivered = any_storage.folder / "checkpoint-100/big.safetensors"
    with source.open("rb") as one, delivered.open("rb") as two:
        wanted = hashlib.file_digest(one, "sha256").hexdigest()
        assert hashlib.file_digest(two, "sha256").hexdigest() == wanted
    (item,) = any_storage.received
    assert item.sha256 == wanted
    assert item.etag.endswith(f"-{mib // 8 + 1}")
    assert {path.name for path in any_storage.leftovers()} <= {"upload.json", "done.json"}


@pytest.mark.parametrize(
    "key",
    ["with space.txt", "a+b&c=d.txt", "ünï/çödé 猫.png", "%41%2e%2e", "~tilde/!*'().txt", "a%2Fb"],
)
async def test_odd_names_are_kept_letter_by_letter(any_storage: Storage, key: str) -> None:
    client = any_storage.client()
    await call(client.put_object, Bucket="outputs", Key=key, Body=b"x")
    assert (any_storage.folder / stored_path(key)).read_bytes() == b"x"
    listed = await call(client.list_objects_v2, Bucket="outputs")
    assert [row["Key"] for row in listed["Contents"]] == [key]
    await call(client.head_object, Bucket="outputs", Key=key)


async def test_parts_in_any_order_and_sent_twice(storage: Storage) -> None:
    client = storage.client()
    parts = [os.urandom(5 * MIB), os.urandom(5 * MIB), os.urandom(5 * MIB), b"the end"]
    upload = await call(client.create_multipart_upload, Bucket="outputs", Key="m.bin")
    where = {"Bucket": "outputs", "Key": "m.bin", "UploadId": upload["UploadId"]}
    etags: dict[int, str] = {}
    for number, data in [
        (3, parts[2]),
        (1, os.urandom(5 * MIB)),
        (4, parts[3]),
        (2, parts[1]),
        (1, parts[0]),
    ]:
        answer = await call(client.upload_part, PartNumber=number, Body=data, **where)
        etags[number] = answer["ETag"]
    listed = await call(client.list_parts, **where)
    assert [(row["PartNumber"], row["ETag"]) for row in listed["Parts"]] == sorted(etags.items())
    chosen = [{"PartNumber": number, "ETag": etag} for number, etag in sorted(etags.items())]
    first = await call(client.complete_multipart_upload, MultipartUpload={"Parts": chosen}, **where)
    assert (storage.folder / "m.bin").read_bytes() == b"".join(parts)
    again = await call(client.complete_multipart_upload, MultipartUpload={"Parts": chosen}, **where)
    assert again["ETag"] == first["ETag"]
    assert len(storage.received) == 1


@pytest.mark.parametrize("sizes", [(6, 5, 7, 1), (5, 6, 5, 2), (8, 8, 8, 9)])
async def test_parts_of_different_sizes(storage: Storage, sizes: tuple[int, ...]) -> None:
    client = storage.client()
    parts = [os.urandom(size * MIB) for size in sizes]
    upload = await call(client.create_multipart_upload, Bucket="outputs", Key="m.bin")
    where = {"Bucket": "outputs", "Key": "m.bin", "UploadId": upload["UploadId"]}
    chosen = []
    for number, data in enumerate(parts, start=1):
        answer = await call(client.upload_part, PartNumber=number * 2, Body=data, **where)
        chosen.append({"PartNumber": number * 2, "ETag": answer["ETag"]})
    await call(client.complete_multipart_upload, MultipartUpload={"Parts": chosen}, **where)
    assert (storage.folder / "m.bin").read_bytes() == b"".join(parts)


async def test_an_upload_resumes_after_a_restart_of_the_receiver(tmp_path: Path) -> None:
    parts = [os.urandom(5 * MIB), b"second"]
    async with serve_storage(tmp_path) as before:
        client = before.client()
        upload = await call(client.create_multipart_upload, Bucket="outputs", Key="m.bin")
        where = {"Bucket": "outputs", "Key": "m.bin", "UploadId": upload["UploadId"]}
        one = await call(client.upload_part, PartNumber=1, Body=parts[0], **where)
    async with serve_storage(tmp_path) as after:
        client = after.client()
        open_now = await call(client.list_multipart_uploads, Bucket="outputs")
        assert [row["UploadId"] for row in open_now["Uploads"]] == [upload["UploadId"]]
        two = await call(client.upload_part, PartNumber=2, Body=parts[1], **where)
        chosen = [{"PartNumber": n, "ETag": a["ETag"]} for n, a in [(1, one), (2, two)]]
        await call(client.complete_multipart_upload, MultipartUpload={"Parts": chosen}, **where)
        assert (after.folder / "m.bin").read_bytes() == b"".join(parts)
    async with serve_storage(tmp_path) as last:
        listed = await call(last.client().list_objects_v2, Bucket="outputs")
        assert [row["Key"] for row in listed["Contents"]] == ["m.bin"]
        (found,) = await last.receiver.delivered(grant())
        assert found.sha256 == hashlib.sha256(b"".join(parts)).hexdigest()


async def test_multipart_refusals(storage: Storage) -> None:
    client = storage.client()
    upload = await call(client.create_multipart_upload, Bucket="outputs", Key="m")
    where = {"Bucket": "outputs", "Key": "m", "UploadId": upload["UploadId"]}
    etags = [
        (await call(client.upload_part, PartNumber=n, Body=b"small", **where))["ETag"]
        for n in (1, 2)
    ]

    async def refused(*chosen: tuple[int, str]) -> str:
        parts = {"Parts": [{"PartNumber": n, "ETag": e} for n, e in chosen]}
        with pytest.raises(ClientError) as error:
            await call(client.complete_multipart_upload, MultipartUpload=parts, **where)
        return code_of(error)

    assert await refused((1, etags[0]), (2, etags[1])) == "EntityTooSmall"
    assert await refused((2, etags[1]), (1, etags[0])) == "InvalidPartOrder"
    assert await refused((1, '"0123"')) == "InvalidPart"
    assert await refused((3, etags[0])) == "InvalidPart"
    assert await refused() == "MalformedXML"
    with pytest.raises(ClientError) as error:
        await call(client.upload_part, **(where | {"Key": "other"}), PartNumber=1, Body=b"x")
    assert code_of(error) == "NoSuchUpload"
    await call(client.abort_multipart_upload, **where)
    assert await refused((1, etags[0])) == "NoSuchUpload"
    assert storage.leftovers() == []
    assert not (storage.folder / "m").exists()


async def test_composite_and_full_object_checksums(storage: Storage) -> None:
    client = storage.client()
    data = os.urandom(9 * MIB)
    transfer = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
    for algorithm in CHECKSUMS:
        await call(
            client.upload_fileobj,
            Fileobj=BytesIO(data),
            Bucket="outputs",
            Key=algorithm,
            Config=transfer,
            ExtraArgs={"ChecksumAlgorithm": algorithm},
        )
        assert (storage.folder / algorithm).read_bytes() == data
        head = await call(
            client.head_object, Bucket="outputs", Key=algorithm, ChecksumMode="ENABLED"
        )
        whole = head["ChecksumType"] == "FULL_OBJECT"
        assert head[f"Checksum{algorithm}"].endswith("-2") is not whole


async def test_what_a_key_may_not_do(storage: Storage) -> None:
    client = storage.client()
    await call(client.put_object, Bucket="outputs", Key="a", Body=b"x")
    with pytest.raises(ClientError) as error:
        await call(client.delete_object, Bucket="outputs", Key="a")
    assert code_of(error) == "AccessDenied"
    with pytest.raises(ClientError) as error:
        await call(client.delete_objects, Bucket="outputs", Delete={"Objects": [{"Key": "a"}]})
    assert code_of(error) == "AccessDenied"
    with pytest.raises(ClientError) as error:
        await call(client.put_object, Bucket="another", Key="a", Body=b"x")
    assert code_of(error) == "NoSuchBucket"
    with pytest.raises(ClientError) as error:
        await call(client.copy_object, Bucket="outputs", Key="b", CopySource="outputs/a")
    assert code_of(error) == "MethodNotAllowed"
    with pytest.raises(ClientError) as error:
        await call(client.get_object_acl, Bucket="outputs", Key="a")
    assert code_of(error) == "MethodNotAllowed"
    assert (storage.folder / "a").read_bytes() == b"x"


async def test_a_key_that_may_delete(tmp_path: Path) -> None:
    async with serve_storage(tmp_path, grants={ACCESS_KEY: grant(may_delete=True)}) as storage:
        client = storage.client()
        for key in ("d/a", "d/b", "c"):
            await call(client.put_object, Bucket="outputs", Key=key, Body=b"x")
        answer = await call(
            client.delete_objects,
            Bucket="outputs",
            Delete={"Objects": [{"Key": "d/a"}, {"Key": "d/b"}, {"Key": "../../x"}]},
        )
        assert {row["Key"] for row in answer["Deleted"]} == {"d/a", "d/b"}
        assert [row["Key"] for row in answer["Errors"]] == ["../../x"]
        assert not (storage.folder / "d").exists()
        await call(client.delete_object, Bucket="outputs", Key="c")
        assert "Contents" not in await call(client.list_objects_v2, Bucket="outputs")


async def test_wrong_keys_and_clocks(storage: Storage) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"aws_secret_access_key": "wrong"}, "SignatureDoesNotMatch"),
        ({"aws_access_key_id": "unknown"}, "InvalidAccessKeyId"),
    ]
    for changes, wanted in wrong:
        with pytest.raises(ClientError) as error:
            await call(storage.client(**changes).put_object, Bucket="outputs", Key="a", Body=b"x")
        assert code_of(error) == wanted
    storage.keys.grants[ACCESS_KEY] = grant(expires_at=grant().expires_at.replace(year=2020))
    with pytest.raises(ClientError) as error:
        await call(storage.client().put_object, Bucket="outputs", Key="a", Body=b"x")
    assert code_of(error) == "AccessDenied"
    assert not storage.folder.exists()


async def test_a_client_with_another_region_learns_ours_and_signs_again(storage: Storage) -> None:
    client = storage.client(region_name="eu-west-3")
    await call(client.put_object, Bucket="outputs", Key="a", Body=b"x")
    assert (storage.folder / "a").read_bytes() == b"x"


async def test_presigned_urls(any_storage: Storage) -> None:
    client = any_storage.client(checksums="when_required")
    where = {"Bucket": "outputs", "Key": "by url.txt"}
    put = client.generate_presigned_url("put_object", Params=where, ExpiresIn=60)
    get = client.generate_presigned_url("get_object", Params=where, ExpiresIn=60)
    verify = str(any_storage.certificate) if any_storage.certificate else True
    context = ssl.create_default_context(cafile=verify) if isinstance(verify, str) else True
    async with httpx.AsyncClient(verify=context) as http:
        assert (await http.put(put, content=b"hello")).status_code == 200
        answer = await http.get(get)
        assert (answer.status_code, answer.content) == (200, b"hello")
        assert (await http.get(put)).status_code == 403
        assert (await http.get(get + "0")).status_code == 403


async def test_ranges_and_conditions(storage: Storage) -> None:
    client = storage.client()
    data = os.urandom(100_000)
    etag = (await call(client.put_object, Bucket="outputs", Key="a", Body=data))["ETag"]

    async def part(asked: str) -> bytes:
        answer = await call(client.get_object, Bucket="outputs", Key="a", Range=asked)
        return bytes(await asyncio.to_thread(answer["Body"].read))

    assert await part("bytes=10-19") == data[10:20]
    assert await part("bytes=99990-") == data[-10:]
    assert await part("bytes=-5") == data[-5:]
    assert await part("bytes=5-2000000") == data[5:]
    with pytest.raises(ClientError) as error:
        await part("bytes=100000-")
    assert code_of(error) == "InvalidRange"
    with pytest.raises(ClientError) as error:
        await call(client.get_object, Bucket="outputs", Key="a", IfNoneMatch=etag)
    assert code_of(error) == "304"
    with pytest.raises(ClientError) as error:
        await call(client.put_object, Bucket="outputs", Key="a", Body=b"", IfNoneMatch="*")
    assert code_of(error) == "PreconditionFailed"
    with pytest.raises(ClientError) as error:
        await call(client.get_object, Bucket="outputs", Key="none")
    assert code_of(error) == "NoSuchKey"


async def test_listing_with_prefix_delimiter_and_pages(storage: Storage) -> None:
    client = storage.client()
    keys = [f"run/checkpoint-{n}/weights" for n in range(7)] + ["run/a", "run/z", "top"]
    for key in keys:
        await call(client.put_object, Bucket="outputs", Key=key, Body=b"x")
    assert [b["Name"] for b in (await call(client.list_buckets))["Buckets"]] == ["outputs"]
    for version in ("list_objects_v2", "list_objects"):
        pages = client.get_paginator(version).paginate(
            Bucket="outputs", Prefix="run/", Delimiter="/", PaginationConfig={"PageSize": 2}
        )
        seen = await asyncio.to_thread(list, pages)
        assert [r["Key"] for page in seen for r in page.get("Contents", [])] == ["run/a", "run/z"]
        prefixes = [r["Prefix"] for page in seen for r in page.get("CommonPrefixes", [])]
        assert prefixes == [f"run/checkpoint-{n}/" for n in range(7)]
        assert len(seen) == 5
    everything = await call(client.list_objects_v2, Bucket="outputs", StartAfter="run/z")
    assert [row["Key"] for row in everything["Contents"]] == ["top"]


async def test_quota_disk_and_size(tmp_path: Path) -> None:
    free = [100 * MIB]
    limits = StorageLimits(
        max_part_bytes=3 * MIB, space=lambda _: DiskSpace(total=1000 * MIB, free=free[0])
    )
    grants = {ACCESS_KEY: grant(quota_bytes=4 * MIB)}
    async with serve_storage(tmp_path, limits=limits, grants=grants) as storage:
        client = storage.client()

        async def put(key: str, size: int) -> str:
            try:
                await call(client.put_object, Bucket="outputs", Key=key, Body=bytes(size))
            except ClientError as error:
                return str(error.response["Error"]["Code"])
            return "stored"

        assert await put("a", 4 * MIB) == "EntityTooLarge"
        assert await put("a", 3 * MIB) == "stored"
        assert await put("b", 2 * MIB) == "QuotaExceeded"
        assert await put("a", 3 * MIB) == "stored"
        free[0] = 50 * MIB + 100
        assert await put("b", 101) == "InsufficientStorage"
        assert await put("b", 100) == "stored"
        assert storage.leftovers() == []


async def test_a_retry_finds_room_on_a_disk_that_was_full(tmp_path: Path) -> None:
    """The parts of an upload that broke on the full disk do not keep it full."""
    total = 1000 * MIB
    taken = [0]

    def space(root: Path) -> DiskSpace:
        stored = sum(path.stat().st_blocks * 512 for path in root.rglob("*") if path.is_file())
        return DiskSpace(total=total, free=total - taken[0] - stored)

    limits = StorageLimits(space=space)
    async with serve_storage(tmp_path, limits=limits) as storage:
        client = storage.client()
        first = await call(client.create_multipart_upload, Bucket="outputs", Key="w")
        part = {"Bucket": "outputs", "Key": "w", "UploadId": first["UploadId"]}
        await call(client.upload_part, **part, PartNumber=1, Body=b"1" * 8 * MIB)
        taken[0] = total - 61 * MIB  # others fill the disk: 50 MiB of it stay free for them
        with pytest.raises(ClientError) as refused:
            await call(client.upload_part, **part, PartNumber=2, Body=b"2" * 8 * MIB)
        assert code_of(refused) == "InsufficientStorage"
        # The connection breaks here: the upload is not aborted. Then it is sent again.
        data = b"w" * 9 * MIB
        parts = TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=8 * MIB)
        await asyncio.to_thread(client.upload_fileobj, BytesIO(data), "outputs", "w", Config=parts)
        assert (storage.folder / "w").read_bytes() == data
        with pytest.raises(ClientError) as gone:
            await call(client.upload_part, **part, PartNumber=2, Body=b"2")
        assert code_of(gone) == "NoSuchUpload"


async def test_uploads_of_the_same_key_stay_while_there_is_room(storage: Storage) -> None:
    client = storage.client()
    ids = [
        (await call(client.create_multipart_upload, Bucket="outputs", Key="w"))["UploadId"]
        for _ in range(2)
    ]
    for upload_id in ids:
        part = {"Bucket": "outputs", "Key": "w", "UploadId": upload_id, "PartNumber": 1}
        await call(client.upload_part, **part, Body=b"1" * MIB)
