"""Hashes files while they are downloaded, and verifies files already on disk."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from pathlib import Path
from typing import Final

from tui.destinations.common.errors import MismatchError, PublishError, disk_error
from tui.destinations.common.meter import sha256_of
from tui.destinations.s3.etag import EtagCheck
from tui.engine.results.source import Remote
from tui.store.records import FileRecord

_BLOCK: Final = 1024 * 1024


class Digests:
    """Hashes a growing file in a thread; what was just written is still in the page cache."""

    def __init__(self, path: Path, remote: Remote) -> None:
        """Start the thread; MD5 and ETag are computed if `remote` has them to compare with."""
        self._path = path
        self._remote = remote
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False) if remote.md5 else None
        size = remote.size if remote.etag else None
        self._etag = EtagCheck(size, remote.etag) if size is not None else None
        self._available = 0
        self._ended = self._stopped = False
        self._change = threading.Condition()
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._run, name="fetch-hash", daemon=True)
        self._thread.start()

    def advance(self, offset: int) -> None:
        """Note that the file is complete up to this offset."""
        with self._change:
            if offset > self._available:
                self._available = offset
                self._change.notify()

    def stop(self) -> None:
        """Stop hashing; the result is not needed."""
        with self._change:
            self._stopped = True
            self._change.notify()

    def check(self, size: int) -> str:
        """Hash the rest of the complete file and compare. Blocking.

        Args:
            size: bytes of the whole file.

        Returns:
            The SHA-256 in hex.

        Raises:
            MismatchError: a checksum differs from the source's.
            PublishError: the file cannot be read.
        """
        with self._change:
            self._available, self._ended = size, True
            self._change.notify()
        self._thread.join()
        if self._error is not None:
            raise disk_error(self._error, f"{self._path} cannot be read") from self._error
        remote, sha256 = self._remote, self._sha256.hexdigest()
        if remote.sha256 and sha256 != remote.sha256:
            raise MismatchError(remote.name, "its SHA-256 is another")
        if self._md5 is not None and self._md5.hexdigest() != remote.md5:
            raise MismatchError(remote.name, "its MD5 is another")
        if self._etag is not None and self._etag.equal() is False:
            raise MismatchError(remote.name, "its ETag is another")
        return sha256

    def _run(self) -> None:
        try:
            with self._path.open("rb", buffering=0) as file:
                offset = 0
                while (end := self._wait(offset)) is not None:
                    while offset < end and not self._stopped:
                        piece = file.read(min(_BLOCK, end - offset))
                        if not piece:
                            return
                        offset += len(piece)
                        self._update(piece)
        except OSError as error:
            self._error = error

    def _wait(self, offset: int) -> int | None:
        """Wait for more data; returns the offset it reaches, None at the end or when stopped."""
        with self._change:
            while not self._stopped and self._available <= offset and not self._ended:
                self._change.wait()
            return None if self._stopped or self._available <= offset else self._available

    def _update(self, piece: bytes) -> None:
        self._sha256.update(piece)
        if self._md5 is not None:
            self._md5.update(piece)
        if self._etag is not None:
            self._etag.update(piece)


class FileVerifier:
    """Verifies files on disk; caches hashes by path, size and modification time."""

    def __init__(self, outputs: Path) -> None:
        """Take the folder that the records' paths are relative to."""
        self._outputs = outputs
        self._hashes: dict[tuple[str, int, int], str] = {}

    def remember(self, file: FileRecord) -> None:
        """Cache the record's hash for a file that was hashed just now."""
        try:
            state = (self._outputs / file.path).stat()
        except OSError:
            return
        self._hashes[file.path, state.st_size, state.st_mtime_ns] = file.sha256

    async def check(self, file: FileRecord, remote: Remote | None = None) -> bool:
        """Whether a file is here unchanged, and equals the source's file if one is given."""
        if remote is not None and not _equals(file, remote):
            return False
        path = self._outputs / file.path
        try:
            state = path.stat()
            key = (file.path, state.st_size, state.st_mtime_ns)
            if state.st_size != file.size:
                return False
            if key not in self._hashes:
                self._hashes[key] = await asyncio.to_thread(sha256_of, path)
        except (OSError, PublishError):
            return False
        return self._hashes[key] == file.sha256


def _equals(file: FileRecord, remote: Remote) -> bool:
    if remote.size is not None and remote.size != file.size:
        return False
    return not remote.sha256 or remote.sha256 == file.sha256
