"""The ways to give the trainer its data, and whether a version supports them.

SimpleTuner 4.8.0 and 4.10.1 (`simpletuner/cog.py`, August and October 2026) have two defects: with
a dataloader they never unpack the archive, and with only an archive their path check refuses every
file. A schema does not show that, so the release profile decides; without one a verdict is
`doubtful`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from tui.simpletuner.config.training_config import TrainingConfig
from tui.simpletuner.release.profile import ReleaseProfile
from tui.simpletuner.request.schema import input_fields

DatasetMode = Literal["remote", "images", "both", "staged"]
"""`remote`: only the dataloader, all data hosted. `images`: only the archive. `both`: both.
`staged`: only the dataloader; local data were sent to a place that the trainer reads from."""

Verdict = Literal["works", "doubtful", "fails"]


@dataclass(frozen=True, slots=True)
class ModeSupport:
    """Whether a version of the trainer supports a dataset mode; `explanation` is for the screen."""

    mode: DatasetMode
    verdict: Verdict
    explanation: str


def default_mode(config: TrainingConfig) -> DatasetMode:
    """The mode that fits the config's datasets.

    Local data is sent as an archive beside the dataloader, which holds captions, crops and repeats.
    With the archive alone the trainer makes a single dataset with defaults.
    """
    return "both" if config.local_datasets else "remote"


def mode_support(
    schema: Mapping[str, Any] | None, release: ReleaseProfile | None = None
) -> dict[DatasetMode, ModeSupport]:
    """Whether a version of the trainer supports each mode.

    Args:
        schema: the version's `openapi_schema`.
        release: the version's release profile; None when nothing is known.
    """
    fields = input_fields(schema)
    return {
        "remote": _remote("dataloader_json" in fields),
        "images": _images("images" in fields, release),
        "both": _both({"images", "dataloader_json"} <= fields.keys(), release),
        "staged": replace(_remote("dataloader_json" in fields), mode="staged"),
    }


def archive_is_lost(
    schema: Mapping[str, Any] | None, mode: DatasetMode, release: ReleaseProfile | None
) -> bool:
    """Whether the version takes an archive and is known to ignore or refuse it.

    A user may send it all the same, since a release can be known wrongly.
    """
    has_input = "images" in input_fields(schema)
    sent = mode in ("images", "both") and has_input
    return sent and release is not None and release.archive == "ignored"


def _remote(possible: bool) -> ModeSupport:
    if possible:
        return ModeSupport(
            "remote", "works", "The trainer fetches the data itself from the Hub, S3 or web links."
        )
    return ModeSupport("remote", "fails", "This version takes no dataloader.")


def _images(possible: bool, release: ReleaseProfile | None) -> ModeSupport:
    if not possible:
        return ModeSupport("images", "fails", "This version takes no archive of images.")
    archive = release.archive if release else None
    if archive == "unpacks":
        message = "The archive is unpacked into one dataset; captions are the file names."
        return ModeSupport("images", "works", message)
    if release and archive == "ignored":
        message = "the trainer refuses every file of an archive"
        return ModeSupport("images", "fails", message)
    return ModeSupport(
        "images",
        "doubtful",
        "The public trainer of August 2026 refuses every archive by a fault of its path check; a "
        "newer one may not. Captions are the file names, caption files are not read.",
    )


def _both(possible: bool, release: ReleaseProfile | None) -> ModeSupport:
    if not possible:
        return ModeSupport("both", "fails", "This version takes no archive beside a dataloader.")
    archive = release.archive if release else None
    if archive == "unpacks":
        message = "The archive is unpacked, and the dataloader's local datasets point into it."
        return ModeSupport("both", "works", message)
    if release and archive == "ignored":
        message = (
            "the trainer ignores an archive beside a dataloader, and local datasets are not found "
            "there"
        )
        return ModeSupport("both", "fails", message)
    return ModeSupport(
        "both",
        "doubtful",
        "The public trainer of August 2026 ignores the archive when a dataloader is given, so "
        "local datasets are not found there; hosted ones work.",
    )
