"""Finding the samples of a run's datasets."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tui.sandbox.trainer.archive import fetch, unpack
from tui.sandbox.trainer.plan import Plan
from tui.sandbox.worker import ProgramError, RunContext
from tui.simpletuner.config.values import as_float, as_int, as_text

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".avif", ".jxl"})
VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".mkv", ".webm", ".avi", ".gif"})
REMOTE = frozenset({"huggingface", "aws", "csv", "webshart"})
UNPACK_ROOT = "datasets/cog/images"
_HOSTED_SAMPLES = 210
"""How many samples a hosted dataset is pretended to have; it is not fetched."""
_NOT_DATA = frozenset({"text_embeds", "image_embeds", "conditioning_image_embeds"})
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM", b"II*\x00", b"MM\x00*")


@dataclass(frozen=True, slots=True)
class Dataset:
    """One dataset that is ready to train on."""

    id: str
    samples: int
    repeats: int = 0
    files: tuple[Path, ...] = ()
    broken: tuple[str, ...] = ()
    missing_captions: int = 0


@dataclass(frozen=True, slots=True)
class Data:
    """All datasets of a run."""

    datasets: tuple[Dataset, ...]
    text_embeds: str
    images: tuple[Path, ...] = field(default=())

    @property
    def samples(self) -> int:
        """Distinct samples."""
        return sum(item.samples for item in self.datasets)

    @property
    def seen_per_epoch(self) -> int:
        """Samples of one epoch, repeats included."""
        return sum(item.samples * (item.repeats + 1) for item in self.datasets)


def unpack_images(run: RunContext, plan: Plan) -> None:
    """Fetch and unpack the archive, unless this release forgets it beside a dataloader."""
    url = run.inputs.get("images")
    if not url or (plan.dataloader is not None and run.release.ignores_archive_with_dataloader):
        return
    archive = run.folder / "images.bin"
    try:
        fetch(run, str(url), archive)
        unpack(run, archive, run.folder / UNPACK_ROOT)
    finally:
        archive.unlink(missing_ok=True)


def find_data(run: RunContext, plan: Plan) -> Data:
    """Look for the samples of every dataset.

    Raises:
        ProgramError: a folder that is not there, or a dataset without samples.
    """
    entries = plan.dataloader
    if entries is None:
        entries = ({"id": f"{plan.job}-images", "type": "local", "instance_data_dir": UNPACK_ROOT},)
    embeds = "text-embeds"
    datasets = []
    for entry in entries:
        kind = as_text(entry.get("dataset_type")) or "image"
        if kind == "text_embeds":
            embeds = as_text(entry.get("id")) or embeds
        elif kind not in _NOT_DATA:
            datasets.append(_dataset(run, entry, from_files=plan.dataloader is None))
    if not datasets:
        raise ProgramError("Must provide at least one dataset that is not an embed cache")
    images = tuple(path for item in datasets for path in item.files)
    return Data(tuple(datasets), embeds, images)


def _dataset(run: RunContext, entry: Mapping[str, Any], *, from_files: bool) -> Dataset:
    name = as_text(entry.get("id")) or "dataset"
    repeats = max(0, as_int(entry.get("repeats")) or 0)
    kind = as_text(entry.get("type")) or "local"
    if kind in REMOTE:
        return Dataset(name, _HOSTED_SAMPLES, repeats)
    if kind != "local":
        raise ProgramError(f"Unknown dataset type for {name}: {kind}")
    folder = _folder(run, name, as_text(entry.get("instance_data_dir")) or "")
    files, broken = [], []
    for path in _candidates(folder):
        if _looks_whole(path):
            files.append(path)
        else:
            broken.append(str(path.relative_to(folder)))
    if not files:
        raise ProgramError(
            "Failed to load data backends: No images were discovered by the bucket manager in "
            f"the dataset: {name}"
        )
    strategy = as_text(entry.get("caption_strategy")) or "filename"
    missing = 0
    if strategy == "textfile" and not from_files:
        missing = sum(not _has_caption(path) for path in files)
    probability = as_float(entry.get("probability"))
    share = 1.0 if probability is None else min(1.0, max(0.0, probability))
    samples = max(1, math.ceil(len(files) * share))
    return Dataset(name, samples, repeats, tuple(files), tuple(broken), missing)


def _folder(run: RunContext, name: str, given: str) -> Path:
    """The dataset's folder in the run's container.

    A path means what it says, below the container's working folder; beside that, the archive's
    folder of the dataset's id or of the path's last part is taken, since packers name them so.
    """
    if not given:
        raise ProgramError(f"Dataset {name} has no instance_data_dir")
    root = run.folder / UNPACK_ROOT
    last = Path(given).name
    choices = [root / name, root / last] if root.is_dir() else []
    if not Path(given).is_absolute() and ".." not in Path(given).parts:
        choices.insert(0, run.folder / given)
    for choice in choices:
        if choice.is_dir():
            return choice
    raise ProgramError(
        f"Failed to load data backends: instance_data_dir of dataset {name} does not exist: {given}"
    )


def _candidates(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES | VIDEO_SUFFIXES and path.is_file():
            yield path


def _looks_whole(path: Path) -> bool:
    """Whether a file begins like an image; the trainer drops those that do not open."""
    with path.open("rb") as file:
        head = file.read(16)
    if path.suffix.lower() in VIDEO_SUFFIXES | {".avif", ".jxl"}:
        return len(head) == 16
    return head.startswith(_MAGIC) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def _has_caption(path: Path) -> bool:
    caption = path.with_suffix(".txt")
    return caption.is_file() and caption.stat().st_size > 0
