"""Scans the folder of one dataset, with a cache of what earlier scans read.

A scan takes the listing of a `walk` and reads the headers of images and the captions. Only new or
changed files are read: `ScanCache` keeps the results by size and times.
"""

from __future__ import annotations

import stat
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from tui.simpletuner.config.training_config import DatasetSpec
from tui.simpletuner.datasets.images import (
    AUDIO_SUFFIXES,
    FOREIGN_SUFFIXES,
    IMAGE_SUFFIXES,
    VIDEO_SUFFIXES,
    probe_image,
)
from tui.simpletuner.datasets.safety import is_secret_name, skipped_folder, unsafe_name
from tui.simpletuner.datasets.scan_cache import ScanCache
from tui.simpletuner.datasets.walk import Folder, Listed, Walk
from tui.simpletuner.errors import CancelledByUser

_CAPTION_LIMIT = 1024 * 1024
_REPORT_EVERY = 64
_TABLE_SUFFIXES = (".parquet", ".csv", ".json", ".jsonl")
_UNREAD = "cannot be read"
"""Begins the reason of a failure that may pass, unlike damage."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file or folder that is not sent.

    Attributes:
        path: relative to the dataset's folder.
        reason: why, in words.
        secret: whether it looks like a key, a token or a password.
    """

    path: str
    reason: str
    secret: bool = False


class SourceFile(NamedTuple):
    """A file to send: its name relative to the dataset, its path, size, and times of change."""

    name: str
    path: str
    size: int
    mtime_ns: int
    ctime_ns: int = 0


class FoundImage(NamedTuple):
    """An image that can be read. Width and height are 0 when unknown (JPEG XL, video, audio)."""

    name: str
    width: int
    height: int


@dataclass(slots=True)
class FolderScan:
    """The result of scanning one folder, sorted by name.

    `passing` is set when a file could not be read for a reason that may pass: then the result holds
    for this moment only.
    """

    images: list[FoundImage] = field(default_factory=list)
    files: list[SourceFile] = field(default_factory=list)
    odd_files: list[SourceFile] = field(default_factory=list)
    odd_images: list[FoundImage] = field(default_factory=list)
    captions: int = 0
    missing_captions: list[str] = field(default_factory=list)
    empty_captions: list[str] = field(default_factory=list)
    corrupt: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    passing: bool = False


class _Entry(NamedTuple):
    name: str
    path: str
    suffix: str
    facts: Listed


def scan_folder(
    spec: DatasetSpec,
    listing: Walk,
    memory: ScanCache,
    progress: Callable[[int, int], None] | None,
    cancel: threading.Event | None,
) -> FolderScan:
    """Scan the dataset's folder and all folders below it.

    Args:
        spec: the dataset.
        listing: the files of its folder.
        memory: results of earlier scans; it is updated.
        progress: called with (files read, files in all).
        cancel: when set, the scan stops soon.

    Raises:
        CancelledByUser: `cancel` was set.
    """
    return _FolderScanner(spec, listing, memory, progress, cancel).run()


def caption_table(spec: DatasetSpec) -> str:
    """Name of the file that a dataset names as its table of captions; "" for none."""
    parquet = spec.raw.get("parquet")
    named = parquet.get("path") if isinstance(parquet, dict) else None
    return PurePosixPath(named).name if isinstance(named, str) else ""


class _FolderScanner:
    """One pass over one folder."""

    def __init__(
        self,
        spec: DatasetSpec,
        listing: Walk,
        memory: ScanCache,
        progress: Callable[[int, int], None] | None,
        cancel: threading.Event | None,
    ) -> None:
        self._base = Path(listing.folders[0].path)
        self._spec = spec
        self._listing = listing
        self._memory = memory
        self._progress = progress
        self._cancel = cancel
        self._known = memory.folder(self._base)
        self._table = caption_table(spec)
        self._fresh: dict[str, list[Any]] = {}
        self._result = FolderScan()
        self._odd: list[_Entry] = []
        self._present: set[str] = set()
        self._suffixes = {
            "video": VIDEO_SUFFIXES | IMAGE_SUFFIXES,
            "audio": AUDIO_SUFFIXES,
            "caption": frozenset[str](),
        }.get(spec.dataset_type, IMAGE_SUFFIXES)

    def run(self) -> FolderScan:
        """Sort the files, which is fast, then read images and captions, slow when they are new."""
        entries = self._list()
        self._present = {entry.name for entry in (*entries, *self._odd)}
        holds_images = self._spec.dataset_type != "caption"
        wants_captions = holds_images and self._spec.caption_strategy == "textfile"
        captions = {
            entry.name: entry for entry in entries if wants_captions and entry.suffix == ".txt"
        }
        used: set[str] = set()
        for number, entry in enumerate(entries):
            if number % _REPORT_EVERY == 0:
                self._report(number, len(entries))
            if entry.suffix in self._suffixes:
                self._image(entry, captions if wants_captions else None, used)
            elif entry.name not in captions:
                self._other(entry)
        for name in captions.keys() - used:
            self._skip(name, "caption without an image of the same name")
        self._odd_names()
        self._report(len(entries), len(entries))
        self._memory.replace_folder(self._base, self._fresh, self._present)
        self._result.files.sort(key=lambda file: file.name)
        self._result.skipped.sort(key=lambda item: item.path)
        return self._result

    def _list(self) -> list[_Entry]:
        entries: list[_Entry] = []
        for folder in self._listing.folders:
            if folder.problem:
                self._skip(folder.prefix.rstrip("/"), f"cannot be listed: {folder.problem}")
            for item in folder.entries():
                if item.target is None and stat.S_ISDIR(item.mode):
                    if reason := skipped_folder(item.name) or unsafe_name(item.name):
                        self._skip(_printable(folder.prefix + item.name) + "/", reason)
                elif entry := self._file(item, folder):
                    entries.append(entry)
        entries.sort(key=lambda entry: entry.name)
        return entries

    def _file(self, item: Listed, folder: Folder) -> _Entry | None:
        name = folder.prefix + item.name
        if is_secret_name(item.name):
            self._skip(_printable(name), "looks like a key or password, never sent", secret=True)
        elif item.name.startswith("."):
            self._skip(_printable(name), "hidden file")
        elif reason := unsafe_name(item.name):
            self._skip(_printable(name), reason)
            if _printable(name) == name and (odd := self._checked(item, folder)):
                self._odd.append(odd)
        else:
            return self._checked(item, folder)
        return None

    def _odd_names(self) -> None:
        """Keep pictures and captions that are skipped for their names alone."""
        for entry in sorted(self._odd, key=lambda entry: entry.name):
            if entry.suffix in self._suffixes:
                width, height, problem = self._facts(entry)
                if problem is not None:
                    continue
                self._result.odd_images.append(FoundImage(entry.name, width, height))
            elif entry.suffix != ".txt":
                continue
            self._result.odd_files.append(_source_file(entry))

    def _checked(self, item: Listed, folder: Folder) -> _Entry | None:
        name = folder.prefix + item.name
        link = item.target
        if link is not None and link.path:
            target = Path(link.path)
            if not target.is_relative_to(self._base):
                self._skip(name, "link to a place outside the dataset folder")
                return None
            if stat.S_ISDIR(item.mode):
                self._skip(name, "link to a folder")
                return None
            if _is_private(target.relative_to(self._base)):
                self._skip(name, "link to a hidden or private file", secret=True)
                return None
        if link is not None and link.problem:
            self._skip(name, f"cannot be read: {link.problem}")
            return None
        if not stat.S_ISREG(item.mode):
            self._skip(name, "not a regular file")
            return None
        dot = item.name.rfind(".")
        suffix = item.name[dot:].lower() if dot > 0 else ""
        return _Entry(name, f"{folder.path}/{item.name}", suffix, item)

    def _image(self, entry: _Entry, captions: dict[str, _Entry] | None, used: set[str]) -> None:
        caption = None
        if captions is not None:
            caption = captions.get(entry.name[: -len(entry.suffix)] + ".txt")
            if caption:
                used.add(caption.name)
        width, height, problem = self._facts(entry)
        if problem:
            self._result.corrupt.append(entry.name)
            self._skip(entry.name, problem)
            return
        self._result.images.append(FoundImage(entry.name, width, height))
        self._add_file(entry)
        if captions is None:
            return
        if caption is None:
            self._result.missing_captions.append(entry.name)
            return
        state = self._caption_state(caption)
        if state == "text":
            self._result.captions += 1
            self._add_file(caption)
        elif state == "blank":
            self._result.empty_captions.append(caption.name)
            self._add_file(caption)
        else:
            self._result.missing_captions.append(entry.name)
            self._skip(caption.name, state)

    def _facts(self, entry: _Entry) -> tuple[int, int, str | None]:
        if entry.facts.size == 0:
            return 0, 0, "empty file (0 bytes)"
        if entry.suffix not in IMAGE_SUFFIXES:
            return 0, 0, None
        facts = self._remembered(entry)
        if len(facts) != 3:
            probed = probe_image(entry.path)
            facts = [probed.width, probed.height, probed.problem]
            if probed.problem and probed.problem.startswith(_UNREAD):
                self._result.passing = True
                return 0, 0, probed.problem  # not cached: the file may be readable next time
        self._remember(entry, facts)
        return facts[0], facts[1], facts[2]

    def _caption_state(self, entry: _Entry) -> str:
        if entry.facts.size == 0:
            return "blank"
        facts = self._remembered(entry)
        if len(facts) != 1:
            state = _read_caption(entry)
            if state.startswith(_UNREAD):
                self._result.passing = True
                return state
            facts = [state]
        self._remember(entry, facts)
        return str(facts[0])

    def _remembered(self, entry: _Entry) -> list[Any]:
        known = self._known.get(entry.name)
        if known and known[:3] == _fingerprint(entry.facts):
            return known[3:]
        return []

    def _remember(self, entry: _Entry, facts: list[Any]) -> None:
        if self._listing.is_settled(entry.facts.ctime_ns):
            self._fresh[entry.name] = [*_fingerprint(entry.facts), *facts]

    def _other(self, entry: _Entry) -> None:
        suffix = entry.suffix
        if suffix in FOREIGN_SUFFIXES:
            self._skip(entry.name, f"the trainer does not read {suffix} files; convert it")
        elif self._is_table(entry.name, suffix):
            self._add_file(entry)
        elif suffix == ".txt" and self._spec.dataset_type == "caption":
            self._result.captions += 1
            self._add_file(entry)
        elif suffix == ".txt":
            strategy = self._spec.caption_strategy
            self._skip(entry.name, f"not used by caption_strategy {strategy}")
        else:
            self._skip(entry.name, "not an image or a caption")

    def _is_table(self, name: str, suffix: str) -> bool:
        """Whether the dataset names this file as its table of captions."""
        if suffix not in _TABLE_SUFFIXES:
            return False
        return PurePosixPath(name).name == self._table

    def _add_file(self, entry: _Entry) -> None:
        self._result.files.append(_source_file(entry))

    def _skip(self, path: str, reason: str, *, secret: bool = False) -> None:
        self._result.skipped.append(Skipped(path, reason, secret))

    def _report(self, done: int, total: int) -> None:
        if self._cancel is not None and self._cancel.is_set():
            raise CancelledByUser("the scan was stopped")
        if self._progress is not None:
            self._progress(done, total)


def _source_file(entry: _Entry) -> SourceFile:
    facts = entry.facts
    return SourceFile(entry.name, entry.path, facts.size, facts.mtime_ns, facts.ctime_ns)


def _fingerprint(facts: Listed) -> list[int]:
    return [facts.size, facts.mtime_ns, facts.ctime_ns]


def _read_caption(entry: _Entry) -> str:
    if entry.facts.size > _CAPTION_LIMIT:
        return "longer than 1 MiB, not a caption"
    try:
        return "text" if Path(entry.path).read_bytes().decode("utf-8").strip() else "blank"
    except UnicodeDecodeError:
        return "not valid UTF-8 text"
    except OSError as error:
        return f"{_UNREAD}: {error.strerror}"


def _is_private(inside: Path) -> bool:
    return any(part.startswith(".") for part in inside.parts) or is_secret_name(inside.name)


def _printable(name: str) -> str:
    return name.encode("utf-8", "replace").decode("utf-8")
