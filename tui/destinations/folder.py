"""A folder on this machine, or a mounted one, as a destination.

Own code and not `shutil.copy`: a copy reports progress, keeps to the bandwidth limit, can be
cancelled and resumed after a crash, is hashed while it is written, and appears only when complete.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Literal

from tui.base.formatting import plural
from tui.base.stored_names import distinct_paths
from tui.destinations.common.contract import (
    Item,
    LocalFile,
    Progress,
    Resume,
    Step,
    TestReport,
    Verified,
    part_name,
    part_stem,
)
from tui.destinations.common.errors import (
    MismatchError,
    PublishError,
    SourceChangedError,
    TransferCancelledError,
    Trouble,
    disk_error,
)
from tui.destinations.common.meter import (
    PIECE,
    Meter,
    Throttle,
    check_names,
    describe_source,
    sha256_of,
)

_SYNC_EVERY = 64 * 1024 * 1024  # bytes between two fsync calls, the most that a crash can lose
_STALE_SECONDS = 7 * 24 * 3600.0
_PROBE = b"simpletuner-tui probe\n"


class FolderDestination:
    """Copies files below a folder; a file appears there only when it is complete."""

    kind = "folder"
    keeps_history = False

    def __init__(self, root: Path, prefix: str = "", *, throttle: Throttle | None = None) -> None:
        self._base = root.expanduser().absolute()
        self._root = self._base / prefix.strip("/") if prefix.strip("/") else self._base
        self._throttle = throttle

    def describe(self) -> str:
        """Return the folder's path."""
        return str(self._root)

    def test(self, cancel: threading.Event | None = None) -> TestReport:
        """Write a small file, read it back and delete it; report the free space."""
        del cancel  # nothing here takes long
        existing = self._nearest_existing()
        probe = existing / f".simpletuner-probe-{os.getpid()}-{os.urandom(4).hex()}"
        try:
            with probe.open("xb") as file:
                file.write(_PROBE)
                file.flush()
                os.fsync(file.fileno())
            intact = probe.read_bytes() == _PROBE
            probe.unlink()
            free = shutil.disk_usage(existing).free
        except OSError as error:
            with contextlib.suppress(OSError):
                probe.unlink(missing_ok=True)
            problem = disk_error(error, f"{existing} cannot be used")
            return TestReport((Step("write", "error", problem.message, problem.advice),))
        if not intact:
            text = f"{existing} gave back something else than was written."
            return TestReport((Step("read", "error", text, "Do not use this folder."),))
        steps = [
            Step("write", "ok", f"{existing} can be written, read and deleted from."),
            Step("space", "ok", f"{free // 2**20} MiB are free."),
        ]
        if existing != self._root:
            steps.append(Step("folder", "ok", f"{self._root} will be made."))
        return TestReport(tuple(steps))

    def _nearest_existing(self) -> Path:
        folder = self._root
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        return folder

    def prepare(self) -> None:
        """Create the folder."""
        try:
            self._root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise disk_error(error, f"{self._root} cannot be made") from error

    def plan(self, files: Sequence[LocalFile], cancel: threading.Event | None = None) -> list[Item]:
        """Hash the files, and existing ones of the same name and size.

        A name that cannot stand in every folder gets another one there; see `stored_names`.
        """
        check_names(tuple(files))
        paths = distinct_paths(file.name for file in files)
        items = [
            describe_source(file, str(self._root / paths[file.name]), cancel) for file in files
        ]
        return [self._compare(item, cancel) for item in items]

    def _compare(self, item: Item, cancel: threading.Event | None) -> Item:
        target = Path(item.target)
        if not target.exists():
            return item
        if target.is_dir():
            raise PublishError(
                f"{target} is a folder.", "Publish under another name.", Trouble.TAKEN
            )
        same = (
            target.is_file()
            and target.stat().st_size == item.size
            and sha256_of(target, cancel) == item.sha256
        )
        return replace(item, present=same, replaces=not same)

    def send(
        self,
        item: Item,
        progress: Progress | None = None,
        cancel: threading.Event | None = None,
        resume: Resume | None = None,
    ) -> None:
        """Copy to a hidden file beside the target, flush it, then rename it.

        Each transfer has a hidden file of its own name: another transfer to the same folder, by
        another path or from another machine, must not write into it.
        """
        item.check_source()
        own = resume or Resume()
        try:
            self._send(item, Meter(item.size, progress, cancel, self._throttle), own)
        except PublishError:
            if resume is None:  # the caller keeps no state, so the copy could not be resumed
                self.abandon(item, own)
            raise

    def _send(self, item: Item, meter: Meter, resume: Resume) -> None:
        try:
            Path(item.target).parent.mkdir(parents=True, exist_ok=True)
            part, start = self._begin(item, resume)
            self._check_space(item, part, start)
            digest = self._copy(item, part, start, meter, resume)
            item.check_source()
            _check_content(item, digest)
            part.replace(item.target)
            _sync_folder(part.parent)
        except OSError as error:
            problem = disk_error(error, f"{item.target} cannot be written")
            if problem.kind is Trouble.DISK_FULL:
                self.abandon(item, resume)
            raise problem from error
        except (SourceChangedError, MismatchError):
            self.abandon(item, resume)
            raise
        resume.clear()
        meter.finish()

    def _part(self, item: Item, resume: Resume) -> Path | None:
        """Return the partial copy of the resume state, or None."""
        if resume.data.get("target") != item.target:
            return None
        # Versions without "part" in the state used one name for all copies of a file.
        name = str(resume.data.get("part") or part_name(Path(item.target).name))
        return Path(item.target).with_name(name)

    def _begin(self, item: Item, resume: Resume) -> tuple[Path, int]:
        """Return the file to write and the number of bytes to keep from an earlier attempt."""
        part = self._part(item, resume)
        if part is not None:
            synced = int(resume.data.get("synced", 0))
            same = resume.data.get("sha256") == item.sha256
            kept = part.is_file() and not part.is_symlink()
            if same and synced and kept and part.stat().st_size >= synced:
                return part, synced
            part.unlink(missing_ok=True)
        target = Path(item.target)
        part = target.with_name(part_name(target.name, os.urandom(6).hex()))
        resume.data.clear()
        resume.data.update(sha256=item.sha256, target=item.target, synced=0, part=part.name)
        resume.changed()  # before the file exists: a crash must not leave one without a record
        part.touch(exist_ok=False)
        _delete_stale(part, f"{part_stem(target.name)}.")
        return part, 0

    def _check_space(self, item: Item, part: Path, start: int) -> None:
        free = shutil.disk_usage(part.parent).free
        if free < (need := item.size - start):
            raise PublishError(
                f"{item.name} needs {plural(need, 'byte')}, and only {free:,} are free in "
                f"{part.parent}.",
                "Free some space there, or choose another folder.",
                Trouble.DISK_FULL,
            )

    def _copy(self, item: Item, part: Path, start: int, meter: Meter, resume: Resume) -> str:
        """Copy from `start` on; returns the SHA-256 of the whole source."""
        digest = hashlib.sha256()
        written = synced = start

        def sync() -> None:
            os.fsync(target.fileno())
            resume.data["synced"] = written
            resume.changed()

        with item.source.open("rb", buffering=0) as source, _append_to(part) as target:
            target.truncate(start)
            _hash_head(source, start, digest, meter)
            buffer = memoryview(bytearray(PIECE))
            while count := source.readinto(buffer):
                try:
                    meter.add(count)
                except TransferCancelledError:
                    sync()
                    raise
                digest.update(buffer[:count])
                _write_all(target, buffer[:count])
                written += count
                if written - synced >= _SYNC_EVERY:
                    sync()
                    synced = written
            os.fsync(target.fileno())
        return digest.hexdigest()

    def finish(self, items: Sequence[Item], message: str = "") -> None:
        """Do nothing: files are visible as soon as they are sent."""

    def verify(
        self, item: Item, *, deep: bool = False, cancel: threading.Event | None = None
    ) -> Verified:
        """Read the file back from the disk, not from the page cache, and hash it."""
        del deep  # every check reads the file
        target = Path(item.target)
        try:
            size = target.stat().st_size
            _drop_cache(target)
        except OSError as error:
            raise MismatchError(item.name, f"{target} is not there") from error
        if size != item.size:
            raise MismatchError(item.name, f"{plural(size, 'byte')} instead of {item.size:,}")
        digest = sha256_of(target, cancel)
        if digest != item.sha256:
            raise MismatchError(item.name, "its SHA-256 is another")
        return Verified(size, "read back", digest)

    def copy(
        self,
        item: Item,  # noqa: ARG002 - part of the protocol
        source: str,  # noqa: ARG002
        cancel: threading.Event | None = None,  # noqa: ARG002
    ) -> Literal[""]:
        """Return "": a folder cannot copy by itself."""
        return ""

    def abandon(self, item: Item, resume: Resume) -> None:
        """Delete the partial copy."""
        with contextlib.suppress(OSError):
            if part := self._part(item, resume):
                part.unlink(missing_ok=True)
        resume.clear()

    def link(self, item: Item) -> str | None:
        """Return a `file://` URL."""
        return Path(item.target).as_uri()

    def close(self) -> None:
        """Do nothing: no file is held open."""


def _append_to(part: Path) -> io.FileIO:
    """Open a partial copy; a link that another user of the folder put in its place is refused."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    return io.FileIO(os.open(part, flags), "ab")


def _delete_stale(part: Path, stem: str) -> None:
    """Delete partial copies of the same file that no transfer will resume.

    They remain when the state of a transfer is lost with its database. A running or retried
    transfer writes more often; one that was paused for longer starts again. Both times come from
    the file system, so that the clocks of different machines do not matter.
    """
    with contextlib.suppress(OSError):  # leftovers are no reason to fail
        now = part.stat().st_mtime
        for other in part.parent.iterdir():
            is_partial_copy = other.name.startswith(stem) and other.name.endswith(".part")
            if is_partial_copy and other != part and now - other.stat().st_mtime > _STALE_SECONDS:
                other.unlink(missing_ok=True)


def _check_content(item: Item, digest: str) -> None:
    if digest != item.sha256:
        raise SourceChangedError(item.name)


def _hash_head(source: BinaryIO, length: int, digest: hashlib._Hash, meter: Meter) -> None:
    remaining = length
    while remaining and (piece := source.read(min(remaining, PIECE))):
        digest.update(piece)
        meter.add(len(piece), limited=False)
        remaining -= len(piece)


def _write_all(target: BinaryIO, data: memoryview) -> None:
    while data:
        data = data[target.write(data) :]


def _sync_folder(folder: Path) -> None:
    """Flush a rename to disk; some mounted file systems do not support it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)


def _drop_cache(path: Path) -> None:
    """Ask the system to drop a file from the page cache, so that reading it reads the disk."""
    if not hasattr(os, "posix_fadvise"):
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(handle)
