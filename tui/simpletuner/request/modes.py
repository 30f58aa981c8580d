"""The three ways to give the trainer its data, and whether a version supports them.

The trainer's public source of August 2026 (`simpletuner/cog.py`) has two defects: with a dataloader
it never unpacks the archive, and with only an archive its path check refuses every file. A newer
version may have them fixed, and its schema does not show that, so a verdict can be `doubtful`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tui.simpletuner.config.training_config import TrainingConfig
from tui.simpletuner.request.schema import input_fields

DatasetMode = Literal["remote", "images", "both"]
"""`remote`: only the dataloader, all data hosted. `images`: only the archive. `both`: both."""

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
    schema: Mapping[str, Any] | None, *, unpacks_archives: bool | None = None
) -> dict[DatasetMode, ModeSupport]:
    """Whether a version of the trainer supports each mode.

    Args:
        schema: the version's `openapi_schema`.
        unpacks_archives: True when this trainer is known to unpack archives (the sandbox's does);
            None when unknown.
    """
    fields = input_fields(schema)
    return {
        "remote": _remote("dataloader_json" in fields),
        "images": _images("images" in fields, unpacks_archives),
        "both": _both({"images", "dataloader_json"} <= fields.keys(), unpacks_archives),
    }


def _remote(possible: bool) -> ModeSupport:
    if possible:
        return ModeSupport(
            "remote", "works", "The trainer fetches the data itself from the Hub, S3 or web links."
        )
    return ModeSupport("remote", "fails", "This version takes no dataloader.")


def _images(possible: bool, unpacks: bool | None) -> ModeSupport:
    if not possible:
        return ModeSupport("images", "fails", "This version takes no archive of images.")
    if unpacks:
        message = "The archive is unpacked into one dataset; captions are the file names."
        return ModeSupport("images", "works", message)
    return ModeSupport(
        "images",
        "doubtful",
        "The public trainer of August 2026 refuses every archive by a fault of its path check; a "
        "newer one may not. Captions are the file names, caption files are not read.",
    )


def _both(possible: bool, unpacks: bool | None) -> ModeSupport:
    if not possible:
        return ModeSupport("both", "fails", "This version takes no archive beside a dataloader.")
    if unpacks:
        message = "The archive is unpacked, and the dataloader's local datasets point into it."
        return ModeSupport("both", "works", message)
    return ModeSupport(
        "both",
        "doubtful",
        "The public trainer of August 2026 ignores the archive when a dataloader is given, so "
        "local datasets are not found there; hosted ones work.",
    )
