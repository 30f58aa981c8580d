"""Handlers for buckets: list buckets, objects, uploads and parts; delete objects."""

from __future__ import annotations

import base64
import binascii
import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from aiohttp import web

from tui.listener.storage.checksums import element_name
from tui.listener.storage.errors import S3Error, read_document
from tui.listener.storage.folder import StoredObject
from tui.listener.storage.grants import MIB
from tui.listener.storage.keys import check_key
from tui.listener.storage.multipart import MAX_PARTS
from tui.listener.storage.request import StorageRequest, xml_response
from tui.listener.storage.xml import Field, document

_MOST = 1000
_OWNER: Field = ("Owner", [("ID", "simpletuner-tui"), ("DisplayName", "simpletuner-tui")])


def s3_time(value: datetime) -> str:
    """Format a time as S3 does."""
    return (
        value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"
    )


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing: objects and common prefixes, in order."""

    objects: Sequence[StoredObject]
    prefixes: Sequence[str]
    last: str
    truncated: bool


def page_of(
    objects: Sequence[StoredObject], *, prefix: str, delimiter: str, after: str, most: int
) -> Page:
    """Return the page after the key `after`.

    Args:
        objects: all objects, in S3's order.
        prefix: only keys that start with it are listed.
        delimiter: keys are grouped up to it into common prefixes; "" groups none.
        after: the last entry of the page before.
        most: entries of a page; a common prefix counts as one entry.
    """
    chosen: list[StoredObject] = []
    prefixes: list[str] = []
    last = ""
    start = max(prefix.encode(), after.encode())
    first = bisect.bisect_left(objects, start, key=lambda stored: stored.key.encode())
    for place in range(first, len(objects)):
        stored = objects[place]
        key = stored.key
        if not key.startswith(prefix):
            break  # keys with one prefix lie together
        cut = key.find(delimiter, len(prefix)) if delimiter else -1
        entry = key[: cut + len(delimiter)] if cut >= 0 else key
        if entry.encode() <= after.encode() or entry == last:
            continue
        if len(chosen) + len(prefixes) >= most:
            return Page(chosen, prefixes, last, truncated=most > 0)
        last = entry
        if cut >= 0:
            prefixes.append(entry)
        else:
            chosen.append(stored)
    return Page(chosen, prefixes, last, truncated=False)


async def list_buckets(request: StorageRequest) -> web.Response:
    """GET of the endpoint itself: the one bucket of this key."""
    created = s3_time(datetime.fromtimestamp(0, UTC))
    bucket: Field = ("Bucket", [("Name", request.grant.bucket), ("CreationDate", created)])
    return xml_response(document("ListAllMyBucketsResult", [_OWNER, ("Buckets", [bucket])]))


async def list_objects(request: StorageRequest) -> web.Response:
    """GET of the bucket: ListObjects, version 1 or 2."""
    query = request.query
    second = query.get("list-type") == "2"
    if query.get("list-type", "2") != "2":
        raise S3Error("InvalidArgument", "There is no such list-type.")
    most = _number(query, "max-keys")
    encoded = _encoding(query)
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    token = query.get("continuation-token") if second else None
    if second:
        after = query.get("start-after", "") if token is None else _from_token(token)
    else:
        after = query.get("marker", "")
    page = await request.work(
        lambda: page_of(
            request.storage.folder.objects(),
            prefix=prefix,
            delimiter=delimiter,
            after=after,
            most=most,
        )
    )

    def name(text: str) -> str:
        return quote(text, safe="/") if encoded else text

    fields: list[Field] = [("Name", request.grant.bucket), ("Prefix", name(prefix))]
    if delimiter:
        fields.append(("Delimiter", name(delimiter)))
    if encoded:
        fields.append(("EncodingType", "url"))
    fields += [("MaxKeys", most), ("IsTruncated", "true" if page.truncated else "false")]
    if second:
        fields.append(("KeyCount", len(page.objects) + len(page.prefixes)))
        if token is not None:
            fields.append(("ContinuationToken", token))
        if "start-after" in query:
            fields.append(("StartAfter", name(query["start-after"])))
        if page.truncated:
            fields.append(("NextContinuationToken", _to_token(page.last)))
    else:
        fields.append(("Marker", name(after)))
        if page.truncated:
            fields.append(("NextMarker", name(page.last)))
    owner = not second or query.get("fetch-owner") == "true"
    fields += [
        ("Contents", _object_fields(stored, name(stored.key), owner)) for stored in page.objects
    ]
    fields += [("CommonPrefixes", [("Prefix", name(text))]) for text in page.prefixes]
    return xml_response(document("ListBucketResult", fields))


def _object_fields(stored: StoredObject, name: str, owner: bool) -> list[Field]:
    fields: list[Field] = [
        ("Key", name),
        ("LastModified", s3_time(stored.received_at)),
        ("ETag", f'"{stored.etag}"'),
        ("Size", stored.size),
        ("StorageClass", "STANDARD"),
    ]
    fields += [("ChecksumAlgorithm", algorithm.upper()) for algorithm in stored.checksums]
    return [*fields, _OWNER] if owner else fields


def _number(query: Mapping[str, str], name: str, *, most: int = _MOST, default: int = _MOST) -> int:
    text = query.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        raise S3Error("InvalidArgument", f"{name} is not a number that makes sense here.")
    return min(int(text), most)


def _encoding(query: Mapping[str, str]) -> bool:
    kind = query.get("encoding-type", "")
    if kind not in {"", "url"}:
        raise S3Error("InvalidArgument", "encoding-type can be 'url' only.")
    return kind == "url"


def _to_token(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode()


def _from_token(token: str) -> str:
    try:
        return base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise S3Error("InvalidArgument", "The continuation token is not one of ours.") from None


async def list_uploads(request: StorageRequest) -> web.Response:
    """GET ?uploads: unfinished multipart uploads."""
    query = request.query
    most = _number(query, "max-uploads")
    encoded = _encoding(query)
    prefix = query.get("prefix", "")
    marker = (query.get("key-marker", ""), query.get("upload-id-marker", ""))
    rows = sorted(
        (upload for upload in request.storage.uploads.open() if upload.key.startswith(prefix)),
        key=lambda upload: (upload.key.encode(), upload.id),
    )
    if marker[0]:
        # Without an id, all uploads of the marker's key are skipped (S3's rule).
        last = (marker[0].encode(), marker[1] or "\uffff")
        rows = [upload for upload in rows if (upload.key.encode(), upload.id) > last]
    shown = rows[:most]

    def name(text: str) -> str:
        return quote(text, safe="/") if encoded else text

    fields: list[Field] = [
        ("Bucket", request.grant.bucket),
        ("KeyMarker", name(marker[0])),
        ("UploadIdMarker", marker[1]),
        ("Prefix", name(prefix)),
        ("MaxUploads", most),
        ("IsTruncated", "true" if len(rows) > len(shown) else "false"),
    ]
    if encoded:
        fields.append(("EncodingType", "url"))
    if shown and len(rows) > len(shown):
        fields += [("NextKeyMarker", name(shown[-1].key)), ("NextUploadIdMarker", shown[-1].id)]
    fields += [
        (
            "Upload",
            [
                ("Key", name(upload.key)),
                ("UploadId", upload.id),
                ("StorageClass", "STANDARD"),
                ("Initiated", s3_time(upload.created_at)),
            ],
        )
        for upload in shown
    ]
    return xml_response(document("ListMultipartUploadsResult", fields))


async def list_parts(request: StorageRequest) -> web.Response:
    """GET ?uploadId: the received parts, from which a client can resume."""
    upload = request.storage.uploads.get(request.query["uploadId"], request.key)
    most = _number(request.query, "max-parts")
    marker = _number(request.query, "part-number-marker", most=MAX_PARTS, default=0)
    rows = [upload.parts[number] for number in sorted(upload.parts) if number > marker]
    shown = rows[:most]
    fields: list[Field] = [
        ("Bucket", request.grant.bucket),
        ("Key", request.key),
        ("UploadId", upload.id),
        ("StorageClass", "STANDARD"),
        ("PartNumberMarker", marker),
        ("NextPartNumberMarker", shown[-1].number if shown else marker),
        ("MaxParts", most),
        ("IsTruncated", "true" if len(rows) > len(shown) else "false"),
    ]
    if upload.checksum_algorithm:
        fields.append(("ChecksumAlgorithm", upload.checksum_algorithm.upper()))
    for part in shown:
        row: list[Field] = [
            ("PartNumber", part.number),
            ("LastModified", s3_time(part.received_at)),
            ("ETag", f'"{part.etag}"'),
            ("Size", part.size),
        ]
        row += [(element_name(name), value) for name, value in part.checksums.items()]
        fields.append(("Part", row))
    return xml_response(document("ListPartsResult", fields))


def _check_may_delete(request: StorageRequest) -> None:
    if not request.grant.may_delete:
        raise S3Error("AccessDenied", "This key may not delete files.")


async def delete_object(request: StorageRequest) -> web.Response:
    """DELETE of an object, for keys that allow it."""
    _check_may_delete(request)
    async with request.storage.publishing:
        await request.work(request.storage.folder.remove, request.key)
    return web.Response(status=204)


async def delete_many(request: StorageRequest) -> web.Response:
    """POST ?delete: up to 1 000 objects at once, for keys that allow it."""
    _check_may_delete(request)
    data = await request.read_small(2 * MIB, checksums=True)
    keys, quiet = await request.work(_read_keys, data)
    rows: list[Field] = []
    for key in keys:
        try:
            check_key(key)
            async with request.storage.publishing:
                await request.work(request.storage.folder.remove, key)
        except S3Error as error:
            rows.append(("Error", [("Key", key), ("Code", error.code), ("Message", error.message)]))
            continue
        if not quiet:
            rows.append(("Deleted", [("Key", key)]))
    return xml_response(document("DeleteResult", rows))


def _read_keys(data: bytes) -> tuple[list[str], bool]:
    """Return the keys of a list of objects to delete, and whether the answer names errors only."""
    root = read_document(data)
    keys = [node.get("Key") for node in root.all("Object")]
    named = [key for key in keys if key is not None]
    if root.name != "Delete" or not 1 <= len(keys) <= _MOST or len(named) < len(keys):
        raise S3Error("MalformedXML", f"The list must have between 1 and {_MOST} keys.")
    return named, root.get("Quiet") == "true"


async def bucket_location(request: StorageRequest) -> web.Response:
    """GET ?location: the region to sign for; empty means us-east-1."""
    region = request.context.limits.region
    body = document("LocationConstraint", [])
    if region != "us-east-1":
        body = body.replace(b"></LocationConstraint>", f">{region}</LocationConstraint>".encode())
    return xml_response(body)


async def bucket_versioning(_call: StorageRequest) -> web.Response:
    """GET ?versioning: not enabled."""
    return xml_response(document("VersioningConfiguration", []))


async def bucket_exists(request: StorageRequest) -> web.Response:
    """HEAD of the bucket, and PUT by clients that create it if missing."""
    await request.read_small(64 * 1024, checksums=True)
    return web.Response(headers={"x-amz-bucket-region": request.context.limits.region})
