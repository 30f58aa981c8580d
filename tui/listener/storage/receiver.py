"""The storage receiver: verifies and dispatches requests; turns every failure into an S3 error."""

from __future__ import annotations

import asyncio
import errno
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from aiohttp import web

from tui.listener.client_address import Network, client_address
from tui.listener.storage import listing, reads, writes
from tui.listener.storage.claims import SignedRequest, parse_query, read_claim
from tui.listener.storage.completion import complete_upload
from tui.listener.storage.errors import S3Error
from tui.listener.storage.folder import Folder, share_objects
from tui.listener.storage.grants import (
    KeyResolver,
    ReceivedObject,
    RefusedObject,
    StorageGrant,
    StorageLimits,
)
from tui.listener.storage.keys import check_key, is_bucket_name, split_path
from tui.listener.storage.multipart import Uploads, stale_before
from tui.listener.storage.overlay import OverlayFolder, StagedView
from tui.listener.storage.quota import Guard, JobStorage
from tui.listener.storage.request import RequestContext, StorageRequest
from tui.listener.storage.sigv4 import verify

STORAGE_PATH = "/api/cloud/storage"

_log = logging.getLogger(__name__)
_Handler = Callable[[StorageRequest], Awaitable[web.StreamResponse]]
_Place = StagedView | str
"""Where the files of a grant are: a staged dataset, or the prefix of a delivery."""

# Query parameters that select an operation (S3 subresources); those in no table below are refused.
_SUBRESOURCE_NAMES = (
    "accelerate acl analytics attributes cors delete encryption inventory legal-hold lifecycle "
    "location logging metrics notification object-lock ownershipControls partNumber policy "
    "policyStatus publicAccessBlock replication requestPayment restore retention select tagging "
    "torrent uploadId uploads versionId versioning versions website"
)
_OWN_REFUSALS = frozenset(
    {"EntityTooLarge", "InsufficientStorage", "InternalError", "KeyTooLongError", "QuotaExceeded"}
)
"""Errors that the sender cannot avoid: a repeated request would get the same answer."""
_SUBRESOURCES = frozenset(_SUBRESOURCE_NAMES.split())
_BUCKET: Mapping[tuple[str, frozenset[str]], _Handler] = MappingProxyType(
    {
        ("GET", frozenset()): listing.list_objects,
        ("GET", frozenset({"uploads"})): listing.list_uploads,
        ("GET", frozenset({"location"})): listing.bucket_location,
        ("GET", frozenset({"versioning"})): listing.bucket_versioning,
        ("HEAD", frozenset()): listing.bucket_exists,
        ("PUT", frozenset()): listing.bucket_exists,
        ("POST", frozenset({"delete"})): listing.delete_many,
    }
)
_OBJECT: Mapping[tuple[str, frozenset[str]], _Handler] = MappingProxyType(
    {
        ("GET", frozenset()): reads.get_object,
        ("HEAD", frozenset()): reads.get_object,
        ("GET", frozenset({"uploadId"})): listing.list_parts,
        ("PUT", frozenset()): writes.put_object,
        ("PUT", frozenset({"partNumber", "uploadId"})): writes.put_part,
        ("POST", frozenset({"uploads"})): writes.create_upload,
        ("POST", frozenset({"uploadId"})): complete_upload,
        ("DELETE", frozenset({"uploadId"})): writes.abort_upload,
        ("DELETE", frozenset()): listing.delete_object,
    }
)


class StorageReceiver:
    """An S3-compatible endpoint for the files of training jobs.

    Args:
        root: the outputs root; a job's objects are stored at `<root>/<grant.prefix>/<key>`.
        keys: looks up key pairs.
        on_object: is awaited for every received file, before the client is answered. An error is
            logged and the file stays: `delivered` finds it later.
        on_refused: is called for every file that the receiver refuses for a reason of its own
            (disk, limit, quota), before the client is answered.
        on_used: is called with the access key of every request whose signature is good.
        limits: sizes, times and the clock.

    Attributes:
        public_hosts: as in the limits; may be replaced while it serves.
        trusted_proxies: networks of our own proxies, whose word about a client's address counts.
    """

    def __init__(
        self,
        root: Path,
        keys: KeyResolver,
        *,
        on_object: Callable[[ReceivedObject], Awaitable[None]],
        on_refused: Callable[[RefusedObject], None] = lambda _: None,
        on_used: Callable[[str], None] = lambda _: None,
        limits: StorageLimits | None = None,
    ) -> None:
        self._root = root
        self._keys = keys
        self._on_refused = on_refused
        self._on_used = on_used
        self._limits = limits or StorageLimits()
        self.public_hosts = self._limits.public_hosts
        self.trusted_proxies: Sequence[Network] = ()
        self._storages: dict[_Place, JobStorage] = {}
        self._opening = asyncio.Lock()
        self._executor = ThreadPoolExecutor(max_workers=8, thread_name_prefix="storage")
        self._guard = Guard(root, self._limits)
        self._context = RequestContext(self._limits, self._guard, self._executor, on_object)
        self._staged_contexts: dict[Path, RequestContext] = {}

    def add_routes(self, app: web.Application) -> None:
        """Serve under STORAGE_PATH of `app`, until `app` is cleaned up."""
        app.router.add_route(
            "*", STORAGE_PATH + r"{rest:(?:/[\s\S]*)?}", self._handle, expect_handler=_expect
        )
        app.cleanup_ctx.append(self._run)

    async def _run(self, _app: web.Application) -> AsyncIterator[None]:
        await asyncio.to_thread(self._root.mkdir, parents=True, exist_ok=True)
        yield
        await asyncio.to_thread(self._executor.shutdown)

    async def delivered(self, grant: StorageGrant) -> list[ReceivedObject]:
        """Return every complete file of a grant, for a look-up after a restart."""
        storage = await self._storage_of(grant)
        loop = asyncio.get_running_loop()
        objects = await loop.run_in_executor(self._executor, storage.folder.objects)
        return [
            ReceivedObject(
                job_id=stored.job_id,
                bucket=grant.bucket,
                key=stored.key,
                path=storage.folder.path_of(stored.key),
                size=stored.size,
                sha256=stored.sha256,
                etag=stored.etag,
                received_at=stored.received_at,
            )
            for stored in objects
            if stored.job_id == grant.job_id
        ]

    async def share(self, source: StorageGrant, target: StorageGrant, prefix: str) -> int:
        """Let a key pair read objects of another one, as they are now.

        The files get a second name in the target's folder (a hard link where the file system has
        them), and stay the source's: `delivered` leaves them out.

        Args:
            source: the key pair that received the objects.
            target: the key pair that shall read them.
            prefix: what their keys begin with.

        Returns:
            The number of objects.

        Raises:
            OSError: they cannot be linked or copied.
        """
        mine, theirs = await self._storage_of(target), await self._storage_of(source)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._executor, share_objects, theirs.folder, mine.folder, prefix
        )

    async def _storage_of(self, grant: StorageGrant) -> JobStorage:
        place = _place_of(grant)
        storage = self._storages.get(place)
        if storage is not None:
            return storage
        async with self._opening:
            if place not in self._storages:
                folder = (
                    Folder(self._root, grant.prefix)
                    if grant.view is None
                    else OverlayFolder(grant.view, grant.prefix)
                )
                uploads = Uploads(folder.work / "uploads")
                oldest = stale_before(self._limits.now(), self._limits.stale_upload_seconds)
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(self._executor, folder.load)
                await loop.run_in_executor(
                    self._executor, lambda: uploads.load(stale_before=oldest)
                )
                self._storages[place] = JobStorage(folder, uploads)
            return self._storages[place]

    def forget(self, view: StagedView) -> None:
        """Drop what is remembered of a view, because it was removed or written anew."""
        self._storages.pop(view, None)

    def _context_of(self, grant: StorageGrant) -> RequestContext:
        """The context of a grant's requests; staged data have a disk and limits of their own."""
        if grant.view is None:
            return self._context
        root = grant.view.root
        if root not in self._staged_contexts:
            guard = Guard(root, self._limits)
            self._staged_contexts[root] = replace(self._context, guard=guard)
        return self._staged_contexts[root]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        request_id = secrets.token_hex(8).upper()
        resource = request.path
        try:
            response = await self._answer(request)
        except S3Error as error:
            response = self._refusal(error, request, resource, request_id)
        except OSError as problem:
            if isinstance(problem, ConnectionError):
                raise
            response = self._refusal(_disk_problem(problem), request, resource, request_id)
        except Exception:  # noqa: BLE001 - a defect of ours; its details stay in the log
            _log.exception("a storage request failed")
            defect = S3Error("InternalError", "We have a defect. The details are in our log.")
            response = self._refusal(defect, request, resource, request_id)
        if not response.prepared:
            response.headers["x-amz-request-id"] = request_id
        return response

    def _refusal(
        self, error: S3Error, request: web.Request, resource: str, request_id: str
    ) -> web.Response:
        body = error.body(resource=resource, request_id=request_id)
        response = web.Response(
            body=b"" if request.method == "HEAD" else body,
            status=error.status,
            content_type="application/xml",
        )
        if error.code == "SlowDown":
            response.headers["Retry-After"] = "1"
        if not request.content.at_eof():
            # The rest of the body is not read, so the connection cannot be used again.
            response.force_close()
        return response

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        signed = _signed_request(request, self.public_hosts)
        claim = read_claim(signed)
        grant = await self._keys.secret_for(claim.access_key)
        if grant is None:
            raise S3Error(
                "InvalidAccessKeyId", "The access key is not known here; it may have been removed."
            )
        now = self._limits.now()
        verified = verify(
            signed,
            claim,
            grant.secret,
            region=self._limits.region,
            now=now,
            skew=self._limits.skew_seconds,
        )
        if now >= grant.expires_at:
            raise S3Error("AccessDenied", "The access key has expired.")
        self._on_used(claim.access_key)
        query = _parameters(signed.query)
        bucket, key = split_path(_below(signed.path))
        handler = _handler_for(request.method, bucket, key, query, grant)
        if signed.header("x-amz-copy-source") is not None:
            raise S3Error("MethodNotAllowed", "Copying is not offered by this endpoint.")
        storage = await self._storage_of(grant)
        storage_request = StorageRequest(
            http=request,
            signed=signed,
            payload=claim.payload,
            verified=verified,
            grant=grant,
            storage=storage,
            context=self._context_of(grant),
            query=query,
            key=key,
            address=self._address_of(request),
        )
        try:
            return await handler(storage_request)
        except S3Error as error:
            self._report_refused(storage_request, error)
            raise
        except OSError as problem:
            if isinstance(problem, ConnectionError):
                raise
            refusal = _disk_problem(problem)
            self._report_refused(storage_request, refusal)
            raise refusal from problem

    def _address_of(self, request: web.Request) -> str:
        headers = {
            name: request.headers.getall(name, []) for name in ("x-forwarded-for", "forwarded")
        }
        return str(client_address(request.remote, headers, self.trusted_proxies) or "")

    def _report_refused(self, storage_request: StorageRequest, error: S3Error) -> None:
        is_upload = storage_request.http.method in ("PUT", "POST") and storage_request.key
        if not is_upload or error.code not in _OWN_REFUSALS:
            return
        grant = storage_request.grant
        refused = RefusedObject(
            grant.job_id,
            storage_request.key,
            error.code,
            error.message,
            is_result=grant.view is None,
        )
        try:
            self._on_refused(refused)
        except Exception:  # noqa: BLE001 - the client has to be answered all the same
            _log.exception("nobody could be told of a refused file")


def _place_of(grant: StorageGrant) -> _Place:
    return grant.view or grant.prefix


async def _expect(_request: web.Request) -> None:
    """Send no `100 Continue` here: `send_continue` does, once the signature is verified."""


def _signed_request(request: web.Request, public_hosts: tuple[str, ...]) -> SignedRequest:
    path, _, query = request.raw_path.partition("?")
    if not path.startswith("/"):
        raise S3Error("InvalidURI", "The request line must have a path only.")
    headers = tuple((name.lower(), value) for name, value in request.headers.items())
    hosts: list[str] = []
    for name in ("Host", "X-Forwarded-Host"):
        for value in request.headers.getall(name, [])[:2]:
            hosts += _spellings(value.strip())
    for host in public_hosts:
        hosts += _spellings(host)
    unique = tuple(dict.fromkeys(hosts))
    return SignedRequest(request.method, path, query, headers, unique, STORAGE_PATH)


def _spellings(host: str) -> list[str]:
    """Return a host as different clients sign it: with or without the default port."""
    name, colon, port = host.rpartition(":")
    if colon and port in {"80", "443"}:
        return [host, name]
    return [host, f"{host}:443", f"{host}:80"] if not (colon and port.isdigit()) else [host]


def _below(path: str) -> str:
    """Return the path below the endpoint; aiohttp routes percent-encoded spellings here too."""
    if path.startswith(STORAGE_PATH):
        return path.removeprefix(STORAGE_PATH)
    raise S3Error("InvalidURI", f"The path must begin with {STORAGE_PATH}, spelled like that.")


def _parameters(query: str) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for name, value in parse_query(query):
        if name in parameters:
            raise S3Error("InvalidArgument", "A parameter stands in the query twice.")
        try:
            (name + value).encode()
        except UnicodeEncodeError:
            raise S3Error("InvalidURI", "The query is not UTF-8.") from None
        parameters[name] = value
    return parameters


def _handler_for(
    method: str, bucket: str, key: str, query: Mapping[str, str], grant: StorageGrant
) -> _Handler:
    subresources = _SUBRESOURCES.intersection(query)
    if not bucket:
        if method == "GET" and not subresources and not key:
            return listing.list_buckets
        raise S3Error("MethodNotAllowed", "This operation is not offered by this endpoint.")
    if not is_bucket_name(bucket) or bucket != grant.bucket:
        raise S3Error(
            "NoSuchBucket",
            f"The specified bucket does not exist; the bucket of this key is '{grant.bucket}'.",
            BucketName=bucket,
        )
    if key:
        check_key(key)
    handler = (_OBJECT if key else _BUCKET).get((method, subresources))
    if handler is None and not key and method == "DELETE":
        raise S3Error("AccessDenied", "The bucket cannot be removed.")
    if handler is None:
        raise S3Error("MethodNotAllowed", "This operation is not offered by this endpoint.")
    return handler


def _disk_problem(problem: OSError) -> S3Error:
    if problem.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return S3Error("InsufficientStorage", "The disk is full.")
    if problem.errno in {errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR}:
        return S3Error("InvalidRequest", "The key cannot be a file name on this system.")
    _log.error("a storage request failed: %s", problem)
    return S3Error("InternalError", f"Our disk refused: {problem.strerror}.")
