"""Scans the folder of one dataset, with a cache of what earlier scans read.

A scan lists all files first and then reads the headers of images and the captions. Only new or
changed files are read: `ScanCache` keeps the results by size and times.
"""

from __future__ import annotations

import contextlib
import json
import os
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
from tui.simpletuner.errors import CancelledByUser

_CAPTION_LIMIT = 1024 * 1024
_REPORT_EVERY = 64
_TABLE_SUFFIXES = (".parquet", ".csv", ".json", ".jsonl")
_CACHE_VERSION = 3
_CACHE_MAX_FOLDERS = 64


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
    """The result of scanning one folder, sorted by name."""

    images: list[FoundImage] = field(default_factory=list)
    files: list[SourceFile] = field(default_factory=list)
    odd_files: list[SourceFile] = field(default_factory=list)
    odd_images: list[FoundImage] = field(default_factory=list)
    captions: int = 0
    missing_captions: list[str] = field(default_factory=list)
    empty_captions: list[str] = field(default_factory=list)
    corrupt: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


class _Entry(NamedTuple):
    name: str
    path: str
    suffix: str
    stat: os.stat_result


def scan_folder(
    spec: DatasetSpec,
    memory: ScanCache,
    progress: Callable[[int, int], None] | None,
    cancel: threading.Event | None,
) -> FolderScan:
    """Scan the dataset's folder and all folders below it.

    Args:
        spec: the dataset.
        memory: results of earlier scans; it is updated.
        progress: called with (files read, files in all).
        cancel: when set, the scan stops soon.

    Raises:
        OSError: the folder itself cannot be listed.
        CancelledByUser: `cancel` was set.
    """
    if spec.path is None:
        raise FileNotFoundError(spec.id)
    base = Path(os.path.realpath(spec.path))
    return _FolderScanner(base, spec, memory, progress, cancel).run()


class _FolderScanner:
    """One pass over one folder."""

    def __init__(
        self,
        base: Path,
        spec: DatasetSpec,
        memory: ScanCache,
        progress: Callable[[int, int], None] | None,
        cancel: threading.Event | None,
    ) -> None:
        self._base = base
        self._spec = spec
        self._memory = memory
        self._progress = progress
        self._cancel = cancel
        self._known = memory.folder(base)
        self._fresh: dict[str, list[Any]] = {}
        self._result = FolderScan()
        self._odd: list[_Entry] = []
        self._suffixes = {
            "video": VIDEO_SUFFIXES | IMAGE_SUFFIXES,
            "audio": AUDIO_SUFFIXES,
            "caption": frozenset[str](),
        }.get(spec.dataset_type, IMAGE_SUFFIXES)

    def run(self) -> FolderScan:
        """List the files, which is fast, then read images and captions, slow when they are new."""
        entries = self._list()
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
        self._memory.replace_folder(self._base, self._fresh)
        self._result.files.sort(key=lambda file: file.name)
        self._result.skipped.sort(key=lambda item: item.path)
        return self._result

    def _list(self) -> list[_Entry]:
        entries: list[_Entry] = []
        folders = [(str(self._base), "")]
        while folders:
            folder, prefix = folders.pop()
            try:
                listing = list(os.scandir(folder))
            except OSError as error:
                if not prefix:
                    raise
                self._skip(prefix.rstrip("/"), f"cannot be listed: {error.strerror}")
                continue
            if self._cancel is not None and self._cancel.is_set():
                raise CancelledByUser("the scan was stopped")
            for item in listing:
                name = prefix + item.name
                if item.is_dir(follow_symlinks=False):
                    if reason := skipped_folder(item.name) or unsafe_name(item.name):
                        self._skip(_printable(name) + "/", reason)
                    else:
                        folders.append((item.path, f"{name}/"))
                elif entry := self._file(item, name):
                    entries.append(entry)
        entries.sort(key=lambda entry: entry.name)
        return entries

    def _file(self, item: os.DirEntry[str], name: str) -> _Entry | None:
        if is_secret_name(item.name):
            self._skip(_printable(name), "looks like a key or password, never sent", secret=True)
        elif item.name.startswith("."):
            self._skip(_printable(name), "hidden file")
        elif reason := unsafe_name(item.name):
            self._skip(_printable(name), reason)
            if _printable(name) == name and (odd := self._checked(item, name)):
                self._odd.append(odd)
        else:
            return self._checked(item, name)
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

    def _checked(self, item: os.DirEntry[str], name: str) -> _Entry | None:
        try:
            if item.is_symlink():
                target = Path(os.path.realpath(item.path))
                if not target.is_relative_to(self._base):
                    self._skip(name, "link to a place outside the dataset folder")
                    return None
                inside = target.relative_to(self._base)
                if target.is_dir():
                    self._skip(name, "link to a folder")
                    return None
                if _is_private(inside):
                    self._skip(name, "link to a hidden or private file", secret=True)
                    return None
            facts = item.stat()
        except OSError as error:
            self._skip(name, f"cannot be read: {error.strerror}")
            return None
        if not stat.S_ISREG(facts.st_mode):
            self._skip(name, "not a regular file")
            return None
        dot = item.name.rfind(".")
        return _Entry(name, item.path, item.name[dot:].lower() if dot > 0 else "", facts)

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
        if entry.stat.st_size == 0:
            return 0, 0, "empty file (0 bytes)"
        if entry.suffix not in IMAGE_SUFFIXES:
            return 0, 0, None
        facts = self._remembered(entry)
        if len(facts) != 3:
            probed = probe_image(entry.path)
            facts = [probed.width, probed.height, probed.problem]
            if probed.problem and probed.problem.startswith("cannot be read"):
                return 0, 0, probed.problem  # not cached: the file may be readable next time
        self._remember(entry, facts)
        return facts[0], facts[1], facts[2]

    def _caption_state(self, entry: _Entry) -> str:
        if entry.stat.st_size == 0:
            return "blank"
        facts = self._remembered(entry)
        if len(facts) != 1:
            facts = [_read_caption(entry)]
        self._remember(entry, facts)
        return str(facts[0])

    def _remembered(self, entry: _Entry) -> list[Any]:
        known = self._known.get(entry.name)
        if known and known[:3] == _fingerprint(entry.stat):
            return known[3:]
        return []

    def _remember(self, entry: _Entry, facts: list[Any]) -> None:
        self._fresh[entry.name] = [*_fingerprint(entry.stat), *facts]

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
        parquet = self._spec.raw.get("parquet")
        named = parquet.get("path") if isinstance(parquet, dict) else None
        return isinstance(named, str) and PurePosixPath(named).name == PurePosixPath(name).name

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
    state = entry.stat
    return SourceFile(entry.name, entry.path, state.st_size, state.st_mtime_ns, state.st_ctime_ns)


def _fingerprint(facts: os.stat_result) -> list[int]:
    return [facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns]


def _read_caption(entry: _Entry) -> str:
    if entry.stat.st_size > _CAPTION_LIMIT:
        return "longer than 1 MiB, not a caption"
    try:
        return "text" if Path(entry.path).read_bytes().decode("utf-8").strip() else "blank"
    except UnicodeDecodeError:
        return "not valid UTF-8 text"
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _is_private(inside: Path) -> bool:
    return any(part.startswith(".") for part in inside.parts) or is_secret_name(inside.name)


def _printable(name: str) -> str:
    return name.encode("utf-8", "replace").decode("utf-8")


class ScanCache:
    """Results of earlier scans by folder and file, in a JSON file.

    An entry is valid while the file has the same size, modification time and change time.
    """

    def __init__(self) -> None:
        self._folders: dict[str, dict[str, list[Any]]] = {}
        self._seen: set[str] = set()
        self._changed = False

    @classmethod
    def load(cls, path: Path | None) -> ScanCache:
        """Read the cache; a missing or damaged file, or another version, gives an empty cache."""
        cache = cls()
        if path is None:
            return cache
        try:
            raw = json.loads(path.read_bytes())
            if raw["version"] == _CACHE_VERSION and isinstance(raw["folders"], dict):
                cache._folders = raw["folders"]
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return cache

    def folder(self, folder: Path) -> dict[str, list[Any]]:
        """The entries of one folder by file name.

        Each is `[size, mtime_ns, ctime_ns, *facts]`: the facts are `width, height, problem` of an
        image, or the state of a caption.
        """
        known = self._folders.get(str(folder))
        return known if isinstance(known, dict) else {}

    def replace_folder(self, folder: Path, entries: dict[str, list[Any]]) -> None:
        """Replace the entries of a folder; entries of files that are gone are dropped."""
        key = str(folder)
        if key in self._seen:  # a second dataset over the same folder reads other files
            entries = {**self._folders[key], **entries}
        if self._folders.get(key) != entries:
            self._changed = True
        self._seen.add(key)
        self._folders.pop(key, None)  # re-inserted below, so the most recently used is last
        self._folders[key] = entries

    def save(self, path: Path | None) -> None:
        """Write the cache if it changed. An OSError is ignored: the next scan is only slower."""
        if path is None or not self._changed:
            return
        for key in list(self._folders)[:-_CACHE_MAX_FOLDERS]:
            del self._folders[key]
        part = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(
                json.dumps(
                    {"version": _CACHE_VERSION, "folders": self._folders}, separators=(",", ":")
                )
            )
            part.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
