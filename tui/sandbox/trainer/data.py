"""The data of a run: it fetches and unpacks the archive, and finds the samples of the datasets."""

from __future__ import annotations

import base64
import math
import shutil
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.parse import unquote_to_bytes

import httpx

from tui.base.hosts import is_loopback
from tui.sandbox.trainer.plan import Plan
from tui.sandbox.trust import trusted
from tui.sandbox.worker import ProgramError, RunContext
from tui.simpletuner.config.values import as_float, as_int, as_text

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".avif", ".jxl"})
VIDEO_SUFFIXES = frozenset({".mp4", ".mov", ".mkv", ".webm", ".avi", ".gif"})
REMOTE = frozenset({"huggingface", "aws", "csv", "webshart"})
UNPACK_ROOT = "datasets/cog/images"
_HOSTED_SAMPLES = 210
"""Simulated number of samples of a hosted dataset, which is not fetched."""
_NOT_DATA = frozenset({"text_embeds", "image_embeds", "conditioning_image_embeds"})
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM", b"II*\x00", b"MM\x00*")
MAX_UNPACKED_BYTES = 8 * 1024**3
MAX_MEMBERS = 200_000
_CHUNK = 1024 * 1024
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)


@dataclass(frozen=True, slots=True)
class Dataset:
    """One dataset of a run."""

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
        """Number of distinct samples."""
        return sum(item.samples for item in self.datasets)

    @property
    def seen_per_epoch(self) -> int:
        """Number of samples of one epoch, repeats included."""
        return sum(item.samples * (item.repeats + 1) for item in self.datasets)


def unpack_images(run: RunContext, plan: Plan) -> None:
    """Fetch and unpack the archive, unless this release ignores it beside a dataloader."""
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
    """Find the samples of every dataset.

    Raises:
        ProgramError: a folder does not exist, or a dataset has no samples.
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

    A relative path is resolved against the container's working folder. If that does not exist, the
    archive's folder named after the dataset's id or the path's last part is used, as archives of
    other tools have it.
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
    """Whether a file begins like an image or video; the trainer drops files that do not open."""
    with path.open("rb") as file:
        head = file.read(16)
    if path.suffix.lower() in VIDEO_SUFFIXES | {".avif", ".jxl"}:
        return len(head) == 16
    return head.startswith(_MAGIC) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def _has_caption(path: Path) -> bool:
    caption = path.with_suffix(".txt")
    return caption.is_file() and caption.stat().st_size > 0


def fetch(run: RunContext, url: str, target: Path) -> None:
    """Download an archive to `target`, or decode a data URL.

    Raises:
        ProgramError: the download failed.
    """
    if url.startswith("data:"):
        head, _, body = url.partition(",")
        plain = base64.b64decode(body) if head.endswith(";base64") else unquote_to_bytes(body)
        target.write_bytes(plain)
        return
    shown = url.partition("?")[0]
    try:
        with (
            httpx.Client(
                follow_redirects=True,
                timeout=_TIMEOUT,
                trust_env=not is_loopback(url),
                verify=trusted(run.config.ca_bundle),
            ) as client,
            client.stream("GET", url) as answer,
            target.open("wb") as file,
        ):
            if not answer.is_success:
                raise ProgramError(f"Could not download images: {shown}: HTTP {answer.status_code}")
            for chunk in answer.iter_bytes(_CHUNK):
                run.check()
                file.write(chunk)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        reason = str(error) or type(error).__name__
        raise ProgramError(f"Could not download images: {shown}: {reason}") from error


def unpack(run: RunContext, archive: Path, target: Path) -> int:
    """Unpack a zip or tar archive into `target` and return the number of files.

    Members with a path outside `target` are refused, links and devices skipped, sizes limited.

    Raises:
        ProgramError: the file is no archive or damaged, or a member's path is outside.
    """
    target.mkdir(parents=True, exist_ok=True)
    room = _UnpackFolder(run, target)
    try:
        if zipfile.is_zipfile(archive):
            return _unpack_zip(archive, room)
        if tarfile.is_tarfile(archive):
            return _unpack_tar(archive, room)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError, NotImplementedError) as error:
        raise ProgramError(f"Could not unpack the images archive: {error}") from error
    raise ProgramError("Unsupported archive format: images must be a zip or tar file")


class _UnpackFolder:
    """The target folder of an archive, with its limits."""

    def __init__(self, run: RunContext, target: Path) -> None:
        self._run = run
        self._root = target
        self._bytes = 0
        self.files = 0

    def place(self, kind: str, name: str) -> Path:
        """The path of a member.

        Raises:
            ProgramError: the path is outside the folder.
        """
        parts = PurePosixPath(name.replace("\\", "/")).parts
        unsafe = not parts or parts[0].startswith("/") or ".." in parts or ":" in parts[0]
        if unsafe or self._run.release.refuses_archive_members:
            raise ProgramError(f"Unsafe {kind} path detected: {name}")
        return self._root.joinpath(*parts)

    def write(self, path: Path, source: IO[bytes]) -> None:
        """Write one member, counting its real size: the one in the header may be false."""
        self.files += 1
        if self.files > MAX_MEMBERS:
            raise ProgramError("The images archive has too many members")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            while chunk := source.read(_CHUNK):
                self._run.check()
                self._bytes += len(chunk)
                if self._bytes > MAX_UNPACKED_BYTES:
                    raise ProgramError("The images archive is too large unpacked")
                file.write(chunk)


def _unpack_zip(archive: Path, room: _UnpackFolder) -> int:
    with zipfile.ZipFile(archive) as source:
        for member in source.infolist():
            path = room.place("zip", member.filename)
            is_link = (member.external_attr >> 16) & 0o170000 == 0o120000
            if member.is_dir() or is_link:
                continue
            with source.open(member) as stream:
                room.write(path, stream)
    return room.files


def _unpack_tar(archive: Path, room: _UnpackFolder) -> int:
    with tarfile.open(archive, "r:*") as source:
        for member in source:
            path = room.place("tar", member.name)
            stream = source.extractfile(member) if member.isreg() else None
            if stream is not None:
                with stream:
                    room.write(path, stream)
    return room.files


def free(folder: Path) -> None:
    """Delete the unpacked data."""
    shutil.rmtree(folder, ignore_errors=True)
