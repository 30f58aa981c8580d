"""How much may still come in: bodies at once, a job's quota, and what the disk can spare."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tui.listener.storage.errors import S3Error
from tui.listener.storage.folder import Folder
from tui.listener.storage.grants import MIB, StorageGrant, StorageLimits
from tui.listener.storage.multipart import Uploads

_LOOK_EVERY = 64 * MIB


@dataclass(slots=True)
class JobQuota:
    """The folder of one job while the receiver runs.

    Attributes:
        folder: delivered files.
        uploads: unfinished multipart uploads.
        publishing: held while a file takes its place.
        bodies: being received now.
        reserved: bytes announced by those bodies.
    """

    folder: Folder
    uploads: Uploads
    publishing: asyncio.Lock = field(default_factory=asyncio.Lock)
    bodies: int = 0
    reserved: int = 0

    def used_bytes(self) -> int:
        """What lies in the folder, unfinished uploads included."""
        return self.folder.used_bytes() + self.uploads.used_bytes()


class Reservation:
    """Room for one body; see `Guard.admit`."""

    def __init__(self, guard: Guard, space: JobQuota, grant: StorageGrant, spare: int) -> None:
        self._guard = guard
        self._space = space
        self._grant = grant
        self._spare = spare
        self._size = 0
        self._written = 0
        self._next_look = _LOOK_EVERY

    def reserve(self, size: int) -> None:
        """Make sure that `size` bytes in all have room.

        Raises:
            S3Error: the job's quota or the disk does not have it.
        """
        more = size - self._size
        if more <= 0:
            return
        quota = self._grant.quota_bytes
        space = self._space
        used = space.used_bytes() + space.reserved - self._spare
        if quota is not None and used + more > quota:
            raise S3Error(
                "QuotaExceeded",
                f"This job may deliver {quota} bytes in all; {max(0, used)} are taken.",
            )
        self._guard.check_disk(more)
        space.reserved += more
        self._guard.outstanding += more
        self._size = size

    def grow(self, total: int) -> None:
        """`total` bytes of the body have come, encoding included, and are about to be written."""
        if total > self._size and self._size:
            total = self._size  # the encoding around the content is not written
        elif total > self._size:
            self.reserve(total)
        self._guard.outstanding -= total - self._written
        self._written = total
        if total >= self._next_look:
            self._next_look = total + _LOOK_EVERY
            self._guard.check_disk(0)

    def release(self) -> None:
        """The body has become a file or is gone."""
        self._space.reserved -= self._size
        self._guard.outstanding -= self._size - self._written
        self._size = self._written = 0


class Guard:
    """Lets bodies in.

    Attributes:
        bodies: being received now.
        outstanding: bytes announced and not yet written.
    """

    def __init__(self, root: Path, limits: StorageLimits) -> None:
        self.bodies = 0
        self.outstanding = 0
        self._root = root
        self._limits = limits

    @contextmanager
    def admit(
        self, space: JobQuota, grant: StorageGrant, size: int | None, *, replaces: int = 0
    ) -> Iterator[Reservation]:
        """Room for a body of `size` bytes that takes the place of `replaces` bytes.

        Raises:
            S3Error: too many bodies, too large, or no room.
        """
        limits = self._limits
        if size is not None and size > limits.max_part_bytes:
            raise S3Error(
                "EntityTooLarge",
                f"One request carries at most {limits.max_part_bytes} bytes.",
                ProposedSize=str(size),
                MaxSizeAllowed=str(limits.max_part_bytes),
            )
        if self.bodies >= limits.max_bodies or space.bodies >= limits.max_bodies_per_job:
            raise S3Error("SlowDown", "Too many uploads at the same time. Try again in a moment.")
        reservation = Reservation(self, space, grant, replaces)
        self.bodies += 1
        space.bodies += 1
        try:
            reservation.reserve(size or 0)
            yield reservation
        finally:
            self.bodies -= 1
            space.bodies -= 1
            reservation.release()

    def check_disk(self, more: int) -> None:
        """Refuse when `more` bytes would eat into the part of the disk that stays free."""
        disk = self._limits.space(self._root)
        keep = int(disk.total * self._limits.keep_free_fraction)
        if disk.free - self.outstanding - more < keep:
            raise S3Error(
                "InsufficientStorage",
                f"The disk has {disk.free} bytes free, of which {keep} are kept free.",
            )
