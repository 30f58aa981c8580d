"""Handlers that write: a whole object, and creating, filling and aborting a multipart upload."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path

from aiohttp import web

from tui.listener.storage.checksums import ALGORITHMS, HEADER
from tui.listener.storage.errors import S3Error
from tui.listener.storage.folder import StoredObject, sync
from tui.listener.storage.grants import ReceivedObject
from tui.listener.storage.intake import BodyPlan, Intake, ReceivedBody, file_writer, plan_body
from tui.listener.storage.multipart import MAX_PARTS, Part, PartTarget, Upload
from tui.listener.storage.quota import Reservation
from tui.listener.storage.request import StorageRequest, xml_response
from tui.listener.storage.xml import document

_log = logging.getLogger(__name__)
_META = "x-amz-meta-"
_MAX_METADATA = 2048  # bytes, S3's own limit
_PLAIN = "binary/octet-stream"  # S3's own default


def client_metadata(request: StorageRequest) -> tuple[str, dict[str, str]]:
    """Return the content type and the client's metadata.

    Raises:
        S3Error: they are too large or contain unprintable characters.
    """
    metadata: dict[str, str] = {}
    for name, value in request.signed.headers:
        if name.startswith(_META):
            metadata[name.removeprefix(_META)] = value
    content_type = request.signed.header("content-type") or _PLAIN
    size = len(content_type) + sum(len(name) + len(value) for name, value in metadata.items())
    if size > _MAX_METADATA:
        raise S3Error("MetadataTooLarge", f"Metadata has at most {_MAX_METADATA} bytes.")
    text = "".join([content_type, *metadata, *metadata.values()])
    if not text.isprintable():
        raise S3Error("InvalidArgument", "Metadata has characters that cannot be shown.")
    return content_type, metadata


def check_conditions(request: StorageRequest) -> None:
    """Check `If-None-Match: *` and `If-Match: ETAG`, which S3 defines for writes.

    Raises:
        S3Error: a condition does not hold.
    """
    existing = request.storage.folder.find(request.key)
    none_match, match = request.signed.header("if-none-match"), request.signed.header("if-match")
    if none_match is not None and none_match.strip() != "*":
        raise S3Error("InvalidArgument", "A write takes If-None-Match: * only.")
    if none_match is not None and existing is not None:
        raise S3Error("PreconditionFailed", "The object is already there.")
    if match is not None and (
        existing is None or match.strip().strip('"') not in {"*", existing.etag}
    ):
        raise S3Error("PreconditionFailed", "The object there is another one.")


async def put_object(request: StorageRequest) -> web.Response:
    """PUT of a whole object."""
    content_type, metadata = client_metadata(request)
    plan = plan_body(request.signed, request.payload)
    folder = request.storage.folder
    await request.work(folder.check_place, request.key)
    check_conditions(request)
    existing = folder.find(request.key)
    body = folder.new_body()
    with request.context.guard.admit(
        request.storage, request.grant, plan.size, replaces=existing.size if existing else 0
    ) as reservation:
        try:
            received = await _receive_body(request, body, plan, reservation)
            stored = await publish(
                request,
                body,
                StoredObject(
                    key=request.key,
                    job_id=request.grant.job_id,
                    size=received.size,
                    etag=received.etag,
                    sha256=received.sha256,
                    received_at=request.now,
                    modified_ns=0,
                    content_type=content_type,
                    checksums=received.checksums,
                    metadata=metadata,
                ),
            )
        finally:
            await request.work(_delete, body)
    headers = _checksum_headers(received.checksums)
    if received.checksums:
        headers["x-amz-checksum-type"] = "FULL_OBJECT"
    return web.Response(headers={"ETag": f'"{stored.etag}"', **headers})


async def _receive_body(
    request: StorageRequest, body: Path, plan: BodyPlan, reservation: Reservation
) -> ReceivedBody:
    descriptor = await request.work(os.open, body, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        intake = Intake(
            file_writer(descriptor, 0),
            plan,
            request.verified,
            request.context.limits.max_part_bytes,
            whole=True,
        )
        await request.receive(intake, grow=reservation.grow)
        return await request.work(intake.finish)
    finally:
        os.close(descriptor)


def _delete(body: Path) -> None:
    body.unlink(missing_ok=True)


def _checksum_headers(checksums: Mapping[str, str]) -> dict[str, str]:
    return {f"{HEADER}{name}": value for name, value in checksums.items()}


async def publish(request: StorageRequest, body: Path, stored: StoredObject) -> StoredObject:
    """Flush a complete body, rename it to its final name and report it."""
    await request.work(sync, body)
    async with request.storage.publishing:
        check_conditions(request)
        stored = await request.work(request.storage.folder.publish, body, stored)
    await _report(
        request,
        ReceivedObject(
            job_id=stored.job_id,
            bucket=request.grant.bucket,
            key=stored.key,
            path=request.storage.folder.path_of(stored.key),
            size=stored.size,
            sha256=stored.sha256,
            etag=stored.etag,
            received_at=stored.received_at,
            address=request.address,
        ),
    )
    return stored


async def _report(request: StorageRequest, received: ReceivedObject) -> None:
    if request.grant.view is not None:
        return
    try:
        await request.context.on_object(received)
    except Exception:  # noqa: BLE001 - the file is stored; `delivered` finds it later
        _log.exception("nobody could be told of a delivered file")


async def create_upload(request: StorageRequest) -> web.Response:
    """POST ?uploads: create a multipart upload."""
    content_type, metadata = client_metadata(request)
    await request.read_small(0, checksums=False)
    await request.work(request.storage.folder.check_place, request.key)
    algorithm = (request.signed.header("x-amz-checksum-algorithm") or "").lower() or None
    kind = (request.signed.header("x-amz-checksum-type") or "").upper()
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
    await _make_room(request)
    request.context.guard.check_disk(0)
    if len(request.storage.uploads.open()) >= request.context.limits.max_uploads_per_job:
        raise S3Error("SlowDown", "Too many unfinished uploads. Complete or abort some.")
    upload = await request.work(
        lambda: request.storage.uploads.create(
            request.key,
            now=request.now,
            content_type=content_type,
            metadata=metadata,
            checksum_algorithm=algorithm,
            checksum_type=kind,
        )
    )
    response = xml_response(
        document(
            "InitiateMultipartUploadResult",
            [("Bucket", request.grant.bucket), ("Key", request.key), ("UploadId", upload.id)],
        )
    )
    if algorithm:
        response.headers["x-amz-checksum-algorithm"] = algorithm.upper()
        response.headers["x-amz-checksum-type"] = kind
    return response


async def _make_room(request: StorageRequest) -> None:
    """Delete abandoned uploads of the same key, when the disk has no room for their like.

    A client whose connection broke on a full disk could not abort its upload. It begins again, and
    the parts that nobody will complete would keep the disk full.
    """
    uploads = request.storage.uploads
    for upload in uploads.open():
        if upload.key != request.key or upload.is_busy:
            continue
        try:
            request.context.guard.check_disk(2 * upload.used_bytes())
        except S3Error:
            async with upload.completing:
                await upload.seal()
                await request.work(uploads.abort, upload)


def part_number(text: str) -> int:
    """Parse a part number.

    Raises:
        S3Error: it is not between 1 and MAX_PARTS.
    """
    if text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= MAX_PARTS:
        return int(text)
    raise S3Error("InvalidArgument", f"Part number must be an integer between 1 and {MAX_PARTS}.")


async def put_part(request: StorageRequest) -> web.Response:
    """PUT ?partNumber&uploadId: one part, in any order and any number of times."""
    number = part_number(request.query["partNumber"])
    upload = request.storage.uploads.get(request.query["uploadId"], request.key)
    wanted = frozenset([upload.checksum_algorithm] if upload.checksum_algorithm else [])
    plan = plan_body(request.signed, request.payload, wanted=wanted)
    earlier = upload.parts.get(number)
    limits = request.context.limits
    with request.context.guard.admit(
        request.storage, request.grant, plan.size, replaces=earlier.size if earlier else 0
    ) as reservation:
        target = upload.place(number, plan.size, limits.max_object_bytes)
        try:
            part = await _receive_part(request, upload, target, plan, reservation)
        finally:
            upload.leave(target)
    return web.Response(headers={"ETag": f'"{part.etag}"', **_checksum_headers(part.checksums)})


async def _receive_part(
    request: StorageRequest,
    upload: Upload,
    target: PartTarget,
    plan: BodyPlan,
    reservation: Reservation,
) -> Part:
    """Receive a part at its target; deletes the file of one that failed."""
    descriptor = await request.work(os.open, target.path, os.O_WRONLY | os.O_CREAT, 0o644)
    part: Part | None = None
    try:
        intake = Intake(
            file_writer(descriptor, target.offset),
            plan,
            request.verified,
            request.context.limits.max_part_bytes,
            whole=False,
        )
        await request.receive(intake, grow=reservation.grow, gate=upload)
        received = await request.work(intake.finish)
        upload.begin_write()
        try:
            part = await request.work(upload.commit, target, received, request.now)
        finally:
            upload.end_write()
        return part
    finally:
        os.close(descriptor)
        if part is None and not target.in_slot:
            await request.work(_delete, target.path)


async def abort_upload(request: StorageRequest) -> web.Response:
    """DELETE ?uploadId: abort an upload."""
    upload = request.storage.uploads.get(request.query["uploadId"], request.key)
    async with upload.completing:
        request.storage.uploads.get(upload.id, request.key)
        await upload.seal()
        await request.work(request.storage.uploads.abort, upload)
    return web.Response(status=204)
