"""Whether a file is still what it was when it came; each content is hashed once."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tui.destinations.common.errors import PublishError
from tui.destinations.common.meter import sha256_of
from tui.engine.results.source import Remote
from tui.store.records import FileRecord


class Wholeness:
    """Remembers what was hashed, by name, size and time of change."""

    def __init__(self, outputs: Path) -> None:
        """Args: the folder that the records' paths are relative to."""
        self._outputs = outputs
        self._known: dict[tuple[str, int, int], str] = {}

    def is_whole(self, file: FileRecord) -> None:
        """Its content was hashed just now."""
        try:
            state = (self._outputs / file.path).stat()
        except OSError:
            return
        self._known[file.path, state.st_size, state.st_mtime_ns] = file.sha256

    async def check(self, file: FileRecord, remote: Remote | None = None) -> bool:
        """Whether it is here unchanged, and is what the far end has under its name."""
        if remote is not None and not _same(file, remote):
            return False
        path = self._outputs / file.path
        try:
            state = path.stat()
            key = (file.path, state.st_size, state.st_mtime_ns)
            if state.st_size != file.size:
                return False
            if key not in self._known:
                self._known[key] = await asyncio.to_thread(sha256_of, path)
        except (OSError, PublishError):
            return False
        return self._known[key] == file.sha256


def _same(file: FileRecord, remote: Remote) -> bool:
    if remote.size is not None and remote.size != file.size:
        return False
    return not remote.sha256 or remote.sha256 == file.sha256
