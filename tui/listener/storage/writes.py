"""Requests that bring bytes: an object in one piece, and the steps of a multipart upload."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path

from aiohttp import web

from tui.listener.storage.checksums import ALGORITHMS, HEADER
from tui.listener.storage.errors import S3Error
from tui.listener.storage.folder import StoredObject, sync_file
from tui.listener.storage.grants import ReceivedObject
from tui.listener.storage.intake import BodyPlan, Intake, Taken, file_writer, plan_body
from tui.listener.storage.multipart import MAX_PARTS, Part, PartTarget, Upload
from tui.listener.storage.quota import Reservation
from tui.listener.storage.request import StorageRequest, xml_response
from tui.listener.storage.xml import document

_log = logging.getLogger(__name__)
_META = "x-amz-meta-"
_MAX_METADATA = 2048  # bytes, S3's own limit
_PLAIN = "binary/octet-stream"  # S3's own default


def client_metadata(call: StorageRequest) -> tuple[str, dict[str, str]]:
    """Content type and the client's own metadata."""
    found: dict[str, str] = {}
    for name, value in call.signed.headers:
        if name.startswith(_META):
            found[name.removeprefix(_META)] = value
    content_type = call.signed.header("content-type") or _PLAIN
    size = len(content_type) + sum(len(name) + len(value) for name, value in found.items())
    if size > _MAX_METADATA:
        raise S3Error("MetadataTooLarge", f"Metadata has at most {_MAX_METADATA} bytes.")
    text = "".join([content_type, *found, *found.values()])
    if not text.isprintable():
        raise S3Error("InvalidArgument", "Metadata has characters that cannot be shown.")
    return content_type, found


def check_conditions(call: StorageRequest) -> None:
    """`If-None-Match: *` and `If-Match: ETAG`, as S3 has them for writes."""
    there = call.space.folder.find(call.key)
    none_match, match = call.signed.header("if-none-match"), call.signed.header("if-match")
    if none_match is not None and none_match.strip() != "*":
        raise S3Error("InvalidArgument", "A write takes If-None-Match: * only.")
    if none_match is not None and there is not None:
        raise S3Error("PreconditionFailed", "The object is already there.")
    if match is not None and (there is None or match.strip().strip('"') not in {"*", there.etag}):
        raise S3Error("PreconditionFailed", "The object there is another one.")


async def put_object(call: StorageRequest) -> web.Response:
    """PUT of a whole object."""
    content_type, metadata = client_metadata(call)
    plan = plan_body(call.signed, call.payload)
    folder = call.space.folder
    await call.work(folder.check_place, call.key)
    check_conditions(call)
    there = folder.find(call.key)
    body = folder.new_body()
    with call.desk.guard.admit(
        call.space, call.grant, plan.size, replaces=there.size if there else 0
    ) as room:
        try:
            taken = await _take_body(call, body, plan, room)
            stored = await publish(
                call,
                body,
                StoredObject(
                    key=call.key,
                    job_id=call.grant.job_id,
                    size=taken.size,
                    etag=taken.etag,
                    sha256=taken.sha256,
                    received_at=call.now,
                    modified_ns=0,
                    content_type=content_type,
                    checksums=taken.checksums,
                    metadata=metadata,
                ),
            )
        finally:
            await call.work(_forget, body)
    headers = _checksum_headers(taken.checksums)
    if taken.checksums:
        headers["x-amz-checksum-type"] = "FULL_OBJECT"
    return web.Response(headers={"ETag": f'"{stored.etag}"', **headers})


async def _take_body(call: StorageRequest, body: Path, plan: BodyPlan, room: Reservation) -> Taken:
    descriptor = await call.work(os.open, body, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        intake = Intake(
            file_writer(descriptor, 0),
            plan,
            call.verified,
            call.desk.limits.max_part_bytes,
            whole=True,
        )
        await call.receive(intake, grow=room.grow)
        return await call.work(intake.finish)
    finally:
        os.close(descriptor)


def _forget(body: Path) -> None:
    body.unlink(missing_ok=True)


def _checksum_headers(checksums: Mapping[str, str]) -> dict[str, str]:
    return {f"{HEADER}{name}": value for name, value in checksums.items()}


async def publish(call: StorageRequest, body: Path, stored: StoredObject) -> StoredObject:
    """Flush a finished body, give it its name, and tell that it is there."""
    await call.work(sync_file, body)
    async with call.space.publishing:
        check_conditions(call)
        stored = await call.work(call.space.folder.publish, body, stored)
    await _tell(
        call,
        ReceivedObject(
            job_id=stored.job_id,
            bucket=call.grant.bucket,
            key=stored.key,
            path=call.space.folder.path_of(stored.key),
            size=stored.size,
            sha256=stored.sha256,
            etag=stored.etag,
            received_at=stored.received_at,
        ),
    )
    return stored


async def _tell(call: StorageRequest, received: ReceivedObject) -> None:
    try:
        await call.desk.on_object(received)
    except Exception:  # noqa: BLE001 - the file is there; whoever listens can look it up again
        _log.exception("nobody could be told of a delivered file")


async def create_upload(call: StorageRequest) -> web.Response:
    """POST ?uploads: begin a multipart upload."""
    content_type, metadata = client_metadata(call)
    await call.read_small(0, checksums=False)
    await call.work(call.space.folder.check_place, call.key)
    algorithm = (call.signed.header("x-amz-checksum-algorithm") or "").lower() or None
    kind = (call.signed.header("x-amz-checksum-type") or "").upper()
    if algorithm is not None and algorithm not in ALGORITHMS:
        raise S3Error("InvalidRequest", "x-amz-checksum-algorithm names one that we do not know.")
    if kind not in {"", "COMPOSITE", "FULL_OBJECT"} or (kind and algorithm is None):
        raise S3Error("InvalidRequest", "x-amz-checksum-type does not fit the algorithm.")
    kind = kind or ("FULL_OBJECT" if algorithm == "crc64nvme" else "COMPOSITE")
    if (kind, algorithm) in {
        ("COMPOSITE", "crc64nvme"),
        ("FULL_OBJECT", "sha1"),
        ("FULL_OBJECT", "sha256"),
    }:
        raise S3Error("InvalidRequest", f"{algorithm} checksums cannot be of type {kind}.")
    call.desk.guard.check_disk(0)
    if len(call.space.uploads.open()) >= call.desk.limits.max_uploads_per_job:
        raise S3Error("SlowDown", "Too many unfinished uploads. Complete or abort some.")
    upload = await call.work(
        lambda: call.space.uploads.create(
            call.key,
            now=call.now,
            content_type=content_type,
            metadata=metadata,
            checksum_algorithm=algorithm,
            checksum_type=kind,
        )
    )
    response = xml_response(
        document(
            "InitiateMultipartUploadResult",
            [("Bucket", call.grant.bucket), ("Key", call.key), ("UploadId", upload.id)],
        )
    )
    if algorithm:
        response.headers["x-amz-checksum-algorithm"] = algorithm.upper()
        response.headers["x-amz-checksum-type"] = kind
    return response


def part_number(text: str) -> int:
    """Read a part number."""
    if text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= MAX_PARTS:
        return int(text)
    raise S3Error("InvalidArgument", f"Part number must be an integer between 1 and {MAX_PARTS}.")


async def put_part(call: StorageRequest) -> web.Response:
    """PUT ?partNumber&uploadId: one part, in any order, as often as the client likes."""
    number = part_number(call.query["partNumber"])
    upload = call.space.uploads.get(call.query["uploadId"], call.key)
    wanted = frozenset([upload.checksum_algorithm] if upload.checksum_algorithm else [])
    plan = plan_body(call.signed, call.payload, wanted=wanted)
    earlier = upload.parts.get(number)
    limits = call.desk.limits
    with call.desk.guard.admit(
        call.space, call.grant, plan.size, replaces=earlier.size if earlier else 0
    ) as room:
        target = upload.place(number, plan.size, limits.max_object_bytes)
        try:
            part = await _take_part(call, upload, target, plan, room)
        finally:
            upload.leave(target)
    return web.Response(headers={"ETag": f'"{part.etag}"', **_checksum_headers(part.checksums)})


async def _take_part(
    call: StorageRequest, upload: Upload, target: PartTarget, plan: BodyPlan, room: Reservation
) -> Part:
    """Write a part where it belongs; what does not become a part is removed."""
    descriptor = await call.work(os.open, target.path, os.O_WRONLY | os.O_CREAT, 0o644)
    part: Part | None = None
    try:
        intake = Intake(
            file_writer(descriptor, target.offset),
            plan,
            call.verified,
            call.desk.limits.max_part_bytes,
            whole=False,
        )
        await call.receive(intake, grow=room.grow, gate=upload)
        taken = await call.work(intake.finish)
        upload.begin_write()
        try:
            part = await call.work(upload.commit, target, taken, call.now)
        finally:
            upload.end_write()
        return part
    finally:
        os.close(descriptor)
        if part is None and not target.in_slot:
            await call.work(_forget, target.path)


async def abort_upload(call: StorageRequest) -> web.Response:
    """DELETE ?uploadId: forget an upload."""
    upload = call.space.uploads.get(call.query["uploadId"], call.key)
    async with upload.completing:
        call.space.uploads.get(upload.id, call.key)
        await upload.seal()
        await call.work(call.space.uploads.abort, upload)
    return web.Response(status=204)
