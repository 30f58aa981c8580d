"""Completes a multipart upload: checks the client's list of parts, assembles and publishes them."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from aiohttp import web

from tui.base.formatting import plural
from tui.listener.storage.checksums import (
    ALGORITHMS,
    HEADER,
    crc64nvme,
    decode_any,
    element_name,
    encode,
)
from tui.listener.storage.errors import S3Error, read_document
from tui.listener.storage.folder import StoredObject
from tui.listener.storage.grants import MIB
from tui.listener.storage.multipart import DATA, MAX_PARTS, Part, Upload, no_such_upload
from tui.listener.storage.request import StorageRequest, xml_response
from tui.listener.storage.writes import check_conditions, publish
from tui.listener.storage.xml import DECLARATION, Node, element

_MAX_DOCUMENT = 4 * MIB  # 10 000 parts with a checksum each
# After this time S3 answers 200 and sends spaces while it works, so that no client or proxy times
# out; an error then stands in the body.
_SILENCE_SECONDS = 5.0


async def complete_upload(request: StorageRequest) -> web.StreamResponse:
    """POST ?uploadId: make an object of the parts."""
    upload_id = request.query["uploadId"]
    if not request.storage.uploads.is_open(upload_id, request.key):
        await _earlier_answer(request, upload_id)  # the body is not read when there is none
    data = await request.read_small(_MAX_DOCUMENT, checksums=False)
    listed = await request.work(_read_list, data)
    completion = asyncio.ensure_future(_complete(request, listed))
    try:
        await asyncio.wait({completion}, timeout=_SILENCE_SECONDS)
        if completion.done():
            return xml_response(DECLARATION + _result(completion.result()))
        return await _answer_slowly(request, completion)
    finally:
        while not completion.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({completion})
        if not completion.cancelled():
            completion.exception()


async def _answer_slowly(
    request: StorageRequest, completion: asyncio.Future[dict[str, str]]
) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/xml"})
    await response.prepare(request.http)
    await response.write(DECLARATION)
    while not completion.done():
        await response.write(b" ")
        await asyncio.wait({completion}, timeout=_SILENCE_SECONDS)
    try:
        body = _result(completion.result())
    except S3Error as error:
        body = error.body(resource=request.key, request_id="")
        body = body.removeprefix(DECLARATION)
    await response.write(body)
    await response.write_eof()
    return response


def _result(answer: dict[str, str]) -> bytes:
    return element("CompleteMultipartUploadResult", answer.items())


def _read_list(data: bytes) -> list[Node]:
    root = read_document(data)
    listed = root.all("Part")
    if root.name != "CompleteMultipartUpload" or not 1 <= len(listed) <= MAX_PARTS:
        raise S3Error("MalformedXML", f"The list must have between 1 and {MAX_PARTS} parts.")
    return listed


async def _complete(request: StorageRequest, listed: Sequence[Node]) -> dict[str, str]:
    uploads = request.storage.uploads
    upload_id = request.query["uploadId"]
    try:
        upload = uploads.get(upload_id, request.key)
    except S3Error:
        return await _earlier_answer(request, upload_id)
    async with upload.completing:
        try:
            uploads.get(upload_id, request.key)
        except S3Error:
            return await _earlier_answer(request, upload_id)
        if not upload.parts:
            published = await request.work(_answer_after_crash, request, listed)
            if published is not None:
                await request.work(uploads.finish, upload, published)
                return published
        smallest = request.context.limits.min_part_bytes
        parts = await request.work(_chosen_parts, upload, listed, smallest)
        _check_size(request, parts)
        check_conditions(request)
        await upload.seal()
        try:
            answer = await _assemble(request, upload, parts)
        except BaseException:
            upload.reopen()
            raise
        await request.work(uploads.finish, upload, answer)
    return answer


async def _earlier_answer(request: StorageRequest, upload_id: str) -> dict[str, str]:
    """Return the recorded answer of a completed upload, for a client that repeats its request."""
    answer = await request.work(request.storage.uploads.answer_of, upload_id, request.key)
    if answer is None:
        raise no_such_upload()
    return answer


def _answer_after_crash(request: StorageRequest, listed: Sequence[Node]) -> dict[str, str] | None:
    """Return the answer for an upload whose file was published before a crash, else None."""
    stored = request.storage.folder.find(request.key)
    try:
        etag = _object_etag([(node.get("ETag") or "").strip('"') for node in listed])
    except ValueError:
        return None
    if stored is None or stored.etag != etag:
        return None
    return _answer(request, stored)


def _answer(request: StorageRequest, stored: StoredObject) -> dict[str, str]:
    answer = {
        "Location": f"/{request.grant.bucket}/{stored.key}",
        "Bucket": request.grant.bucket,
        "Key": stored.key,
        "ETag": f'"{stored.etag}"',
    }
    for algorithm, value in stored.checksums.items():
        answer |= {element_name(algorithm): value, "ChecksumType": stored.checksum_type}
    return answer


def _chosen_parts(upload: Upload, listed: Sequence[Node], smallest: int) -> list[Part]:
    chosen: list[Part] = []
    for node in listed:
        number, etag = node.get("PartNumber") or "", node.get("ETag")
        if not (number.isascii() and number.isdigit() and len(number) <= 5) or etag is None:
            raise S3Error("MalformedXML", "A part in the list lacks its number or ETag.")
        part = upload.parts.get(int(number))
        if chosen and int(number) <= chosen[-1].number:
            raise S3Error("InvalidPartOrder", "The list of parts was not in ascending order.")
        if part is None or etag.strip('"') != part.etag:
            raise S3Error(
                "InvalidPart",
                f"Part {number} was not uploaded, or its ETag is not that of the part we have.",
                PartNumber=number,
            )
        for algorithm, value in part.checksums.items():
            if node.get(element_name(algorithm)) not in {None, value}:
                raise S3Error("InvalidPart", f"The checksum of part {number} does not match.")
        chosen.append(part)
    for part in chosen[:-1]:
        if part.size < smallest:
            raise S3Error(
                "EntityTooSmall",
                "Your proposed upload is smaller than the minimum allowed object size: "
                f"part {part.number} has {plural(part.size, 'byte')}.",
                ProposedSize=str(part.size),
                MinSizeAllowed=str(smallest),
                PartNumber=str(part.number),
            )
    return chosen


def _check_size(request: StorageRequest, parts: Sequence[Part]) -> None:
    size = sum(part.size for part in parts)
    most = request.context.limits.max_object_bytes
    if size > most:
        raise S3Error("EntityTooLarge", f"An object has at most {most} bytes.")
    expected_size = request.signed.header("x-amz-mp-object-size")
    if expected_size is not None and expected_size != str(size):
        raise S3Error(
            "InvalidRequest", f"The object has {plural(size, 'byte')}, not {expected_size}."
        )


async def _assemble(
    request: StorageRequest, upload: Upload, parts: Sequence[Part]
) -> dict[str, str]:
    whole = await request.work(assemble, upload, parts)
    etag = await request.work(_object_etag, [part.etag for part in parts])
    checksums = await request.work(_object_checksum, request, upload, parts, whole)
    stored = await publish(
        request,
        whole.path,
        StoredObject(
            key=upload.key,
            job_id=request.grant.job_id,
            size=whole.size,
            etag=etag,
            sha256=whole.sha256,
            received_at=request.now,
            modified_ns=0,
            content_type=upload.content_type,
            checksums=checksums,
            checksum_type=upload.checksum_type,
            metadata=upload.metadata,
        ),
    )
    return _answer(request, stored)


def _object_etag(etags: Sequence[str]) -> str:
    """Return S3's ETag of a multipart object: the MD5 of the parts' MD5s, `-`, and their count."""
    joined = b"".join(bytes.fromhex(etag.partition("-")[0]) for etag in etags)
    return f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(etags)}"


def _composite(algorithm: str, digests: Sequence[bytes]) -> str:
    """Return S3's COMPOSITE checksum: the hash of the parts' hashes, `-`, and their count."""
    digest = ALGORITHMS[algorithm]()
    digest.update(b"".join(digests))
    return f"{encode(digest.digest())}-{len(digests)}"


def _object_checksum(
    request: StorageRequest, upload: Upload, parts: Sequence[Part], whole: AssembledObject
) -> dict[str, str]:
    """Return the object's checksum, after comparing it with the client's, if it sent one."""
    algorithm = upload.checksum_algorithm
    if algorithm is None:
        return {}
    if whole.checksum is not None:
        value = whole.checksum
    else:
        value = _composite(algorithm, [decode_any(part.checksums[algorithm]) for part in parts])
    expected = request.signed.header(f"{HEADER}{algorithm}")
    if expected is not None and expected.strip().partition("-")[0] != value.partition("-")[0]:
        raise S3Error(
            "BadDigest",
            f"The {algorithm.upper()} you specified did not match the object.",
        )
    return {algorithm: value}


_BLOCK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class AssembledObject:
    """The assembled file, still under a temporary name.

    Attributes:
        path: the assembled file.
        size: its size in bytes.
        sha256: of the whole file, in hexadecimal digits.
        checksum: of the whole file by the upload's algorithm, in base64, for FULL_OBJECT uploads.
    """

    path: Path
    size: int
    sha256: str
    checksum: str | None


def assemble(upload: Upload, parts: Sequence[Part]) -> AssembledObject:
    """Put `parts` in order into one file and hash it, in one pass over the bytes.

    Raises:
        S3Error: a part on disk does not match its record.
        OSError: the disk fails.
    """
    path = _in_place(upload, parts) or _copied(upload, parts)
    algorithm = upload.checksum_algorithm if upload.checksum_type == "FULL_OBJECT" else None
    digest = ALGORITHMS[algorithm]() if algorithm else None
    sha256 = hashlib.sha256()
    buffer = memoryview(bytearray(_BLOCK))
    size = sum(part.size for part in parts)
    with path.open("r+b", buffering=0) as handle:
        for part in parts:
            check = crc64nvme()
            for piece in _pieces(handle, part.size, buffer):
                sha256.update(piece)
                check.update(piece)
                if digest is not None:
                    digest.update(piece)
            if check.value != part.crc64:
                upload.parts.pop(part.number, None)
                raise S3Error(
                    "InvalidPart", f"Part {part.number} was damaged on our disk. Send it again."
                )
        handle.truncate(size)
    return AssembledObject(
        path, size, sha256.hexdigest(), None if digest is None else encode(digest.digest())
    )


def _pieces(handle: BinaryIO, size: int, buffer: memoryview) -> Iterator[memoryview]:
    while size:
        count = handle.readinto(buffer[: min(size, len(buffer))])  # type: ignore[attr-defined]  # typeshed's BinaryIO lacks it
        if not count:
            return
        size -= count
        yield buffer[:count]


def _starts(parts: Sequence[Part]) -> Iterator[tuple[Part, int]]:
    position = 0
    for part in parts:
        yield part, position
        position += part.size


def _in_place(upload: Upload, parts: Sequence[Part]) -> Path | None:
    """Return the shared file, when every part is in its slot or can be copied there.

    A part that was sent again is copied over the old bytes of its slot. Copying is idempotent, so a
    crash in between does no harm.
    """
    path = upload.directory / DATA
    slot = upload.slot
    if slot is None or not path.exists():
        return None
    for part, start in _starts(parts):
        if start != (part.number - 1) * slot:
            return None
    with path.open("r+b") as handle:
        for part, start in _starts(parts):
            if part.file != DATA:
                _append(upload, part, handle, start)
    return path


def _copied(upload: Upload, parts: Sequence[Part]) -> Path:
    path = upload.directory / "whole"
    with path.open("wb") as handle:
        for part, start in _starts(parts):
            _append(upload, part, handle, start)
    return path


def _append(upload: Upload, part: Part, handle: BinaryIO, position: int) -> None:
    """Copy a part with copy_file_range(2): the kernel copies, and btrfs or XFS share the blocks."""
    handle.flush()
    offset, remaining = part.offset, part.size
    with (upload.directory / part.file).open("rb") as source:
        while remaining:
            count = os.copy_file_range(
                source.fileno(), handle.fileno(), min(remaining, 1 << 30), offset, position
            )
            if not count:
                raise S3Error(
                    "InvalidPart", f"Part {part.number} is gone from our disk. Send it again."
                )
            offset += count
            position += count
            remaining -= count
