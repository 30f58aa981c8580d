"""Image-to-video datasets whose conditioning the trainer makes of their first frames."""

from __future__ import annotations

from collections.abc import Mapping

from tui.simpletuner.config.training_config import DatasetSpec, TrainingConfig
from tui.simpletuner.config.values import as_bool
from tui.simpletuner.errors import Note
from tui.simpletuner.facts.models import model


def takes_first_frames(spec: DatasetSpec, config: TrainingConfig) -> bool:
    """Whether the trainer would make a video dataset's conditioning of its first frames.

    It does so from a disk only; first frames that are a dataset of their own can be staged.
    """
    if spec.dataset_type != "video" or spec.raw.get("conditioning_data"):
        return False
    block = spec.raw.get("video")
    known = model(config.family)
    flavour = config.flavour or (known.default_flavour if known else None)
    forced = known is not None and flavour in known.forces_i2v
    return forced or (isinstance(block, Mapping) and as_bool(block.get("is_i2v")))


def first_frames_note(spec: DatasetSpec) -> Note:
    """Why such a dataset is not staged, and what can be."""
    return Note(
        "error",
        f"dataset {spec.id}: image-to-video takes the first frame of each video as its "
        "conditioning, which the trainer makes from videos on a disk only",
        "Make the first frames here, one picture of the same name for each video, add them as a "
        "dataset of dataset_type conditioning, and name it in conditioning_data.",
    )
