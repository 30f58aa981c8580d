"""Staged datasets on disk: pictures stored once by content, and a view of them for every job.

The layout below the root:

    content/ab/ab12…          a picture, named by its SHA-256; read-only, shared by all jobs
    views/<job>/<label>/      the objects that a job's dataset of this label shows: `objects.jsonl`,
                              and `captions`, all its caption files one after another
    written/<job>-<label>/    what the trainer wrote there itself, private to the job

A view refers to content, so a second job with the same pictures adds a few kilobytes. All functions
block; callers run them in threads.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from tui.base.formatting import plural
from tui.listener.storage.folder import INCOMING, sync
from tui.listener.storage.keys import check_key

OBJECTS_FILE: Final = "objects.jsonl"
CAPTIONS_FILE: Final = "captions"
_UNFINISHED: Final = ".new"
_BLOCK: Final = 1024 * 1024


class ContentChangedError(Exception):
    """A file does not have the size and SHA-256 that were announced for it."""


@dataclass(frozen=True, slots=True)
class ViewedObject:
    """One object of a view.

    Attributes:
        key: the object's key in the job's bucket.
        size: bytes.
        sha256: of its content; also the name of the shared file that holds it.
        text: the content itself, for a caption file; None for a shared file.
    """

    key: str
    size: int
    sha256: str
    text: bytes | None = None

    @classmethod
    def caption(cls, key: str, text: str) -> ViewedObject:
        """Return a caption file; every line is a caption of its own to the trainer."""
        data = text.encode()
        return cls(key, len(data), hashlib.sha256(data).hexdigest(), data)


class ViewRow(NamedTuple):
    """One object of a stored view; small, because a view may have 100 000.

    Attributes:
        key: the object's key in the job's bucket.
        size: bytes.
        sha256: of its content.
        offset: position of a caption in the file of captions; None for a shared file.
    """

    key: str
    size: int
    sha256: bytes
    offset: int | None


@dataclass(frozen=True, slots=True)
class NewContent:
    """A file that is written, and not yet flushed to the disk."""

    _file: BinaryIO
    _body: Path
    _target: Path

    def keep(self) -> None:
        """Flush it to the disk, and give it its name.

        Raises:
            OSError: the disk is full or refuses; nothing is left.
        """
        try:
            with self._file:
                os.fsync(self._file.fileno())
            self._body.chmod(0o400)
            self._body.replace(self._target)
        finally:
            self._body.unlink(missing_ok=True)


class StagedFolder:
    """Staged content, and the views of jobs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.written = root / "written"
        self._content = root / "content"
        self._content_name = str(self._content)
        self._views = root / "views"

    def create(self) -> None:
        """Make the folders, closed to other users."""
        for folder in (self.root, self._content, self._views, self.written):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def content_path(self, sha256: str) -> Path:
        """Return the path of a shared file, whether it exists or not."""
        return self._content / sha256[:2] / sha256

    def has_content(self, sha256: str, size: int) -> bool:
        """Whether a shared file is there and has its size."""
        try:  # a Path would cost more than the system's answer, and a check asks for each picture
            return os.lstat(f"{self._content_name}/{sha256[:2]}/{sha256}").st_size == size
        except OSError:
            return False

    def add_content(self, blocks: Iterable[bytes], sha256: str, size: int) -> None:
        """Store a file under its SHA-256. A file that is there already is replaced by the same.

        Raises:
            ContentChangedError: the bytes are others than announced; nothing is stored.
            OSError: the disk is full or refuses.
        """
        self.write_content(blocks, sha256, size).keep()
        self.sync_content([sha256])

    def write_content(self, blocks: Iterable[bytes], sha256: str, size: int) -> NewContent:
        """Write a file that is not there for anybody before it is kept, nor safe on the disk.

        Raises:
            ContentChangedError: the bytes are others than announced; nothing is left.
            OSError: the disk is full or refuses; nothing is left.
        """
        target = self.content_path(sha256)
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        body = target.with_name(f"{target.name}.{secrets.token_hex(4)}{_UNFINISHED}")
        digest, count = hashlib.sha256(), 0
        with contextlib.ExitStack() as undo:
            undo.callback(body.unlink, missing_ok=True)
            file = undo.enter_context(body.open("xb"))
            for block in blocks:
                digest.update(block)
                count += len(block)
                file.write(block)
            file.flush()
            if (count, digest.hexdigest()) != (size, sha256):
                raise ContentChangedError(f"{plural(count, 'byte')} instead of {size}, or others")
            undo.pop_all()
        return NewContent(file, body, target)

    def sync_content(self, digests: Iterable[str]) -> None:
        """Flush the names of kept files, so that they survive a power cut."""
        for folder in {self.content_path(sha256).parent for sha256 in digests}:
            if folder.is_dir():
                sync(folder)

    def remove_leftovers(self, older_than: float) -> None:
        """Remove what a killed process has left of unfinished copies.

        Args:
            older_than: seconds without a change, so that a copy in progress stays.
        """
        newest = time.time() - older_than
        for path in self._content.glob(f"*/*{_UNFINISHED}"):
            with contextlib.suppress(OSError):  # it may have been finished just now
                if path.stat().st_mtime < newest:
                    path.unlink()

    # -- views --------------------------------------------------------------------------------

    def view_path(self, job_id: str, label: str) -> Path:
        """Return the folder of the view of a job's dataset, whether it exists or not."""
        return self._views / job_id / label

    def has_view(self, job_id: str, label: str) -> bool:
        """Whether a job's dataset can be read."""
        return (self.view_path(job_id, label) / OBJECTS_FILE).is_file()

    def write_view(self, job_id: str, label: str, objects: Iterable[ViewedObject]) -> None:
        """Write what a job's dataset shows; it replaces an earlier view of the same.

        Raises:
            S3Error: a key is not one that the receiver serves.
            FileNotFoundError: a shared file is not there.
            OSError: the disk is full or refuses.
        """
        folder = self.view_path(job_id, label)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        captions, rows = folder / CAPTIONS_FILE, folder / OBJECTS_FILE
        rows.unlink(missing_ok=True)
        new = rows.with_suffix(".new")
        offset = 0
        with captions.open("wb") as texts, new.open("w", encoding="utf-8") as file:
            for shown in sorted(objects, key=lambda shown: shown.key.encode()):
                check_key(shown.key)
                row: list[object] = [shown.key, shown.size, shown.sha256]
                if shown.text is not None:
                    texts.write(shown.text)
                    row.append(offset)
                    offset += shown.size
                elif not self.has_content(shown.sha256, shown.size):
                    raise FileNotFoundError(f"{shown.key} is not staged")
                file.write(json.dumps(row) + "\n")
            for written in (texts, file):
                written.flush()
                os.fsync(written.fileno())
        new.replace(rows)
        sync(folder)

    def read_view(self, job_id: str, label: str) -> Iterator[ViewRow]:
        """Yield the objects of a view, by key in UTF-8 order (S3's order).

        Raises:
            OSError: there is no such view.
        """
        with (self.view_path(job_id, label) / OBJECTS_FILE).open(encoding="utf-8") as file:
            for line in file:
                key, size, sha256, *offset = json.loads(line)
                yield ViewRow(key, size, bytes.fromhex(sha256), offset[0] if offset else None)

    def remove_views(self, job_id: str) -> None:
        """Remove what a job shows and what its trainer wrote; shared content stays."""
        shutil.rmtree(self._views / job_id, ignore_errors=True)
        for written in self.written.glob(f"{job_id}-*"):
            shutil.rmtree(written, ignore_errors=True)
            work = hashlib.sha256(written.name.encode()).hexdigest()[:32]
            shutil.rmtree(self.written / INCOMING / work, ignore_errors=True)

    def viewing_jobs(self) -> list[str]:
        """Return the ids of the jobs that have a view."""
        return sorted(path.name for path in _entries(self._views))

    def labels_of(self, job_id: str) -> list[str]:
        """Return the labels of a job's datasets."""
        return sorted(path.name for path in _entries(self._views / job_id))

    # -- clearing up --------------------------------------------------------------------------

    def used_content(self) -> set[str]:
        """Return the SHA-256 of every shared file that a view refers to."""
        return {
            row.sha256.hex()
            for job_id in self.viewing_jobs()
            for label in self.labels_of(job_id)
            if self.has_view(job_id, label)
            for row in self.read_view(job_id, label)
            if row.offset is None
        }

    def remove_content(self, names: Iterable[str]) -> int:
        """Remove shared files that no view refers to.

        Args:
            names: SHA-256 of the files.

        Returns:
            The bytes that became free.
        """
        used = self.used_content()
        freed = 0
        for name in names:
            path = self.content_path(name)
            if name in used or not path.is_file():
                continue
            freed += path.stat().st_size
            path.unlink()
        return freed

    def content(self) -> dict[str, int]:
        """Return the sizes of all shared files, by SHA-256."""
        return {
            path.name: path.stat().st_size
            for folder in _entries(self._content)
            for path in _entries(folder)
            if "." not in path.name
        }


def file_blocks(path: Path) -> Iterator[bytes]:
    """Yield the content of a file in blocks."""
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []
