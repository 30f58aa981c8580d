"""What the newest scans of folders found: of one that has not changed only a list is made."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from tui.base.real_paths import real_path
from tui.simpletuner.config.training_config import DatasetSpec
from tui.simpletuner.datasets.scan_cache import ScanCache
from tui.simpletuner.datasets.scan_folder import FolderScan, caption_table, scan_folder
from tui.simpletuner.datasets.walk import Walk, walk

_MOST_FILES: Final = 400_000
"""Files of remembered folders; the newest folder is kept whatever it holds."""
_Key: TypeAlias = tuple[str, str, str, str]


class _Known(NamedTuple):
    listing: Walk
    found: FolderScan


class FolderMemory:
    """The results of the newest scans, bounded by their number of files. Threads may share it.

    The same object is returned while nothing changed.
    """

    def __init__(self, cache: Path | None = None) -> None:
        """Take a file with the results of earlier processes; see `ScanCache`."""
        self._path = cache
        self._cache: ScanCache | None = None
        self._known: OrderedDict[_Key, _Known] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def cache(self) -> ScanCache:
        """The results by file; the file is read at the first use."""
        with self._lock:
            if self._cache is None:
                self._cache = ScanCache(self._path)
            return self._cache

    def scan(
        self,
        spec: DatasetSpec,
        walks: dict[str, Walk],
        progress: Callable[[int, int], None] | None,
        cancel: threading.Event | None,
    ) -> FolderScan:
        """Scan a dataset's folder, or return what was found last time when nothing changed.

        Args:
            spec: the dataset.
            walks: the listings that were made for the same report; each folder is listed once.
            progress: called with (files read, files in all).
            cancel: when set, the scan stops soon.

        Raises:
            OSError: the folder itself cannot be listed.
            CancelledByUser: `cancel` was set.
        """
        if spec.path is None:
            raise FileNotFoundError(spec.id)
        base = str(real_path(spec.path))
        if base not in walks:
            walks[base] = walk(Path(base), cancel)
        listing, key = walks[base], _key(base, spec)
        with self._lock:
            known = self._known.get(key)
            if known is not None and known.listing.same_as(listing):
                self._known.move_to_end(key)
                return known.found
        found = scan_folder(spec, listing, self.cache, progress, cancel)
        with self._lock:
            self._known.pop(key, None)
            if listing.settled and not found.passing:
                self._known[key] = _Known(listing, found)
            while len(self._known) > 1 and self._files() > _MOST_FILES:
                self._known.popitem(last=False)
        return found

    def _files(self) -> int:
        return sum(known.listing.files for known in self._known.values())

    def holds(self, found: FolderScan) -> bool:
        """Whether this very result is still kept."""
        with self._lock:
            return any(known.found is found for known in self._known.values())


def _key(base: str, spec: DatasetSpec) -> _Key:
    """The folder, and what of a dataset decides which of its files are read."""
    return base, spec.dataset_type, spec.caption_strategy, caption_table(spec)
