"""Scans the datasets of a config for images and captions.

Every file that is not sent is in `skipped` with the reason; what makes a dataset unusable is in
`problems`.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

from tui.base.collection import paused
from tui.base.real_paths import real_path
from tui.simpletuner.config.training_config import DatasetSpec, Kind, TrainingConfig
from tui.simpletuner.datasets.archive_size import stored_size
from tui.simpletuner.datasets.safety import folder_names, refused_folder
from tui.simpletuner.datasets.scan_folder import FolderScan, FoundImage, Skipped, SourceFile
from tui.simpletuner.datasets.scan_memory import FolderMemory
from tui.simpletuner.datasets.walk import Walk
from tui.simpletuner.errors import Note

Progress = Callable[[int, int], None]
"""Called with (files looked at, files known so far)."""

_MOST_REMEMBERED: Final = 8


@dataclass(frozen=True, slots=True)
class DatasetReport:
    """The result of scanning one dataset.

    Attributes:
        id: the dataset's id.
        kind: `local` data is packed, `remote` is fetched by the trainer, `cache` is neither.
        spec: the dataset as configured.
        path: the folder of a local dataset.
        archive_folder: its folder in the archive; two datasets over one folder share it.
        images: number of usable images (or videos, or audio files).
        captions: number of images with a caption that is not blank.
        missing_captions: images without the caption file that the strategy requires.
        empty_captions: caption files with only white space.
        small_images: images below the dataset's minimum size; without one, below its resolution.
        corrupt_images: images that cannot be read; they are not sent.
        sizes: widths and heights in pixels as the images are shown, each with the number of images.
        bytes: total size of the files to pack.
        skipped: files and folders that are not sent, with the reason.
        problems: what makes the dataset unusable.
        files: the files to pack.
        odd_files: pictures and captions that are skipped only since their names cannot stand in an
            archive; staging sends pictures under other names.
        measured: name and size of each usable image, of `files` and of `odd_files`.
    """

    id: str
    kind: Kind
    spec: DatasetSpec
    path: Path | None = None
    archive_folder: str | None = None
    images: int = 0
    captions: int = 0
    missing_captions: tuple[str, ...] = ()
    empty_captions: tuple[str, ...] = ()
    small_images: tuple[str, ...] = ()
    corrupt_images: tuple[str, ...] = ()
    sizes: tuple[tuple[int, int, int], ...] = ()
    bytes: int = 0
    skipped: tuple[Skipped, ...] = ()
    problems: tuple[Note, ...] = ()
    files: tuple[SourceFile, ...] = ()
    odd_files: tuple[SourceFile, ...] = ()
    measured: tuple[FoundImage, ...] = ()

    @property
    def secrets_skipped(self) -> int:
        """Number of files left out because they look like keys or passwords."""
        return sum(item.secret for item in self.skipped)


@dataclass(frozen=True)
class DataReport:
    """The result of scanning all datasets of a config.

    What is derived from all files is computed once: a check asks for it several times, and gets the
    same report again while nothing changed.
    """

    datasets: tuple[DatasetReport, ...]
    problems: tuple[Note, ...] = ()

    @property
    def local(self) -> tuple[DatasetReport, ...]:
        """Datasets on this machine that are not disabled."""
        return tuple(d for d in self.datasets if d.kind == "local" and not d.spec.disabled)

    @property
    def packed(self) -> tuple[DatasetReport, ...]:
        """The local datasets that go into the archive, each folder once."""
        first: dict[str, DatasetReport] = {}
        for dataset in self.local:
            if dataset.archive_folder and dataset.files:
                first.setdefault(dataset.archive_folder, dataset)
        return tuple(first.values())

    @cached_property
    def archive_files(self) -> dict[str, SourceFile]:
        """The files to pack by their names in the archive, sorted by name."""
        files = {
            f"{dataset.archive_folder}/{file.name}": file
            for dataset in self.local
            if dataset.archive_folder
            for file in dataset.files
        }
        return dict(sorted(files.items()))

    @cached_property
    def archive_size(self) -> int:
        """A lower bound of the archive's size in bytes."""
        return stored_size(self.archive_files)

    @cached_property
    def state(self) -> str:
        """SHA-256 over names, sizes and times of the files; another one once a file was written."""
        digest = hashlib.sha256()
        for dataset in self.local:
            digest.update(json.dumps(dataset.id).encode())
            for file in dataset.files:  # sorted by name, and no name is there twice
                row = [file.name, file.size, file.mtime_ns, file.ctime_ns]
                digest.update(json.dumps(row, ensure_ascii=False).encode())
        return digest.hexdigest()

    @property
    def images(self) -> int:
        """Number of images to send."""
        return sum(dataset.images for dataset in self.packed)

    @property
    def captions(self) -> int:
        """Number of captions to send."""
        return sum(dataset.captions for dataset in self.packed)

    @cached_property
    def bytes(self) -> int:
        """Total size of the files to send, before packing."""
        return sum(file.size for file in self.archive_files.values())

    @cached_property
    def skipped(self) -> tuple[Skipped, ...]:
        """Files and folders that are not sent."""
        return tuple(item for dataset in self.packed for item in dataset.skipped)


class ScanMemory:
    """The results of the newest scans. Threads may share it.

    The same report is returned while no file changed, so what is derived from it can be kept by its
    identity (`tui.base.newest`). Reports of folders that are forgotten are forgotten too.
    """

    def __init__(self, cache: Path | None = None) -> None:
        """Take a file with the results of earlier processes; see `ScanCache`."""
        self.folders = FolderMemory(cache)
        self._made: list[tuple[FolderScan, DatasetReport]] = []
        self._reports: list[DataReport] = []
        self._lock = threading.Lock()

    def of_dataset(self, bare: DatasetReport, found: FolderScan) -> DatasetReport:
        """The report of a dataset whose folder was scanned.

        Args:
            bare: the report without what was found.
            found: what was found.
        """
        with self._lock:
            for source, made in self._made:
                at = (made.spec, made.archive_folder)
                if source is found and at == (bare.spec, bare.archive_folder):
                    return made
        made = _summarise(bare, found)
        with self._lock:
            rows = [*self._made, (found, made)][-_MOST_REMEMBERED:]
            self._made = [row for row in rows if self.folders.holds(row[0])]
        return made

    def of_all(self, datasets: tuple[DatasetReport, ...]) -> DataReport:
        """The report of all datasets; the one of before for the very same ones."""
        with self._lock:
            for known in self._reports:
                if _are_the_same(known.datasets, datasets):
                    return known
            report = DataReport(datasets)
            made = {id(dataset) for _, dataset in self._made}
            if all(id(dataset) in made for dataset in datasets if dataset.files):
                self._reports = [*self._reports, report][-_MOST_REMEMBERED:]
            return report


def _are_the_same(one: tuple[DatasetReport, ...], other: tuple[DatasetReport, ...]) -> bool:
    """Whether the datasets with files are the same objects, and those without are equal."""
    return len(one) == len(other) and all(
        left is right or (not left.files and not right.files and left == right)
        for left, right in zip(one, other, strict=True)
    )


@paused()
def scan(
    config: TrainingConfig,
    *,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
    cache: Path | None = None,
    memory: ScanMemory | None = None,
) -> DataReport:
    """Scan all datasets of `config`. Blocking.

    Args:
        config: a loaded config.
        progress: called in the calling thread, about every 64 files.
        cancel: when set, the scan stops soon.
        cache: a file with the results of earlier scans (see `ScanCache`); it is created as needed
            and safe to delete.
        memory: the results of earlier scans of this process, instead of `cache`. While no file
            changed the same report is returned.

    Raises:
        CancelledByUser: `cancel` was set.
    """
    memory = memory or ScanMemory(cache)
    names = _archive_folders([spec for spec in config.datasets if spec.kind == "local"])
    walks: dict[str, Walk] = {}
    reports = []
    for spec in config.datasets:
        report = DatasetReport(spec.id, spec.kind, spec)
        if spec.kind == "local":
            folder = None if spec.path is None else names.get(_resolved(spec.path))
            report = replace(report, archive_folder=folder)
            report = _scan_local(report, memory, walks, progress, cancel)
        reports.append(report)
    memory.folders.cache.save()
    return memory.of_all(tuple(_flag_duplicate_ids(reports)))


def _scan_local(
    report: DatasetReport,
    memory: ScanMemory,
    walks: dict[str, Walk],
    progress: Progress | None,
    cancel: threading.Event | None,
) -> DatasetReport:
    spec = report.spec
    if spec.disabled:
        return replace(report, path=spec.path)
    if spec.path is None:
        advice = "Add instance_data_dir with the folder of images."
        return _with_problem(report, f"dataset {spec.id} names no folder", advice)
    report = replace(report, path=spec.path)
    if reason := refused_folder(spec.path):
        advice = "Copy the images into a folder of their own and name that one."
        return _with_problem(report, f"{spec.path} is refused: {reason}", advice)
    try:
        folder = memory.folders.scan(spec, walks, progress, cancel)
    except NotADirectoryError:
        return _with_problem(report, f"{spec.path} is not a folder", "Correct instance_data_dir.")
    except FileNotFoundError:
        return _with_problem(
            report, f"the folder {spec.path} does not exist", "Correct instance_data_dir."
        )
    except PermissionError:
        return _with_problem(report, f"{spec.path} may not be read", "Check the folder's rights.")
    except OSError as error:
        reason = error.strerror or "unknown reason"
        return _with_problem(report, f"{spec.path} cannot be read: {reason}", "Check the disk.")
    return memory.of_dataset(report, folder)


def _summarise(report: DatasetReport, folder: FolderScan) -> DatasetReport:
    spec = report.spec
    sizes = Counter((image.width, image.height) for image in folder.images)
    too_small = {size for size in sizes if spec.is_too_small(*size)}
    small = tuple(
        image.name
        for image in (folder.images if too_small else ())
        if (image.width, image.height) in too_small
    )
    report = replace(
        report,
        images=len(folder.images),
        captions=folder.captions,
        missing_captions=tuple(folder.missing_captions),
        empty_captions=tuple(folder.empty_captions),
        small_images=small,
        corrupt_images=tuple(folder.corrupt),
        sizes=tuple((width, height, count) for (width, height), count in sizes.items()),
        bytes=sum(file.size for file in folder.files),
        skipped=tuple(folder.skipped),
        files=tuple(folder.files),
        odd_files=tuple(folder.odd_files),
        measured=(*folder.images, *folder.odd_images),
    )
    if not folder.images and spec.dataset_type != "caption":
        problem = "holds no image that can be read" if folder.corrupt else "holds no images"
        advice = "The trainer stops at a dataset without images; correct instance_data_dir."
        report = _with_problem(report, f"{report.path} {problem}", advice)
    return report


def _archive_folders(specs: Sequence[DatasetSpec]) -> dict[Path, str]:
    """The archive folder of each real folder, named after the first dataset that uses it."""
    first: dict[Path, str] = {}
    for spec in specs:
        if spec.path is not None and not spec.disabled:
            first.setdefault(_resolved(spec.path), spec.id)
    return dict(zip(first, folder_names(first.values()), strict=True))


def _flag_duplicate_ids(reports: list[DatasetReport]) -> list[DatasetReport]:
    counts = Counter(report.id for report in reports)
    advice = "Give every entry of the dataloader file an id of its own."
    return [
        _with_problem(report, f"{counts[report.id]} datasets are called {report.id}", advice)
        if counts[report.id] > 1
        else report
        for report in reports
    ]


def _with_problem(report: DatasetReport, message: str, advice: str) -> DatasetReport:
    return replace(report, problems=(*report.problems, Note("error", message, advice)))


def _resolved(path: Path) -> Path:
    try:
        return real_path(path)
    except OSError:
        return path
