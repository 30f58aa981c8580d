"""The checks of datasets: their images and captions, and whether the trainer can reach them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tui.simpletuner.config.training_config import TrainingConfig
from tui.simpletuner.datasets import advice as data_advice
from tui.simpletuner.datasets.pack import UPLOAD_LIMIT
from tui.simpletuner.datasets.scan import DataReport, DatasetReport
from tui.simpletuner.release.profile import UNKNOWN, ReleaseProfile
from tui.simpletuner.request.modes import DatasetMode, archive_is_lost, mode_support

CheckRow = tuple[Any, ...]
"""The arguments of a `Check`: id, level, message, and optionally advice, changes and release."""

_EXPECTED = frozenset(
    {"hidden file", "not an image or a caption", "hidden folder", "folder of a tool, not data",
     "private folder, never sent", "not used by caption_strategy instanceprompt",
     "not used by caption_strategy parquet"}
)  # fmt: skip
"""Reasons for leaving a file out that need no warning."""
_LEVELS = {"works": "ok", "doubtful": "warn", "fails": "error"}


def data_checks(
    config: TrainingConfig,
    report: DataReport | None,
    mode: DatasetMode,
    schema: Mapping[str, Any] | None,
    release: ReleaseProfile | None,
) -> Iterator[CheckRow]:
    """All checks of datasets."""
    if not config.training_datasets:
        if config.dataloader_path is not None:
            message = "the dataloader file has no dataset to train on"
            advice = "Add one with type local, huggingface, aws or csv."
            yield "datasets", "error", message, advice
        return
    yield from resting_on(release, _check_mode(config, mode, schema, release))
    for dataset in report.datasets if report else ():
        if dataset.kind == "local" and not dataset.spec.disabled:
            yield from _check_dataset(dataset, mode)
    hosted = [spec for spec in config.training_datasets if spec.kind == "remote"]
    if hosted and mode != "images":
        listed = ", ".join(f"{spec.id} ({spec.type})" for spec in hosted)
        yield "datasets", "ok", f"hosted data, fetched by the trainer: {listed}"
    if report is not None and mode in ("images", "both") and report.archive_files:
        yield from _check_archive(report)


def resting_on(release: ReleaseProfile | None, rows: Iterable[CheckRow]) -> Iterator[CheckRow]:
    """The findings with the release profile that they rest on.

    Args:
        release: the profile; None stands for what all known releases have in common.
        rows: the findings.
    """
    title = (release or UNKNOWN).title
    for identity, level, message, *more in rows:
        advice = more[0] if more else ""
        changes = more[1] if len(more) > 1 else {}
        yield identity, level, message, advice, changes, title


def _check_mode(
    config: TrainingConfig,
    mode: DatasetMode,
    schema: Mapping[str, Any] | None,
    release: ReleaseProfile | None,
) -> Iterator[CheckRow]:
    support = mode_support(schema, release)[mode]
    advice = data_advice.STAGE
    if mode == "remote":  # what is staged is read through the dataloader, too
        advice = "Choose a version of the trainer that takes a dataloader."
    if support.verdict == "fails" and archive_is_lost(schema, mode, release):
        yield "data-archive", "error", support.explanation, advice
    elif support.verdict != "works":
        yield "data-mode", _LEVELS[support.verdict], support.explanation, advice
    if mode == "images" and any(s.caption_strategy == "textfile" for s in config.local_datasets):
        message = "caption files are not read when only an archive is sent: file names are captions"
        yield "captions-by-name", "warn", message, "Name the images by their captions."
    if mode == "remote" and config.local_datasets:
        listed = ", ".join(spec.id for spec in config.local_datasets)
        only = len(config.local_datasets) == len(config.training_datasets)
        message = f"on this machine, not reachable for the trainer: {listed}"
        yield "data-mode", "error" if only else "warn", message, data_advice.STAGE


def _check_dataset(dataset: DatasetReport, mode: DatasetMode) -> Iterator[CheckRow]:
    identity = f"dataset {dataset.id}"
    for note in dataset.problems:
        yield "datasets", note.level, note.message, note.advice
    if dataset.images:
        captions = ""
        if dataset.spec.caption_strategy == "textfile":
            captions = f" · {_count(dataset.captions, 'caption')}"
        yield "datasets", "ok", f"{identity}: {_count(dataset.images, 'image')}{captions}"
    if dataset.corrupt_images:
        message = f"{identity}: {_count(len(dataset.corrupt_images), 'image')} cannot be read"
        yield (
            "images",
            "warn",
            f"{message}: {_first_names(dataset.corrupt_images)}",
            "Not sent; repair.",
        )
    if dataset.missing_captions:
        message = f"{identity}: no caption for {_count(len(dataset.missing_captions), 'image')}"
        message += f": {_first_names(dataset.missing_captions)}"
        if mode == "both":  # as files, the trainer reads each caption or stops
            advice = "Write a .txt file of the same name beside each, or remove the images."
            yield "captions", "error", f"{message}; the trainer stops at the first", advice
        else:
            advice = "Write a .txt file of the same name beside each."
            yield "captions", "warn", message, advice
    if dataset.empty_captions:
        message = f"{identity}: {_count(len(dataset.empty_captions), 'caption')} without text"
        advice = "Write a caption into each, or delete the file."
        yield "captions", "warn", f"{message}: {_first_names(dataset.empty_captions)}", advice
    if dataset.small_images:
        yield _check_small_images(dataset)
    yield from _check_skipped(dataset)
    if secrets := dataset.secrets_skipped:
        message = f"{identity}: {_count(secrets, 'file')} not sent, named like a key or a password"
        advice = "They are never sent; move them out of the folder."
        yield "secrets", "warn", message, advice


def _check_skipped(dataset: DatasetReport) -> Iterator[CheckRow]:
    """Say in words what stays here; damaged images and secrets have checks of their own."""
    corrupt = set(dataset.corrupt_images)
    others = [item for item in dataset.skipped if not item.secret and item.path not in corrupt]
    if dataset.spec.dataset_type == "conditioning":  # it has no captions of its own
        others = [item for item in others if not item.reason.startswith("not used by caption_")]
    if not others:
        return
    by_reason: dict[str, list[str]] = {}
    for item in others:
        by_reason.setdefault(item.reason, []).append(item.path)
    parts = [f"{_first_names(names)} ({reason})" for reason, names in by_reason.items()]
    more = f"; and {len(parts) - 4} other reasons" if len(parts) > 4 else ""
    message = f"dataset {dataset.id}: {_count(len(others), 'file')} not sent: "
    message += "; ".join(parts[:4]) + more
    if all(reason in _EXPECTED for reason in by_reason):
        yield "skipped", "ok", message
    else:
        yield "skipped", "warn", message, "Convert, rename or move what should be trained on."


def _check_small_images(dataset: DatasetReport) -> CheckRow:
    spec = dataset.spec
    least = spec.minimum_pixels
    count = _count(len(dataset.small_images), "image")
    if least:
        message = f"dataset {dataset.id}: {count} under {least} px will be left out by the trainer"
        advice = "Use larger images, or lower minimum_image_size."
        level = "error" if len(dataset.small_images) == dataset.images else "warn"
    else:
        message = f"dataset {dataset.id}: {count} under {spec.resolution_pixels} px"
        message += " will be enlarged"
        advice = "Use larger images, a lower resolution, or set minimum_image_size."
        level = "warn"
    return "image-size", level, message, advice


def _check_archive(report: DataReport) -> Iterator[CheckRow]:
    least = report.archive_size
    mib = least / 2**20
    if least > UPLOAD_LIMIT:
        message = f"the archive needs {mib:.1f} MiB, Replicate takes 100 MiB at most"
        advice = (
            f"{data_advice.STAGE} That has no such limit. Or host the archive at an https address."
        )
        yield "archive", "error", message, advice
    else:
        yield "archive", "ok", f"archive of about {mib:.1f} MiB, limit 100 MiB"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _first_names(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown
