"""The file with what earlier scans read of each image and caption."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

_VERSION: Final = 3
_MOST_FOLDERS: Final = 64


class ScanCache:
    """Results of earlier scans by folder and file, in a JSON file. Threads may share it.

    An entry is valid while the file has the same size, modification time and change time.
    """

    def __init__(self, path: Path | None) -> None:
        """Read the cache; a missing or damaged file, or another version, gives an empty cache."""
        self._path = path
        self._lock = threading.Lock()
        self._folders: dict[str, dict[str, list[Any]]] = {}
        self._changed = False
        if path is not None:
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                raw = json.loads(path.read_bytes())
                if raw["version"] == _VERSION and isinstance(raw["folders"], dict):
                    self._folders = raw["folders"]

    def folder(self, folder: Path) -> dict[str, list[Any]]:
        """The entries of one folder by file name.

        Each is `[size, mtime_ns, ctime_ns, *facts]`: the facts are `width, height, problem` of an
        image, or the state of a caption.
        """
        known = self._folders.get(str(folder))
        return known if isinstance(known, dict) else {}

    def replace_folder(
        self, folder: Path, entries: dict[str, list[Any]], present: Collection[str]
    ) -> None:
        """Replace the entries of a folder.

        Args:
            folder: the folder.
            entries: those that a scan made or used.
            present: names of all its files. Another dataset over the same folder may read others of
                them, so these entries stay; those of files that are gone are dropped.
        """
        key = str(folder)
        with self._lock:
            before = self.folder(folder)
            kept = {name: known for name, known in before.items() if name in present}
            after = {**kept, **entries}
            self._changed = self._changed or before != after
            self._folders.pop(key, None)  # re-inserted below, so the most recently used is last
            self._folders[key] = after

    def save(self) -> None:
        """Write the cache if it changed. An OSError is ignored: the next scan is only slower."""
        path = self._path
        if path is None or not self._changed:
            return
        with self._lock:
            for key in list(self._folders)[:-_MOST_FOLDERS]:
                del self._folders[key]
            content = {"version": _VERSION, "folders": self._folders}
            text = json.dumps(content, separators=(",", ":"))
            self._changed = False
        part = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(text)
            part.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
