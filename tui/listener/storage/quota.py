"""Admission of bodies: limits on concurrent bodies, a job's quota, and free disk space."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tui.base.formatting import plural
from tui.listener.storage.errors import S3Error
from tui.listener.storage.folder import Folder
from tui.listener.storage.grants import MIB, StorageGrant, StorageLimits
from tui.listener.storage.multipart import Uploads

_CHECK_EVERY = 64 * MIB


@dataclass(slots=True)
class JobStorage:
    """The files and counters of one job while the receiver runs.

    Attributes:
        folder: delivered files.
        uploads: unfinished multipart uploads.
        publishing: held while a file is renamed to its final name or removed.
        bodies: number of bodies being received now.
        documents: number of small bodies being received now, which are held in memory.
        reserved: bytes reserved for those bodies.
    """

    folder: Folder
    uploads: Uploads
    publishing: asyncio.Lock = field(default_factory=asyncio.Lock)
    bodies: int = 0
    documents: int = 0
    reserved: int = 0

    def used_bytes(self) -> int:
        """Return the bytes in the folder, unfinished uploads included."""
        return self.folder.used_bytes() + self.uploads.used_bytes()


class Reservation:
    """Bytes reserved for one body; see `Guard.admit`."""

    def __init__(self, guard: Guard, storage: JobStorage, grant: StorageGrant, spare: int) -> None:
        self._guard = guard
        self._storage = storage
        self._grant = grant
        self._spare = spare
        self._size = 0
        self._written = 0
        self._next_check = _CHECK_EVERY

    def reserve(self, size: int) -> None:
        """Raise the reservation to `size` bytes in all.

        Raises:
            S3Error: the job's quota or the free disk space is too small.
        """
        more = size - self._size
        if more <= 0:
            return
        quota = self._grant.quota_bytes
        storage = self._storage
        if quota is not None:
            used = storage.used_bytes() + storage.reserved - self._spare
            if used + more > quota:
                raise S3Error(
                    "QuotaExceeded",
                    f"This job may deliver {plural(quota, 'byte')} in all; "
                    f"{max(0, used):,} are taken.",
                )
        self._guard.check_disk(more)
        storage.reserved += more
        self._guard.outstanding += more
        self._size = size

    def grow(self, total: int) -> None:
        """Count received bytes of the body before they are written; `total` includes encoding."""
        if total > self._size and self._size:
            total = self._size  # the encoding around the content is not written
        elif total > self._size:
            self.reserve(total)
        self._guard.outstanding -= total - self._written
        self._written = total
        if total >= self._next_check:
            self._next_check = total + _CHECK_EVERY
            self._guard.check_disk(0)

    def release(self) -> None:
        """Release the reservation once the body is a file or deleted."""
        self._storage.reserved -= self._size
        self._guard.outstanding -= self._size - self._written
        self._size = self._written = 0


class Guard:
    """Admits bodies within the limits.

    Attributes:
        bodies: number of bodies being received now.
        outstanding: bytes reserved and not yet written.
    """

    def __init__(self, root: Path, limits: StorageLimits) -> None:
        self.bodies = 0
        self.outstanding = 0
        self._root = root
        self._limits = limits

    @contextmanager
    def admit(
        self, storage: JobStorage, grant: StorageGrant, size: int | None, *, replaces: int = 0
    ) -> Iterator[Reservation]:
        """Reserve space for a body of `size` bytes that replaces `replaces` bytes.

        Raises:
            S3Error: too many bodies, too large, or no space.
        """
        limits = self._limits
        if size is not None and size > limits.max_part_bytes:
            raise S3Error(
                "EntityTooLarge",
                f"One request carries at most {limits.max_part_bytes} bytes.",
                ProposedSize=str(size),
                MaxSizeAllowed=str(limits.max_part_bytes),
            )
        if self.bodies >= limits.max_bodies or storage.bodies >= limits.max_bodies_per_job:
            raise S3Error("SlowDown", "Too many uploads at the same time. Try again in a moment.")
        reservation = Reservation(self, storage, grant, replaces)
        self.bodies += 1
        storage.bodies += 1
        try:
            reservation.reserve(size or 0)
            yield reservation
        finally:
            self.bodies -= 1
            storage.bodies -= 1
            reservation.release()

    def check_disk(self, more: int) -> None:
        """Raise S3Error when `more` bytes would use the part of the disk that stays free."""
        disk = self._limits.space(self._root)
        keep = disk.kept(self._limits.keep_free_fraction)
        if disk.free - self.outstanding - more < keep:
            raise S3Error(
                "InsufficientStorage",
                f"The disk has {plural(disk.free, 'byte')} free, of which {keep:,} are kept free.",
            )
