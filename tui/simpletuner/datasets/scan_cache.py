"""What images and captions looked like last time, so that an unchanged folder is not read again."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from pathlib import Path
from typing import Any

_VERSION = 2
_MAX_FOLDERS = 64


class ScanCache:
    """Facts about files by folder and name, valid while the file's fingerprint is the same."""

    def __init__(self) -> None:
        self._folders: dict[str, dict[str, list[Any]]] = {}
        self._seen: set[str] = set()
        self._changed = False

    @classmethod
    def load(cls, path: Path | None) -> ScanCache:
        """Read the cache; one that is missing, damaged or of another version is empty."""
        cache = cls()
        if path is None:
            return cache
        try:
            raw = json.loads(path.read_bytes())
            if raw["version"] == _VERSION and isinstance(raw["folders"], dict):
                cache._folders = raw["folders"]
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return cache

    def folder(self, folder: Path) -> dict[str, list[Any]]:
        """What is remembered of one folder, by name.

        Each is `[size, mtime_ns, ctime_ns, *facts]` with the facts `width, height, problem` of an
        image, or the state of a caption.
        """
        known = self._folders.get(str(folder))
        return known if isinstance(known, dict) else {}

    def replace_folder(self, folder: Path, entries: dict[str, list[Any]]) -> None:
        """Remember `entries` of a folder; what was remembered before this scan is forgotten."""
        key = str(folder)
        if key in self._seen:  # a second dataset over the same folder looks at other files
            entries = {**self._folders[key], **entries}
        if self._folders.get(key) != entries:
            self._changed = True
        self._seen.add(key)
        self._folders.pop(key, None)  # so that the most recently used stand last
        self._folders[key] = entries

    def save(self, path: Path | None) -> None:
        """Write the cache where anything changed; failing to do so only costs time later."""
        if path is None or not self._changed:
            return
        for key in list(self._folders)[:-_MAX_FOLDERS]:
            del self._folders[key]
        part = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(
                json.dumps({"version": _VERSION, "folders": self._folders}, separators=(",", ":"))
            )
            part.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
