"""Packs datasets into one ZIP archive for upload.

The bytes of the archive depend only on the files' names and contents, so packing the same dataset
again gives the same SHA-256. Files are read in pieces of 1 MiB, so memory does not grow with the
dataset. Images are stored uncompressed, because their formats are compressed already; text is
deflated.

The ZIP format itself comes from the standard library's zipfile. Our own part is what it lacks:
fixed time stamps and attributes, hashes while writing, cancelling, and the size limit.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tui.simpletuner.datasets import advice
from tui.simpletuner.datasets.archive_size import is_deflated
from tui.simpletuner.datasets.scan import DataReport
from tui.simpletuner.datasets.scan_folder import SourceFile
from tui.simpletuner.errors import ArchiveTooLargeError, CancelledByUser, PackError

UPLOAD_LIMIT = 100 * 1024 * 1024
"""Replicate's limit for one uploaded file: 104 857 600 bytes."""

MANIFEST_NAME = "simpletuner-tui-manifest.json"
"""Last entry of the archive: size and SHA-256 of every other entry."""

_PIECE = 1024 * 1024
# The oldest time stamp that ZIP can hold; a real one would change the bytes.
_TIME = (1980, 1, 1, 0, 0, 0)

Progress = Callable[[int, int], None]
"""Called with (bytes read so far, bytes to read)."""


@dataclass(frozen=True, slots=True)
class Archive:
    """A finished archive.

    Attributes:
        path: the file.
        size: size in bytes.
        sha256: SHA-256 of the whole file, in hex.
        entries: number of data files in it, without the manifest.
        folders: archive folder by dataset id.
    """

    path: Path
    size: int
    sha256: str
    entries: int
    folders: dict[str, str]


def pack(
    report: DataReport,
    dest: Path,
    *,
    limit: int = UPLOAD_LIMIT,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
) -> Archive:
    """Write the archive of all local datasets to `dest`.

    Args:
        report: the scan; its files are packed as they were found.
        dest: the file to write; it appears only when complete.
        limit: allowed size of the archive in bytes.
        progress: called in the calling thread after each piece that was read.
        cancel: when set, packing stops within one piece and leaves no file.

    Raises:
        ArchiveTooLargeError: the archive exceeds `limit`.
        PackError: there is nothing to pack, a file changed or vanished since the scan, or the disk
            is full.
        CancelledByUser: `cancel` was set.
    """
    files = report.archive_files
    if not files:
        raise PackError(
            "there is nothing to pack: no local dataset has an image",
            "Correct instance_data_dir, or use a hosted dataset.",
        )
    if report.archive_size > limit:
        raise too_large(report.archive_size, limit)
    part = dest.with_name(dest.name + ".part")
    job = _ArchiveWriter(files, limit, progress, cancel)
    try:
        size, sha256 = job.write(part)
        part.replace(dest)
    except OSError as error:
        raise _disk_error(error, dest) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    folders = {data.id: data.archive_folder for data in report.local if data.archive_folder}
    return Archive(dest, size, sha256, len(files), folders)


def too_large(size: int, limit: int) -> ArchiveTooLargeError:
    """The error for an archive of at least `size` bytes, with the alternatives as advice."""
    return ArchiveTooLargeError(
        f"the archive has at least {size:,} bytes; Replicate takes {limit:,} at most",
        f"{advice.STAGE} That has no such limit. Or host the archive at an https address and name "
        "that.",
        size=size,
        limit=limit,
    )


class _ArchiveWriter:
    """Writes one archive."""

    def __init__(
        self,
        files: dict[str, SourceFile],
        limit: int,
        progress: Progress | None,
        cancel: threading.Event | None,
    ) -> None:
        self._files = files
        self._limit = limit
        self._progress = progress
        self._cancel = cancel
        self._done = 0
        self._total = sum(file.size for file in files.values())

    def write(self, part: Path) -> tuple[int, str]:
        """Write the archive to `part` and return its size and SHA-256."""
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w+b") as out:
            manifest: dict[str, dict[str, object]] = {}
            with zipfile.ZipFile(out, "w", allowZip64=True) as archive:
                for name, file in self._files.items():
                    digest = self._add(archive, name, file)
                    manifest[name] = {"size": file.size, "sha256": digest}
                    if out.tell() > self._limit:
                        raise too_large(out.tell(), self._limit)
                text = json.dumps({"version": 1, "files": manifest}, indent=1, ensure_ascii=False)
                archive.writestr(_entry(MANIFEST_NAME), text.encode())
            size = out.seek(0, os.SEEK_END)
            if size > self._limit:
                raise too_large(size, self._limit)
            out.seek(0)
            sha256 = hashlib.file_digest(out, "sha256").hexdigest()
        return size, sha256

    def _add(self, archive: zipfile.ZipFile, name: str, file: SourceFile) -> str:
        digest = hashlib.sha256()
        entry = _entry(name)
        entry.file_size = file.size
        with _open_unchanged(file) as source, archive.open(entry, "w") as target:
            for piece in self._pieces(source, file):
                digest.update(piece)
                target.write(piece)
        return digest.hexdigest()

    def _pieces(self, source: BinaryIO, file: SourceFile) -> Iterator[bytes]:
        seen = 0
        while piece := source.read(_PIECE):
            if self._cancel is not None and self._cancel.is_set():
                raise CancelledByUser("packing was stopped")
            seen += len(piece)
            if seen > file.size:
                break
            yield piece
            self._done += len(piece)
            if self._progress is not None:
                self._progress(self._done, self._total)
        if seen != file.size or os.fstat(source.fileno()).st_mtime_ns != file.mtime_ns:
            raise _changed_error(file)


@contextlib.contextmanager
def _open_unchanged(file: SourceFile) -> Iterator[BinaryIO]:
    try:
        with Path(file.path).open("rb", buffering=0) as source:
            facts = os.fstat(source.fileno())
            if (facts.st_size, facts.st_mtime_ns) != (file.size, file.mtime_ns):
                raise _changed_error(file)
            yield source
    except FileNotFoundError:
        raise PackError(
            f"{file.name} vanished while the archive was made", "Scan the dataset again."
        ) from None
    except PermissionError as error:
        raise PackError(
            f"{file.name} cannot be read: {error.strerror}", "Check the file, then scan again."
        ) from error


def _changed_error(file: SourceFile) -> PackError:
    return PackError(f"{file.name} changed while the archive was made", "Scan the dataset again.")


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _TIME)
    entry.create_system = 3  # always Unix: zipfile's default depends on the platform
    entry.external_attr = 0o100644 << 16
    entry.compress_type = zipfile.ZIP_DEFLATED if is_deflated(name) else zipfile.ZIP_STORED
    return entry


def _disk_error(error: OSError, dest: Path) -> PackError:
    if error.errno == errno.ENOSPC:
        return PackError(
            f"the disk is full: the archive does not fit into {dest.parent}", "Free some space."
        )
    return PackError(
        f"the archive {dest} cannot be written: {error.strerror or error}", "Check the folder."
    )
