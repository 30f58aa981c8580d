"""The receiver's interface to its owner: grants, limits, and reports about files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tui.base.clock import utc_now

if TYPE_CHECKING:
    from tui.listener.storage.overlay import StagedView

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB


@dataclass(frozen=True, slots=True)
class StorageGrant:
    """The permissions of a key pair.

    Attributes:
        job_id: the job the files belong to.
        secret: the secret half of the key pair.
        prefix: the job's folder below the outputs root, with `/` between names.
        expires_at: the key is refused from this moment on.
        quota_bytes: limit of the folder in bytes, unfinished uploads included; None: no limit.
        bucket: the name of the one bucket that this key sees.
        may_delete: whether DELETE is allowed; a delivering job does not need it.
        view: the staged dataset that the key reads, and beside which it writes; None for a key
            that delivers. What is written there is no result, so it is not reported as one.
    """

    job_id: str
    secret: str = field(repr=False)
    prefix: str
    expires_at: datetime
    quota_bytes: int | None = None
    bucket: str = "outputs"
    may_delete: bool = False
    view: StagedView | None = None


class KeyResolver(Protocol):
    """Looks up a key pair by its public half."""

    async def secret_for(self, access_key: str) -> StorageGrant | None:
        """Return the grant of `access_key`, or None when there is no such key."""


@dataclass(frozen=True, slots=True)
class ReceivedObject:
    """A completely received file; `path` holds exactly `size` bytes with the hash `sha256`.

    `address` is the sender's, as seen behind trusted proxies; "" when unknown.
    """

    job_id: str
    bucket: str
    key: str
    path: Path
    size: int
    sha256: str
    etag: str
    received_at: datetime
    address: str = ""


@dataclass(frozen=True, slots=True)
class RefusedObject:
    """A file that the receiver refused, although its sender did nothing wrong.

    Attributes:
        job_id: the job the file belongs to.
        key: the object's key.
        code: S3's error code.
        message: the reason as text.
        is_result: whether the job was delivering it; False for its own notes beside its dataset.
    """

    job_id: str
    key: str
    code: str
    message: str
    is_result: bool = True


MOST_KEPT_FREE = GIB
"""Bytes: a twentieth of a disk of 2 TB would turn results away where they have a lot of room."""


@dataclass(frozen=True, slots=True)
class DiskSpace:
    """Total and free bytes of a file system."""

    total: int
    free: int

    def kept(self, fraction: float) -> int:
        """Bytes that stay free for others: a fraction of the disk, `MOST_KEPT_FREE` at most."""
        return min(int(self.total * fraction), MOST_KEPT_FREE)


def disk_space(path: Path) -> DiskSpace:
    """Measure the file system that holds `path`."""
    usage = shutil.disk_usage(path)
    return DiskSpace(total=usage.total, free=usage.free)


@dataclass(frozen=True, slots=True)
class StorageLimits:
    """Limits of the receiver; the defaults suit one person's training jobs.

    Attributes:
        region: the region that signatures must name.
        public_hosts: further values of the Host header that clients may have signed, for a tunnel
            or proxy that rewrites it.
        max_object_bytes: largest object, in one part or many.
        max_part_bytes: largest body of one request (S3 itself allows 5 GiB).
        min_part_bytes: smallest part that is not the last one (S3: 5 MiB).
        max_bodies: bodies received at the same time, all jobs together.
        max_bodies_per_job: the same for a single job.
        max_documents_per_job: requests with an XML document, received at the same time.
        max_uploads_per_job: unfinished multipart uploads of one job.
        idle_seconds: longest silence inside a body.
        min_bytes_per_second: slowest average of a body, once `grace_seconds` have passed.
        grace_seconds: see `min_bytes_per_second`.
        keep_free_fraction: fraction of the disk that deliveries and staged data leave free, up to
            `MOST_KEPT_FREE`.
        skew_seconds: largest difference between the client's clock and ours (S3: 15 minutes).
        stale_upload_seconds: unfinished multipart uploads older than this are deleted at start.
        space: measures the disk.
        now: the clock.
    """

    region: str = "us-east-1"
    public_hosts: tuple[str, ...] = ()
    max_object_bytes: int = 512 * GIB
    max_part_bytes: int = 5 * GIB
    min_part_bytes: int = 5 * MIB
    max_bodies: int = 128
    max_bodies_per_job: int = 64
    max_documents_per_job: int = 64
    max_uploads_per_job: int = 1000
    idle_seconds: float = 30.0
    min_bytes_per_second: int = 1 * KIB
    grace_seconds: float = 60.0
    keep_free_fraction: float = 0.05
    skew_seconds: float = 900.0
    stale_upload_seconds: float = 7 * 24 * 3600.0
    space: Callable[[Path], DiskSpace] = disk_space
    now: Callable[[], datetime] = utc_now
