"""The receiver at the level of bytes: encodings, interrupted bodies, hostile requests."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.listener.conftest import SECRET, Storage, serve_storage
from tests.listener.wire import (
    SIGNED,
    SIGNED_TRAILER,
    UNSIGNED_TRAILER,
    Answer,
    begin,
    chunks,
    exchange,
    request,
    sign,
)
from tests.support import eventually
from tui.base.stored_names import is_inert
from tui.listener.storage import STORAGE_PATH, StorageLimits
from tui.listener.storage.chunked import ChunkedDecoder, ChunkSignatures
from tui.listener.storage.claims import SignedRequest, read_claim
from tui.listener.storage.errors import S3Error
from tui.listener.storage.sigv4 import verify

TARGET = STORAGE_PATH + "/outputs/x.bin"
KIB = 1024


def crc32(data: bytes) -> str:
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


async def send_chunks(
    storage: Storage,
    data: bytes,
    *,
    trailer: dict[str, str] | None = None,
    spoil: Any = None,
    size: int = 64 * KIB,
) -> Answer:
    declared = SIGNED if trailer is None else SIGNED_TRAILER
    headers = {"x-amz-decoded-content-length": str(len(data)), "Content-Encoding": "aws-chunked"}
    if trailer is not None:
        headers["x-amz-trailer"] = ",".join(trailer)
    signed = sign(storage, "PUT", "/outputs/x.bin", headers=headers, declared=declared)
    pieces = chunks(signed, data, size, trailer=trailer)
    if spoil is not None:
        pieces = spoil(pieces)
    length = str(sum(map(len, pieces)))
    return await exchange(
        storage, "PUT", TARGET, signed.headers | {"Content-Length": length}, pieces
    )


@pytest.mark.parametrize("size", [8 * KIB, 64 * KIB, 1000 * KIB])
async def test_signed_chunks(storage: Storage, size: int) -> None:
    data = os.urandom(300_000)
    answer = await send_chunks(storage, data, size=size)
    assert answer.status == 200, answer.body
    assert (storage.folder / "x.bin").read_bytes() == data
    answer = await send_chunks(storage, data, trailer={"x-amz-checksum-crc32": crc32(data)})
    assert answer.status == 200, answer.body
    assert answer.headers["x-amz-checksum-crc32"] == crc32(data)


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda p: [p[0].replace(p[0][-9:-2], b"1234567"), *p[1:]], "SignatureDoesNotMatch"),
        (lambda p: [p[1], p[0], *p[2:]], "SignatureDoesNotMatch"),
        (lambda p: [*p[:1], *p[2:]], "SignatureDoesNotMatch"),
        (lambda p: [p[0][:5] + b"=" + p[0][6:], *p[1:]], "InvalidRequest"),
        (lambda p: [b"zz" + p[0], *p[1:]], "InvalidRequest"),
        (lambda p: [b"f" * 3000, *p], "InvalidRequest"),
        (lambda p: [b"fffffffffffffff" + p[0], *p[1:]], "InvalidRequest"),
        (lambda p: p[:-2], "IncompleteBody"),
        (lambda p: p[:2], "IncompleteBody"),
        (lambda p: [*p, b"more"], "IncompleteBody"),
        (lambda p: [*p[:-1], b"x-amz-checksum-crc32:AAAAAA==\r\n", p[-1]], "MalformedTrailerError"),
    ],
)
async def test_damaged_chunks_leave_no_object(storage: Storage, spoil: Any, code: str) -> None:
    answer = await send_chunks(storage, os.urandom(200_000), spoil=spoil)
    assert (answer.code, answer.status < 500) == (code, True)
    assert not (storage.folder / "x.bin").exists()
    assert storage.leftovers() == []


async def test_damaged_trailers_are_refused(storage: Storage) -> None:
    data = os.urandom(100_000)
    for trailer, spoil, code in [
        ({"x-amz-checksum-crc32": crc32(b"other")}, None, "BadDigest"),
        ({"x-amz-checksum-crc32": "rubbish"}, None, "InvalidRequest"),
        (
            {"x-amz-checksum-crc32": crc32(data)},
            lambda p: [*p[:-2], p[-1]],
            "SignatureDoesNotMatch",
        ),
        (
            {"x-amz-checksum-crc32": crc32(data)},
            lambda p: [*p[:-3], b"x-amz-checksum-crc32:AAAAAA==\r\n", *p[-2:]],
            "SignatureDoesNotMatch",
        ),
    ]:
        answer = await send_chunks(storage, data, trailer=trailer, spoil=spoil)
        assert answer.code == code
    assert storage.leftovers() == []


async def test_tiny_chunks_are_refused(storage: Storage) -> None:
    answer = await send_chunks(storage, os.urandom(3 * KIB), size=KIB)
    assert answer.code == "InvalidChunkSizeError"


async def test_unsigned_chunks_with_a_trailer(storage: Storage) -> None:
    data = os.urandom(100_000)
    headers = {
        "x-amz-decoded-content-length": str(len(data)),
        "x-amz-trailer": "x-amz-checksum-crc32",
        "Content-Encoding": "aws-chunked",
    }
    signed = sign(storage, "PUT", "/outputs/x.bin", headers=headers, declared=UNSIGNED_TRAILER)
    tail = f"0\r\nx-amz-checksum-crc32:{crc32(data)}\r\n\r\n".encode()
    body = f"{len(data):X}\r\n".encode() + data + b"\r\n" + tail
    # Split at every place that is interesting for a parser, and once byte by byte at the ends.
    pieces = [body[i : i + 1] for i in range(9)] + [body[9:-60]]
    pieces += [bytes([letter]) for letter in body[-60:]]
    answer = await exchange(
        storage, "PUT", TARGET, signed.headers | {"Content-Length": str(len(body))}, pieces
    )
    assert answer.status == 200, answer.body
    assert (storage.folder / "x.bin").read_bytes() == data
    lacking = body.replace(tail, b"0\r\n\r\n")
    answer = await exchange(
        storage, "PUT", TARGET, signed.headers | {"Content-Length": str(len(lacking))}, [lacking]
    )
    assert answer.code == "MalformedTrailerError"
    short = headers | {"x-amz-decoded-content-length": str(len(data) - 1)}
    signed = sign(storage, "PUT", "/outputs/x.bin", headers=short, declared=UNSIGNED_TRAILER)
    answer = await exchange(
        storage, "PUT", TARGET, signed.headers | {"Content-Length": str(len(body))}, [body]
    )
    assert answer.code == "IncompleteBody"


def _reference(trailer: bool) -> tuple[SignedRequest, str]:
    """The worked examples of the S3 reference, "Transferring Payload in Multiple Chunks"."""
    mode = SIGNED_TRAILER if trailer else SIGNED
    signed = "content-encoding;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;"
    signed = signed if trailer else signed.replace("encoding;", "encoding;content-length;")
    signed += "x-amz-storage-class" + (";x-amz-trailer" if trailer else "")
    seed = (
        "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
        if trailer
        else "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
    )
    headers = {
        "host": "s3.amazonaws.com",
        "x-amz-date": "20130524T000000Z",
        "x-amz-storage-class": "REDUCED_REDUNDANCY",
        "authorization": "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/"
        f"aws4_request,SignedHeaders={signed},Signature={seed}",
        "x-amz-content-sha256": mode,
        "content-encoding": "aws-chunked",
        "x-amz-decoded-content-length": "66560",
    }
    headers |= (
        {"x-amz-trailer": "x-amz-checksum-crc32c"} if trailer else {"content-length": "66824"}
    )
    return SignedRequest("PUT", "/examplebucket/chunkObject.txt", "", tuple(headers.items())), seed


def test_the_examples_of_the_s3_reference() -> None:
    secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    now = datetime(2013, 5, 24, 0, 5, tzinfo=UTC)
    request_, _ = _reference(trailer=False)
    seed = verify(request_, read_claim(request_), secret, region="us-east-1", now=now, skew=900)
    decoder = ChunkedDecoder(signatures=ChunkSignatures(seed), trailer=False)
    body = b""
    for size, signature in [
        (65536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
        (1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
        (0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
    ]:
        body += f"{size:x};chunk-signature={signature}\r\n".encode() + b"a" * size + b"\r\n"
    assert b"".join(map(bytes, decoder.feed(body))) == b"a" * 66560
    assert decoder.complete


def test_the_example_with_a_trailer() -> None:
    secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    now = datetime(2013, 5, 24, 0, 5, tzinfo=UTC)
    request_, _ = _reference(trailer=True)
    seed = verify(request_, read_claim(request_), secret, region="us-east-1", now=now, skew=900)
    decoder = ChunkedDecoder(signatures=ChunkSignatures(seed), trailer=True)
    body = b""
    for size, signature in [
        (65536, "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2"),
        (1024, "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7"),
        (0, "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"),
    ]:
        body += f"{size:x};chunk-signature={signature}\r\n".encode() + b"a" * size
        body += b"\r\n" if size else b""
    body += b"x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:"
    body += b"d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n"
    assert b"".join(map(bytes, decoder.feed(body))) == b"a" * 66560
    assert decoder.complete
    assert decoder.trailers == [("x-amz-checksum-crc32c", "sOO8/Q==")]


@given(cuts=st.lists(st.integers(0, 200), max_size=12))
@settings(max_examples=100, deadline=None)
def test_a_chunked_body_may_be_cut_anywhere(cuts: list[int]) -> None:
    body = (
        b"2000\r\n" + b"x" * 8192 + b"\r\n5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"
    )
    places = sorted({*(c for c in cuts if c < 100), *(len(body) - c for c in cuts if c < 100)})
    decoder = ChunkedDecoder(signatures=None, trailer=True)
    out = b""
    for start, end in zip([0, *places], [*places, len(body)], strict=True):
        for piece in decoder.feed(body[start:end]):
            out += bytes(piece)
    assert out == b"x" * 8192 + b"hello"
    assert decoder.complete
    assert decoder.trailers == [("x-amz-checksum-crc32", "AAAAAA==")]


async def test_bodies_are_compared_with_their_headers(storage: Storage) -> None:
    data = b"hello"
    right, wrong = hashlib.sha256(data).hexdigest(), hashlib.sha256(b"x").hexdigest()
    md5 = base64.b64encode(hashlib.md5(b"x").digest()).decode()
    for headers, declared, code in [
        ({}, wrong, "XAmzContentSHA256Mismatch"),
        ({"Content-MD5": md5}, right, "BadDigest"),
        ({"Content-MD5": "short"}, right, "InvalidDigest"),
        ({"x-amz-checksum-crc32": crc32(b"x")}, right, "BadDigest"),
        ({"x-amz-checksum-crc32c": crc32(b"x")}, right, "BadDigest"),
        ({"x-amz-checksum-crc32": "a"}, right, "InvalidRequest"),
        ({"x-amz-checksum-crc99": crc32(data)}, right, "InvalidRequest"),
        ({"x-amz-trailer": "x-amz-checksum-crc32"}, right, "InvalidRequest"),
        ({}, "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "InvalidArgument"),
        ({}, "abc", "InvalidArgument"),
        ({}, SIGNED, "MissingContentLength"),
        ({"x-amz-decoded-content-length": "²"}, SIGNED, "InvalidArgument"),
        ({"x-amz-decoded-content-length": "-1"}, SIGNED, "InvalidArgument"),
        ({"x-amz-meta-a": "b" * 3000}, right, "MetadataTooLarge"),
    ]:
        answer = await request(
            storage, "PUT", "/outputs/x.bin", data, headers=headers, declared=declared
        )
        assert answer.code == code, (headers, declared, answer.body)
    assert storage.leftovers() == []
    assert (await request(storage, "PUT", "/outputs/x.bin", data, declared=right)).status == 200


async def test_an_interrupted_body_leaves_nothing_and_can_be_sent_again(
    storage: Storage,
) -> None:
    data = os.urandom(3_000_000)
    signed = sign(storage, "PUT", "/outputs/x.bin")
    headers = signed.headers | {"Content-Length": str(len(data))}
    await exchange(storage, "PUT", TARGET, headers, [data[:1_500_000]], finish=False)
    await eventually(lambda: storage.receiver._guard.bodies == 0 and not storage.leftovers())
    assert not (storage.folder / "x.bin").exists()
    assert storage.receiver._guard.outstanding == 0
    assert (await request(storage, "PUT", "/outputs/x.bin", data)).status == 200
    assert (storage.folder / "x.bin").read_bytes() == data
    # A second version that breaks off leaves the first one as it was.
    await exchange(storage, "PUT", TARGET, headers, [b"y" * 1_500_000], finish=False)
    await eventually(lambda: storage.receiver._guard.bodies == 0)
    assert (storage.folder / "x.bin").read_bytes() == data
    assert len(storage.received) == 1


async def test_an_interrupted_part_does_not_damage_the_previous_one(storage: Storage) -> None:
    client = storage.client()
    where = {"Bucket": "outputs", "Key": "m"}
    upload = await asyncio.to_thread(lambda: client.create_multipart_upload(**where)["UploadId"])
    data = os.urandom(6_000_000)
    path = f"/outputs/m?partNumber=1&uploadId={upload}"
    one = await request(storage, "PUT", path, data)
    assert one.status == 200
    headers = sign(storage, "PUT", path).headers | {"Content-Length": str(len(data))}
    await exchange(storage, "PUT", STORAGE_PATH + path, headers, [data[:3_000_000]], finish=False)
    await eventually(lambda: storage.receiver._guard.bodies == 0)
    parts = {"Parts": [{"PartNumber": 1, "ETag": one.headers["etag"]}]}
    await asyncio.to_thread(
        lambda: client.complete_multipart_upload(**where, UploadId=upload, MultipartUpload=parts)
    )
    assert (storage.folder / "m").read_bytes() == data


async def test_damage_on_the_disk_is_noticed(storage: Storage) -> None:
    client = storage.client()
    where = {"Bucket": "outputs", "Key": "m"}
    upload = await asyncio.to_thread(lambda: client.create_multipart_upload(**where)["UploadId"])
    path = f"/outputs/m?partNumber=1&uploadId={upload}"
    etag = (await request(storage, "PUT", path, bytes(100_000))).headers["etag"]
    (stored,) = storage.root.rglob("data")
    with stored.open("r+b") as handle:
        handle.seek(50_000)
        handle.write(b"!")
    body = (
        f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>"
        "</CompleteMultipartUpload>"
    ).encode()
    finish = f"/outputs/m?uploadId={upload}"
    answer = await request(storage, "POST", finish, body)
    assert answer.code == "InvalidPart"
    assert not (storage.folder / "m").exists()
    assert (await request(storage, "PUT", path, bytes(100_000))).status == 200
    assert (await request(storage, "POST", finish, body)).status == 200
    assert (storage.folder / "m").read_bytes() == bytes(100_000)


async def test_100_continue_follows_only_after_the_signature_is_verified(storage: Storage) -> None:
    for secret, continued in [("wrong", False), ("", True)]:
        signed = sign(storage, "PUT", "/outputs/x.bin", secret=secret or SECRET)
        headers = signed.headers | {"Content-Length": "5", "Expect": "100-continue"}
        answer = await exchange(storage, "PUT", TARGET, headers, [b"hello"], wait_for_continue=True)
        assert answer.continued is continued
        assert answer.status == (200 if continued else 403)


async def test_silent_and_slow_bodies_time_out(tmp_path: Path) -> None:
    limits = StorageLimits(idle_seconds=0.3, grace_seconds=0.2, min_bytes_per_second=10_000)
    async with serve_storage(tmp_path, limits=limits) as storage:
        signed = sign(storage, "PUT", "/outputs/x.bin")
        headers = signed.headers | {"Content-Length": "100000"}
        answer = await exchange(storage, "PUT", TARGET, headers, [b"some"])
        assert answer.code == "RequestTimeout"
        reader, writer = await asyncio.open_connection("127.0.0.1", storage.port)
        head = f"PUT {TARGET} HTTP/1.1\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(head.encode() + b"\r\n")
        reading = asyncio.ensure_future(reader.readline())
        while not reading.done():
            writer.write(b"x")
            await asyncio.wait({reading}, timeout=0.05)
        assert b" 400 " in reading.result()
        writer.close()
        await eventually(lambda: not storage.leftovers())


async def test_too_many_bodies_at_once(tmp_path: Path) -> None:
    async with serve_storage(tmp_path, limits=StorageLimits(max_bodies_per_job=2)) as storage:
        signed = sign(storage, "PUT", "/outputs/x.bin")
        headers = signed.headers | {"Content-Length": "10"}
        waiting = [
            asyncio.ensure_future(exchange(storage, "PUT", TARGET, headers)) for _ in range(2)
        ]
        await eventually(lambda: storage.receiver._guard.bodies == 2)
        answer = await request(storage, "PUT", "/outputs/y.bin", b"hello")
        assert (answer.status, answer.code) == (503, "SlowDown")
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
        await eventually(lambda: storage.receiver._guard.bodies == 0)
        assert (await request(storage, "PUT", "/outputs/y.bin", b"hello")).status == 200


TRAVERSALS = [
    "/outputs/../x", "/outputs/a/../../x", "/outputs/%2e%2e/x", "/outputs/%2E%2E%2Fx",
    "/outputs/..%2f..%2f..%2fetc%2fpasswd", "/outputs/a%2f..%2f..%2fb", "/outputs//etc/passwd",
    "/outputs/%2fetc/passwd", "/outputs/a//b", "/outputs/.", "/outputs/..", "/outputs/a/.",
    "/outputs/a%ff", "/outputs/%C0%AE%C0%AE/x", "/outputs/%ed%a0%80",
    "/outputs/" + "a/" * 600 + "b", "/outputs/" + "a" * 1025,
    "/outputs/dir/", "/../outputs/x", "/%2e%2e/x", "/outputs%2f..%2fx", "/OUTPUTS/x",
    "/out%00puts/x", "/.incoming/x", "/o/x", "/" + "b" * 100 + "/x",
]  # fmt: skip
ODD_NAMES = [
    "/outputs/a%5c..%5cb", "/outputs/..%5c..%5cx", "/outputs/C:%5cx", "/outputs/a%00b",
    "/outputs/a%0ab", "/outputs/a%0d%0ab", "/outputs/a%7fb", "/outputs/a%C2%85b",
    "/outputs/a%E2%80%A8b", "/outputs/" + "a" * 256, "/outputs/" + "%C3%A9" * 128,
]  # fmt: skip


@pytest.mark.parametrize("path", ODD_NAMES)
async def test_an_odd_name_is_stored_inside_under_another(storage: Storage, path: str) -> None:
    """It is not refused: the trainer's whole upload would end with it."""
    assert (await request(storage, "PUT", path, b"data")).status == 200
    answer = await request(storage, "GET", path)
    assert (answer.status, answer.body) == (200, b"data")
    (item,) = storage.received
    assert item.path.parent == storage.folder
    assert is_inert(item.path.name)


@pytest.mark.parametrize("path", TRAVERSALS)
async def test_no_encoding_of_a_path_leads_out_of_the_folder(storage: Storage, path: str) -> None:
    before = set(storage.root.rglob("*"))
    for method in ("PUT", "GET", "POST", "DELETE"):
        answer = await request(storage, method, path, b"evil" if method == "PUT" else b"")
        assert 400 <= answer.status < 500, (method, answer.status)
    after = {item for item in storage.root.rglob("*") if item.is_file()}
    assert after <= before
    assert not (storage.root.parent / "x").exists()


async def test_double_encoding_stays_a_name(storage: Storage) -> None:
    assert (await request(storage, "PUT", "/outputs/%252e%252e%252fx", b"a")).status == 200
    assert (storage.folder / "%252e%252e%252fx").read_bytes() == b"a"


async def test_links_and_files_in_the_path_of_a_key(storage: Storage, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    assert (await request(storage, "PUT", "/outputs/file", b"a")).status == 200
    (storage.folder / "link").symlink_to(outside)
    (storage.folder / "target").symlink_to(outside / "new")
    (storage.folder / "there").mkdir()
    for path in ("/outputs/link/x", "/outputs/file/x", "/outputs/there"):
        answer = await request(storage, "PUT", path, b"b")
        assert answer.code == "InvalidRequest", path
    # A link at the place itself is replaced, not followed.
    assert (await request(storage, "PUT", "/outputs/target", b"b")).status == 200
    assert list(outside.iterdir()) == []
    (storage.folder / "file").unlink()
    (storage.folder / "file").symlink_to("/etc/hostname")
    assert (await request(storage, "GET", "/outputs/file")).code == "NoSuchKey"


async def test_signatures_in_many_wrong_forms(storage: Storage) -> None:
    good = sign(storage, "GET", "/outputs/x.bin").headers
    auth = good["Authorization"]

    async def status(target: str = TARGET, **changes: str | None) -> tuple[int, str]:
        headers = {k.lower(): v for k, v in good.items()}
        for name, value in changes.items():
            key = name.replace("_", "-")
            headers.pop(key, None)
            if value is not None:
                headers[key] = value
        answer = await exchange(storage, "GET", target, headers)
        return answer.status, answer.code

    assert await status() == (404, "NoSuchKey")
    assert await status(authorization=None) == (403, "AccessDenied")
    assert await status(authorization="") == (400, "InvalidRequest")
    assert await status(authorization="Basic abc") == (400, "InvalidRequest")
    assert await status(authorization="AWS key:sig") == (400, "InvalidRequest")
    malformed = "AuthorizationHeaderMalformed"
    assert await status(authorization="AWS4-HMAC-SHA256 x") == (400, malformed)
    assert await status(authorization=auth + ",Signature=x") == (400, malformed)
    assert await status(authorization=auth.replace("/s3/", "/ec2/")) == (400, malformed)
    assert await status(authorization=auth.replace("/us-east-1", "/mars")) == (400, malformed)
    assert await status(authorization=auth.replace("aws4_request", "aws5")) == (400, malformed)
    assert await status(authorization=auth.replace("host;", "")) == (403, "AccessDenied")
    assert await status(authorization=auth[:-1]) == (403, "SignatureDoesNotMatch")
    flipped = auth[:-1] + ("0" if auth[-1] != "0" else "1")
    assert await status(authorization=flipped) == (403, "SignatureDoesNotMatch")
    assert await status(authorization=auth.replace("job-key-1", "é")) == (400, malformed)
    assert await status(x_amz_date=None) == (403, "AccessDenied")
    assert await status(x_amz_date="20260101T000000Z") == (400, malformed)
    assert await status(x_amz_content_sha256=None) == (400, "InvalidRequest")
    assert await status(x_amz_extra="1") == (403, "AccessDenied")
    assert await status(host="elsewhere") == (403, "SignatureDoesNotMatch")
    assert await status(TARGET + "?a=b") == (403, "SignatureDoesNotMatch")
    assert await status(TARGET + "?uploads") == (403, "SignatureDoesNotMatch")
    assert await status(TARGET + "?X-Amz-Signature=x") == (400, "InvalidArgument")
    assert await status(TARGET + "?Signature=x", authorization=None) == (400, "InvalidRequest")


async def test_a_clock_that_is_off(tmp_path: Path) -> None:
    for shift, code in [
        (14, "NoSuchKey"),
        (16, "RequestTimeTooSkewed"),
        (-16, "RequestTimeTooSkewed"),
    ]:
        limits = StorageLimits(now=lambda s=shift: datetime.now(UTC) + timedelta(minutes=s))
        async with serve_storage(tmp_path, limits=limits) as storage:
            answer = await request(storage, "GET", "/outputs/none")
            assert answer.code == code
            assert (b"<ServerTime>" in answer.body) is (code == "RequestTimeTooSkewed")


async def test_a_tunnel_may_rewrite_the_host(tmp_path: Path) -> None:
    async with serve_storage(
        tmp_path, limits=StorageLimits(public_hosts=("my-tunnel.example",))
    ) as storage:
        for signed_for, sent in [
            ("my-tunnel.example", {"Host": "127.0.0.1:8080"}),
            ("other.example", {"Host": "localhost", "X-Forwarded-Host": "other.example"}),
            ("other.example", {"Host": "other.example:443"}),
        ]:
            signed = sign(storage, "GET", "/outputs", host=signed_for)
            answer = await exchange(
                storage, "GET", STORAGE_PATH + "/outputs", signed.headers | sent
            )
            assert answer.status == 200, answer.body
        signed = sign(storage, "GET", "/outputs", host="unknown.example")
        headers = signed.headers | {"Host": "127.0.0.1"}
        answer = await exchange(storage, "GET", STORAGE_PATH + "/outputs", headers)
        assert answer.code == "SignatureDoesNotMatch"


BOMB = (
    b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    b"<CompleteMultipartUpload><Part>&b;</Part></CompleteMultipartUpload>"
)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<",
        b"rubbish",
        b"\xff\xfe\x00",
        b"<a/>",
        BOMB,
        b"<CompleteMultipartUpload/>",
        b"<CompleteMultipartUpload><Part/></CompleteMultipartUpload>",
        b"<CompleteMultipartUpload><Part><PartNumber>x</PartNumber></Part></CompleteMultipartUpload>",
        b"<a>" * 100_000,
        b"<CompleteMultipartUpload>" + b"<Part/>" * 20_000 + b"</CompleteMultipartUpload>",
        b'<?xml version="1.0" encoding="nonsense"?><a/>',
    ],
)
async def test_bad_documents(storage: Storage, body: bytes) -> None:
    upload = await begin(storage, "m")
    answer = await request(storage, "POST", f"/outputs/m?uploadId={upload}", body)
    assert answer.code == "MalformedXML"


async def test_a_document_that_is_too_big(storage: Storage) -> None:
    upload = await begin(storage, "m")
    answer = await request(storage, "POST", f"/outputs/m?uploadId={upload}", b"x" * 5_000_000)
    assert answer.code == "MaxMessageLengthExceeded"


PARAMETERS = (
    "uploads uploadId partNumber delete list-type max-keys prefix acl continuation-token marker "
    "delimiter encoding-type location versionId"
)
HEADERS = (
    "x-amz-decoded-content-length x-amz-trailer Content-MD5 Range If-Match x-amz-checksum-crc32 "
    "x-amz-checksum-algorithm x-amz-meta-a Content-Type"
)
odd_text = st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(
    ["outputs", "x.bin", "..", "%2e", "%", "%zz", "a b", "\\", "é", "?", "uploads", "partNumber"]
)
pieces = st.text(alphabet="abc/.%0123456789?&=+~-_#@:;\\'\"<>éÿ\x7f", max_size=40) | st.lists(
    odd_text, max_size=4
).map("/".join)


@given(
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD", "PATCH", "OPTIONS"]),
    path=pieces,
    query=st.dictionaries(
        st.sampled_from(PARAMETERS.split()),
        st.text(alphabet="0123456789abc-%/é²", max_size=8),
        max_size=3,
    ),
    body=st.binary(max_size=300),
    declared=st.sampled_from(["UNSIGNED-PAYLOAD", SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER, "x"]),
    extra=st.dictionaries(
        st.sampled_from(HEADERS.split()),
        st.text(alphabet='0123456789abc=-,*"x', max_size=12),
        max_size=2,
    ),
    in_bucket=st.booleans(),
)
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
async def test_no_signed_request_brings_the_receiver_down(
    storage: Storage,
    method: str,
    path: str,
    query: dict[str, str],
    body: bytes,
    declared: str,
    extra: dict[str, str],
    in_bucket: bool,
) -> None:
    target = ("/outputs/" if in_bucket else "/") + quote(path, safe="/%.~:;@'\"<>\\")
    target = target.replace(" ", "%20")
    text = "&".join(f"{name}={quote(value, safe='%')}" for name, value in query.items())
    answer = await request(
        storage,
        method,
        target + (f"?{text}" if text else ""),
        body,
        declared=declared,
        headers=extra,
    )
    assert answer.status < 500, (method, target, text, answer.body)
    assert b"Traceback" not in answer.body
    assert {item.name for item in storage.root.iterdir()} <= {"outputs", ".incoming"}


@given(raw=st.binary(max_size=200))
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
async def test_no_unsigned_bytes_bring_the_receiver_down(storage: Storage, raw: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", storage.port)
    writer.write(b"PUT /api/cloud/storage/" + raw + b" HTTP/1.1\r\nHost: x\r\n" + raw + b"\r\n\r\n")
    writer.write_eof()
    line = await asyncio.wait_for(reader.readline(), 5)
    assert not line or line.split()[1][:1] != b"5", line
    writer.close()


@pytest.mark.parametrize(("minutes", "fine"), [(-16, False), (-14, True), (14, True), (16, False)])
def test_skew_is_measured_both_ways(minutes: int, fine: bool) -> None:
    request_, _ = _reference(trailer=False)
    now = datetime(2013, 5, 24, tzinfo=UTC) + timedelta(minutes=minutes)
    secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    outcome = "verified"
    try:
        verify(request_, read_claim(request_), secret, region="us-east-1", now=now, skew=900)
    except S3Error as error:
        outcome = error.code
    assert outcome == ("verified" if fine else "RequestTimeTooSkewed")
