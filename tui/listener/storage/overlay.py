"""The objects of a job's staged dataset: shared reads, private writes.

The trainer reads pictures and captions from the job's view, and writes index files of its own
beside them, which depend on the job's settings (SimpleTuner 4.10.1 writes
`aspect_ratio_bucket_indices_{id}.json` and `aspect_ratio_bucket_metadata_{id}.json`, and prefers
those that it finds to its settings). So two jobs with the same pictures must not see each other's.
"""

from __future__ import annotations

import base64
import bisect
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import overload

from tui.listener.storage.folder import Folder, StoredObject
from tui.listener.storage.staged import CAPTIONS_FILE, StagedFolder, ViewRow


@dataclass(frozen=True, slots=True)
class StagedView:
    """Names the view of a job's dataset.

    Attributes:
        root: the root of the staged data.
        job_id: the job.
        label: the label of the dataset, unique within the job.
    """

    root: Path
    job_id: str
    label: str


@dataclass(frozen=True, slots=True)
class SharedObject(StoredObject):
    """An object of a view as the receiver shows it; `offset` is None for a shared file."""

    offset: int | None = None


class OverlayFolder(Folder):
    """The files of a job's dataset: those of its view, and over them those that it wrote itself."""

    def __init__(self, view: StagedView, prefix: str) -> None:
        self._staged = StagedFolder(view.root)
        self._view = view
        self._rows: list[ViewRow] = []
        self._shown_since = datetime.fromtimestamp(0, UTC)
        super().__init__(self._staged.written, prefix)

    def load(self) -> None:
        """Read the view and the records of what was written."""
        super().load()
        folder = self._staged.view_path(self._view.job_id, self._view.label)
        self._shown_since = datetime.fromtimestamp(int(folder.stat().st_mtime), UTC)
        self._rows = list(self._staged.read_view(self._view.job_id, self._view.label))

    def objects(self) -> Sequence[StoredObject]:
        """Return all objects, by key in UTF-8 order; a written one hides a shared one."""
        merged: list[ViewRow | StoredObject] = list(self._rows)
        for written in super().objects():
            place = bisect.bisect_left(merged, written.key.encode(), key=_order)
            hidden = place < len(merged) and merged[place].key == written.key
            merged[place : place + hidden] = [written]
        return _Objects(merged, self._shared)

    def find(self, key: str) -> StoredObject | None:
        """Return the written object of a key, else the shared one, else None."""
        if (written := super().find(key)) is not None:
            return written
        place = bisect.bisect_left(self._rows, key.encode(), key=_order)
        found = place < len(self._rows) and self._rows[place].key == key
        return self._shared(self._rows[place]) if found else None

    def open(self, stored: StoredObject) -> tuple[int, int]:
        """Open the file of an object; see `Folder.open`."""
        if not isinstance(stored, SharedObject):
            return super().open(stored)
        path = self._staged.content_path(stored.sha256)
        if stored.offset is not None:
            view = self._staged.view_path(self._view.job_id, self._view.label)
            path = view / CAPTIONS_FILE
        first = stored.offset or 0
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        if os.fstat(descriptor).st_size < first + stored.size:
            os.close(descriptor)
            raise FileNotFoundError(stored.key)
        return descriptor, first

    def _shared(self, row: ViewRow) -> SharedObject:
        return SharedObject(
            key=row.key,
            job_id=self._view.job_id,
            size=row.size,
            etag=f"{row.sha256.hex()[:32]}-1",  # the dash tells clients that this is no MD5
            sha256=row.sha256.hex(),
            received_at=self._shown_since,
            modified_ns=0,
            checksums={"sha256": base64.b64encode(row.sha256).decode()},
            offset=row.offset,
        )


class _Objects(Sequence[StoredObject]):
    """Makes the objects of rows when they are asked for."""

    def __init__(
        self, rows: list[ViewRow | StoredObject], make: Callable[[ViewRow], StoredObject]
    ) -> None:
        self._rows = rows
        self._make = make

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> StoredObject: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[StoredObject]: ...
    def __getitem__(self, index: int | slice) -> StoredObject | Sequence[StoredObject]:
        if isinstance(index, slice):
            return _Objects(self._rows[index], self._make)
        row = self._rows[index]
        return self._make(row) if isinstance(row, ViewRow) else row


def _order(shown: ViewRow | StoredObject) -> bytes:
    return shown.key.encode()
