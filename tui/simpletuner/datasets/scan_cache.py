"""The file with what earlier scans read of each image and caption.

A line of JSON holds a thousand files at most: a longer one would be read and written in one step of
the interpreter, in which nothing else runs.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

_VERSION: Final = 4
_PER_LINE: Final = 1000
_MOST_FOLDERS: Final = 64


class ScanCache:
    """Results of earlier scans by folder and file, in lines of JSON. Threads may share it.

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
                self._folders = _read(path)

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
            folders = list(self._folders.items())  # the entries of a folder are never changed
            self._changed = False
        part = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("w") as file:
                file.writelines(f"{line}\n" for line in _lines(folders))
            part.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)


def _lines(folders: Iterable[tuple[str, Mapping[str, list[Any]]]]) -> Iterator[str]:
    yield json.dumps({"version": _VERSION})
    for folder, entries in folders:
        rows = iter(entries.items())
        while some := dict(itertools.islice(rows, _PER_LINE)):
            yield json.dumps([folder, some], separators=(",", ":"))


def _read(path: Path) -> dict[str, dict[str, list[Any]]]:
    """The entries by folder; raises an error for a file that is not as `_lines` writes it."""
    folders: dict[str, dict[str, list[Any]]] = {}
    with path.open() as file:
        if json.loads(next(file, "{}"))["version"] != _VERSION:
            return {}
        for line in file:
            folder, entries = json.loads(line)
            folders.setdefault(folder, {}).update(entries)
    return folders
