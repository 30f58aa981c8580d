"""Digests of earlier stagings, so that a folder that has not changed is not read again.

A line of JSON holds a thousand files at most: a longer one would be read and written in one step of
the interpreter, in which nothing else runs.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

from tui.simpletuner.datasets.scan_folder import SourceFile
from tui.simpletuner.datasets.walk import TICK_NS
from tui.simpletuner.staging.manifest import Transform

_VERSION: Final = 2
_PER_LINE: Final = 1000
_MOST_FILES: Final = 400_000


class DigestCache:
    """SHA-256 and text of files by path, in lines of JSON.

    An entry is valid while the file has the same size, modification time and change time. A file
    that was written just before it was read gets none: written again within the same step of the
    clock, it would keep these times.
    """

    def __init__(self) -> None:
        self._settled_ns = time.time_ns() - TICK_NS
        self._files: dict[str, list[Any]] = {}
        self._changed = False

    @classmethod
    def load(cls, path: Path | None) -> DigestCache:
        """Read the cache; a missing or damaged file, or another version, gives an empty cache."""
        cache = cls()
        if path is not None:
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                cache._files = _read(path)
        return cache

    def facts(self, file: SourceFile) -> tuple[str, int, Transform] | None:
        """Return SHA-256, sent size and transform of a file; None when it must be read."""
        known = self._known(file)
        if len(known) != 3:
            return None
        return str(known[0]), int(known[1]), cast("Transform", known[2])

    def keep_facts(self, file: SourceFile, facts: tuple[str, int, Transform]) -> None:
        """Keep what `facts` returns from now on."""
        self._keep(file, list(facts))

    def text(self, file: SourceFile) -> str | None:
        """Return the text of a caption file; None when it must be read."""
        known = self._known(file)
        return str(known[0]) if len(known) == 1 else None

    def keep_text(self, file: SourceFile, text: str) -> None:
        """Keep what `text` returns from now on."""
        self._keep(file, [text])

    def _known(self, file: SourceFile) -> list[Any]:
        entry = self._files.get(file.path)
        return entry[3:] if entry and entry[:3] == _state(file) else []

    def _keep(self, file: SourceFile, facts: list[Any]) -> None:
        self._files.pop(file.path, None)  # re-inserted, so that the oldest are first
        if max(file.mtime_ns, file.ctime_ns) >= self._settled_ns:
            return
        self._files[file.path] = [*_state(file), *facts]
        self._changed = True

    def _lines(self) -> Iterator[str]:
        yield json.dumps({"version": _VERSION})
        rows = iter(self._files.items())
        while some := dict(itertools.islice(rows, _PER_LINE)):
            yield json.dumps(some, separators=(",", ":"))

    def save(self, path: Path | None) -> None:
        """Write the cache if it changed. An OSError is ignored: the next call is only slower."""
        if path is None or not self._changed:
            return
        for key in list(self._files)[:-_MOST_FILES]:
            del self._files[key]
        part = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("w") as file:
                file.writelines(f"{line}\n" for line in self._lines())
            part.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)


def _read(path: Path) -> dict[str, list[Any]]:
    """The entries by path; raises an error for a file that is not as `_lines` writes it."""
    files: dict[str, list[Any]] = {}
    with path.open() as file:
        if json.loads(next(file, "{}"))["version"] == _VERSION:
            for line in file:
                files.update(json.loads(line))
    return files


def _state(file: SourceFile) -> list[int]:
    return [file.size, file.mtime_ns, file.ctime_ns]
