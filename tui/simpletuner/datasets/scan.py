"""Scans the datasets of a config for images and captions.

Every file that is not sent is in `skipped` with the reason; what makes a dataset unusable is in
`problems`.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tui.simpletuner.config.training_config import DatasetSpec, Kind, TrainingConfig
from tui.simpletuner.datasets.safety import folder_names, refused_folder
from tui.simpletuner.datasets.scan_folder import (
    FolderScan,
    FoundImage,
    ScanCache,
    Skipped,
    SourceFile,
    scan_folder,
)
from tui.simpletuner.errors import Note

Progress = Callable[[int, int], None]
"""Called with (files looked at, files known so far)."""


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


@dataclass(frozen=True, slots=True)
class DataReport:
    """The result of scanning all datasets of a config."""

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

    @property
    def archive_files(self) -> dict[str, SourceFile]:
        """The files to pack by their names in the archive, sorted by name."""
        files = {
            f"{dataset.archive_folder}/{file.name}": file
            for dataset in self.local
            if dataset.archive_folder
            for file in dataset.files
        }
        return dict(sorted(files.items()))

    @property
    def images(self) -> int:
        """Number of images to send."""
        return sum(dataset.images for dataset in self.packed)

    @property
    def captions(self) -> int:
        """Number of captions to send."""
        return sum(dataset.captions for dataset in self.packed)

    @property
    def bytes(self) -> int:
        """Total size of the files to send, before packing."""
        return sum(file.size for file in self.archive_files.values())

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """Files and folders that are not sent."""
        return tuple(item for dataset in self.packed for item in dataset.skipped)


def scan(
    config: TrainingConfig,
    *,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
    cache: Path | None = None,
) -> DataReport:
    """Scan all datasets of `config`. Blocking.

    Args:
        config: a loaded config.
        progress: called in the calling thread, about every 64 files.
        cancel: when set, the scan stops soon.
        cache: a file with the results of earlier scans (see `ScanCache`); it is created as needed
            and safe to delete.

    Raises:
        CancelledByUser: `cancel` was set.
    """
    memory = ScanCache.load(cache)
    names = _archive_folders([spec for spec in config.datasets if spec.kind == "local"])
    reports = []
    for spec in config.datasets:
        report = DatasetReport(spec.id, spec.kind, spec)
        if spec.kind == "local":
            report = _scan_local(report, memory, progress, cancel)
            if spec.path is not None:
                report = replace(report, archive_folder=names.get(_resolved(spec.path)))
        reports.append(report)
    memory.save(cache)
    return DataReport(tuple(_flag_duplicate_ids(reports)))


def _scan_local(
    report: DatasetReport,
    memory: ScanCache,
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
        folder = scan_folder(spec, memory, progress, cancel)
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
    return _summarise(report, folder)


def _summarise(report: DatasetReport, folder: FolderScan) -> DatasetReport:
    spec = report.spec
    small = tuple(
        image.name for image in folder.images if spec.is_too_small(image.width, image.height)
    )
    sizes = Counter((image.width, image.height) for image in folder.images)
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
        return path.resolve()
    except (OSError, RuntimeError):
        return path
