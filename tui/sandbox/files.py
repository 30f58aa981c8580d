"""Uploaded files: content on disk, descriptions in memory, signed download addresses."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from tui.base.json_types import JsonObject
from tui.sandbox import ids
from tui.sandbox.clock import Clock, stamp
from tui.sandbox.problems import ProblemError

LIMIT_BYTES = 104_857_600
TOO_LARGE = "Files must be less than 100MB in size"
DOWNLOAD_SECONDS = 3600


def too_large() -> ProblemError:
    """413 with the text of the live service."""
    return ProblemError(413, TOO_LARGE)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One uploaded file."""

    id: str
    name: str
    content_type: str
    size: int
    sha256: str
    md5: str
    metadata: Mapping[str, Any]
    created_at: datetime
    expires_at: datetime
    path: Path
    owner: str = ""


class UploadedFiles:
    """The uploaded files of the account. Expired files are deleted on access."""

    def __init__(self, folder: Path, clock: Clock, username: str, lifetime: float) -> None:
        self._folder = folder
        self._clock = clock
        self._username = username
        self._lifetime = lifetime
        self._files: dict[str, StoredFile] = {}
        self._signing_key = secrets.token_bytes(32)

    async def receive(self, chunks: AsyncIterator[bytes]) -> Incoming:
        """Write an upload's bytes to disk.

        Raises:
            ProblemError: 413, the upload exceeds the limit.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        incoming = Incoming(self._folder / f"{secrets.token_hex(8)}.bin")
        try:
            with incoming.path.open("wb") as target:
                async for chunk in chunks:
                    incoming.add(chunk)
                    target.write(chunk)
        except BaseException:
            incoming.path.unlink(missing_ok=True)
            raise
        return incoming

    def keep(
        self,
        incoming: Incoming,
        name: str,
        content_type: str,
        metadata: Mapping[str, Any],
        *,
        owner: str = "",
    ) -> StoredFile:
        """Register a received upload as a file of the account, or of another user's."""
        now = self._clock.now()
        stored = StoredFile(
            ids.file_id(),
            name,
            content_type,
            incoming.size,
            incoming.sha256.hexdigest(),
            incoming.md5.hexdigest(),
            metadata,
            now,
            self._clock.after(self._lifetime, now),
            incoming.path,
            owner,
        )
        self._files[stored.id] = stored
        return stored

    def get(self, file_id: str) -> StoredFile | None:
        """The file; None when it is unknown, deleted or expired."""
        self._sweep()
        return self._files.get(file_id)

    def all(self) -> list[StoredFile]:
        """All files, newest first."""
        self._sweep()
        return list(reversed(self._files.values()))

    def delete(self, file_id: str) -> bool:
        """Delete a file; False when it does not exist."""
        stored = self._files.pop(file_id, None)
        if stored is not None:
            stored.path.unlink(missing_ok=True)
        return stored is not None

    def _sweep(self) -> None:
        now = self._clock.now()
        for stored in [item for item in self._files.values() if item.expires_at <= now]:
            self.delete(stored.id)

    def view(self, stored: StoredFile, base_url: str) -> JsonObject:
        """The file's JSON object in answers."""
        return {
            "id": stored.id,
            "name": stored.name,
            "content_type": stored.content_type,
            "size": stored.size,
            "etag": stored.md5,
            "checksums": {"sha256": stored.sha256, "md5": stored.md5},
            "metadata": dict(stored.metadata),
            "created_at": stamp(stored.created_at),
            "expires_at": stamp(stored.expires_at),
            "urls": {"get": f"{base_url}/files/{quote(stored.id, safe='')}"},
        }

    def download_url(self, stored: StoredFile, base_url: str) -> str:
        """A signed address that serves the bytes without a token, for one hour."""
        expiry = int(self._clock.now().timestamp()) + DOWNLOAD_SECONDS
        query = {
            "owner": self._username,
            "expiry": str(expiry),
            "signature": self._signature(self._username, stored.id, expiry),
        }
        return f"{base_url}/files/{quote(stored.id, safe='')}/download?{urlencode(query)}"

    def may_download(self, file_id: str, owner: str, expiry: str, signature: str) -> bool:
        """Whether the signature of a download address is valid and not expired."""
        if not expiry.isascii() or not expiry.isdigit():
            return False
        if int(expiry) < self._clock.now().timestamp():
            return False
        expected = self._signature(owner, file_id, int(expiry))
        return hmac.compare_digest(expected.encode(), signature.encode())

    def _signature(self, owner: str, file_id: str, expiry: int) -> str:
        text = f"{owner} {file_id} {expiry}".encode()
        return base64.b64encode(hmac.new(self._signing_key, text, hashlib.sha256).digest()).decode()


class Incoming:
    """An upload while it is received: size and hashes so far."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self.sha256 = hashlib.sha256()
        self.md5 = hashlib.md5(usedforsecurity=False)

    def add(self, chunk: bytes) -> None:
        """Count and hash a chunk.

        Raises:
            ProblemError: 413, the upload exceeds the limit.
        """
        self.size += len(chunk)
        if self.size > LIMIT_BYTES:
            raise too_large()
        self.sha256.update(chunk)
        self.md5.update(chunk)
