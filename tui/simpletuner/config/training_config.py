"""A training config and its dataloader in memory.

Options stay as they are written in the files; properties read them as leniently as the trainer
does. The dataloader file (`multidatabackend.json`) is a list of datasets and caches.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tui.simpletuner.config.values import as_bool, as_float, as_int, as_text, first_present
from tui.simpletuner.errors import Note

Kind = Literal["local", "remote", "cache"]
CACHE_DATASET_TYPES = frozenset({"text_embeds", "image_embeds", "conditioning_image_embeds"})
"""`dataset_type` values of entries that hold computed embeddings, not training data."""
MEGAPIXELS_BELOW = 16
"""A resolution up to this number is in megapixels; no model trains at so few pixels."""
LOCAL_TYPES = frozenset({"local", ""})
# The trainer's defaults; `tests/simpletuner/facts` holds them against `facts/options.json`, which
# is not read here, because the command line imports this module at start.
DEFAULT_BATCH_SIZE = 4
DEFAULT_CHECKPOINT_INTERVAL = 500
DEFAULT_VALIDATION_INTERVAL = 100
DEFAULT_RESOLUTION = 1024
DEFAULT_RESOLUTION_TYPE = "pixel_area"
DEFAULT_LORA_RANK = 16


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """A training config with its dataloader, as read; no default is filled in.

    Attributes:
        name: name of the folder or file.
        path: the file that was read.
        values: options by plain name (no dashes), values as written.
        datasets: entries of the dataloader file.
        dataloader: the same entries as raw JSON objects.
        dataloader_path: the dataloader file; None when there is none.
        lycoris: the LyCORIS settings; None when there are none.
        env: variables of `config.env`, without secrets.
        notes: problems met while reading; the checks show them.
    """

    name: str
    path: Path
    values: Mapping[str, Any]
    datasets: tuple[DatasetSpec, ...] = ()
    dataloader: tuple[Mapping[str, Any], ...] = ()
    dataloader_path: Path | None = None
    lycoris: Mapping[str, Any] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()

    @property
    def family(self) -> str | None:
        """`model_family`, lower case."""
        text = as_text(self.values.get("model_family"))
        return text.lower() if text else None

    @property
    def flavour(self) -> str | None:
        """`model_flavour` (either spelling of the option)."""
        return as_text(first_present(self.values, ("model_flavour", "model_flavor")))

    @property
    def model_type(self) -> str:
        """`lora` or `full`; the trainer's own default is full."""
        return (as_text(self.values.get("model_type")) or "full").lower()

    @property
    def lora_type(self) -> str | None:
        """`standard` or `lycoris`; None unless a LoRA is trained."""
        if self.model_type != "lora":
            return None
        return (as_text(self.values.get("lora_type")) or "standard").lower()

    @property
    def lora_rank(self) -> int | None:
        """Rank of a standard LoRA (the trainer's default is 16), or LyCORIS' `linear_dim`."""
        if self.lora_type == "standard":
            return as_int(self.values.get("lora_rank")) or DEFAULT_LORA_RANK
        if self.lora_type == "lycoris" and self.lycoris:
            return as_int(self.lycoris.get("linear_dim"))
        return None

    @property
    def max_train_steps(self) -> int:
        """Optimisation steps as configured; 0 means that the epochs decide."""
        return max(0, as_int(first_present(self.values, ("max_train_steps", "max_steps"))) or 0)

    @property
    def num_train_epochs(self) -> int:
        """Epochs as configured; 0 means that the steps decide. One epoch when neither is set."""
        epochs = as_int(self.values.get("num_train_epochs"))
        return max(0, epochs if epochs is not None else 0 if self.max_train_steps else 1)

    @property
    def train_batch_size(self) -> int:
        """Samples per GPU and step."""
        return max(1, as_int(self.values.get("train_batch_size")) or DEFAULT_BATCH_SIZE)

    @property
    def gradient_checkpointing(self) -> bool:
        """Whether activations are computed again instead of kept; on unless it is switched off.

        The trainer skips the text "false" and keeps its default; only the value false counts.
        """
        value = self.values.get("gradient_checkpointing")
        skipped = isinstance(value, str) and value.strip().lower() == "false"
        return skipped or as_bool(value, default=True)

    @property
    def gradient_accumulation_steps(self) -> int:
        """Batches that make one optimisation step."""
        return max(1, as_int(self.values.get("gradient_accumulation_steps")) or 1)

    @property
    def num_processes(self) -> int:
        """Number of GPUs used (from the config, else from `config.env`)."""
        text = self.values.get("num_processes", self.env.get("TRAINING_NUM_PROCESSES"))
        return max(1, as_int(text) or 1)

    @property
    def learning_rate(self) -> float | None:
        """`learning_rate` as a number."""
        return as_float(self.values.get("learning_rate"))

    @property
    def resolution_pixels(self) -> int:
        """Edge in pixels of a square of the training size; the largest of the datasets."""
        edges = [spec.resolution_pixels for spec in self.training_datasets]
        stated = [edge for edge in edges if edge]
        if stated:
            return max(stated)
        values = self.values
        edge = edge_pixels(values.get("resolution"), values.get("resolution_type"))
        return edge or DEFAULT_RESOLUTION

    @property
    def validation_interval(self) -> int:
        """Steps between validations; 0 when a 0 switches them off."""
        names = ("validation_step_interval", "validation_steps")
        stated = as_int(first_present(self.values, names))
        return max(0, DEFAULT_VALIDATION_INTERVAL if stated is None else stated)

    @property
    def checkpoint_interval(self) -> int:
        """Steps between checkpoints; 0 when a 0 switches them off."""
        names = ("checkpoint_step_interval", "checkpointing_steps")
        stated = as_int(first_present(self.values, names))
        return max(0, DEFAULT_CHECKPOINT_INTERVAL if stated is None else stated)

    @property
    def push_to_hub(self) -> bool:
        """Whether the config enables the upload to the Hugging Face Hub."""
        return as_bool(self.values.get("push_to_hub"))

    @property
    def hub_model_id(self) -> str | None:
        """`hub_model_id` as written."""
        return as_text(self.values.get("hub_model_id"))

    @property
    def run_name(self) -> str | None:
        """`tracker_run_name` as written."""
        return as_text(self.values.get("tracker_run_name"))

    @property
    def training_datasets(self) -> tuple[DatasetSpec, ...]:
        """Datasets that hold training data and are not disabled."""
        return tuple(spec for spec in self.datasets if spec.kind != "cache" and not spec.disabled)

    @property
    def local_datasets(self) -> tuple[DatasetSpec, ...]:
        """Training datasets whose data is on this machine."""
        return tuple(spec for spec in self.training_datasets if spec.kind == "local")


@dataclass(frozen=True, slots=True)
class DatasetSpec:
    """One entry of the dataloader file.

    Attributes:
        id: name of the dataset, unique within the file; `dataset-<n>` when the file has none.
        type: where the data is: local, huggingface, aws, csv, webshart, memory.
        dataset_type: image (default), video, audio, conditioning, or a kind of cache.
        path: the folder on this machine, for local data only; it need not exist.
        caption_strategy: textfile, filename, instanceprompt, parquet, huggingface, …
        raw: the entry as read, with all other options.
    """

    id: str
    type: str
    dataset_type: str
    path: Path | None
    caption_strategy: str
    disabled: bool = False
    raw: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        """`cache` holds embeddings, `local` is a folder on this machine, `remote` anything else."""
        if self.dataset_type in CACHE_DATASET_TYPES:
            return "cache"
        return "local" if self.type in LOCAL_TYPES else "remote"

    @property
    def repeats(self) -> int:
        """How often each sample is repeated in an epoch beyond the first time."""
        return max(0, as_int(self.raw.get("repeats")) or 0)

    @property
    def minimum_pixels(self) -> int | None:
        """Least length of the shorter edge in pixels; None when not set.

        The trainer leaves out or enlarges smaller images.
        """
        return edge_pixels(self.raw.get("minimum_image_size"), self.raw.get("resolution_type"))

    def is_too_small(self, width: int, height: int) -> bool:
        """Whether an image is below the minimum size; without one, below the resolution."""
        least = as_float(self.raw.get("minimum_image_size"))
        if least is None:
            return 0 < min(width, height) < (self.resolution_pixels or 0)
        kind = as_text(self.raw.get("resolution_type")) or DEFAULT_RESOLUTION_TYPE
        square = bool(self.raw.get("crop")) and self.raw.get("crop_aspect", "square") == "square"
        return min(width, height) > 0 and below_minimum(
            (width, height), least, kind, square_crop=square
        )

    @property
    def resolution_pixels(self) -> int | None:
        """Edge in pixels of a square of the training size; None when not set."""
        return edge_pixels(self.raw.get("resolution"), self.raw.get("resolution_type"))


def below_minimum(
    size: tuple[int, int], minimum: float, resolution_type: str, *, square_crop: bool
) -> bool:
    """Whether the trainer drops an image for its `minimum_image_size`.

    `pixel` compares each edge, the other types the area; a square crop needs both edges as well.
    Source: SimpleTuner's helpers/metadata/backends/base.py.

    Args:
        size: width and height in pixels.
        minimum: the limit, in megapixels for `area`, else in pixels of an edge.
        resolution_type: `pixel`, `area` or `pixel_area`.
        square_crop: whether images are cropped to squares.
    """
    width, height = size
    if minimum <= 0:
        return False
    if resolution_type == "pixel":
        return min(width, height) < minimum
    area = minimum * 1e6 if resolution_type == "area" else minimum**2
    return width * height < area or (square_crop and min(width, height) < int(math.sqrt(area)))


def edge_pixels(resolution: Any, resolution_type: Any) -> int | None:
    """Edge length in pixels of a resolution.

    `resolution_type` `area` counts megapixels, all others count pixels of an edge.
    """
    number = as_float(resolution)
    if number is None or number <= 0:
        return None
    if number <= MEGAPIXELS_BELOW and (as_text(resolution_type) or "area") == "area":
        return round(1024 * math.sqrt(number))
    return round(number)


def find_path(text: str, bases: Sequence[Path]) -> Path:
    """The first existing path of `text` relative to `bases`; else the path below the first base."""
    path = Path(text).expanduser()
    if path.is_absolute():
        return path
    for base in bases:
        try:
            if (base / path).exists():
                return base / path
        except OSError:
            continue
    return bases[0] / path if bases else path


def read_entries(
    entries: Sequence[Mapping[str, Any]], bases: Sequence[Path], caption_strategy: str = "filename"
) -> tuple[DatasetSpec, ...]:
    """Read the entries of a dataloader file.

    Args:
        entries: the JSON list.
        bases: folders that a relative `instance_data_dir` is resolved against, in order.
        caption_strategy: default for an entry without one.
    """
    return tuple(
        _read_entry(number, entry, bases, caption_strategy)
        for number, entry in enumerate(entries, start=1)
    )


def _read_entry(
    number: int, entry: Mapping[str, Any], bases: Sequence[Path], caption_strategy: str
) -> DatasetSpec:
    kind = (as_text(entry.get("type")) or "").lower()
    dataset_type = (as_text(entry.get("dataset_type")) or "image").lower()
    folder = as_text(entry.get("instance_data_dir")) or as_text(entry.get("instance_data_root"))
    local = kind in LOCAL_TYPES and dataset_type not in CACHE_DATASET_TYPES
    return DatasetSpec(
        id=as_text(entry.get("id")) or f"dataset-{number}",
        type=kind or "local",
        dataset_type=dataset_type,
        path=find_path(folder, bases) if local and folder else None,
        caption_strategy=(as_text(entry.get("caption_strategy")) or caption_strategy).lower(),
        disabled=as_bool(entry.get("disabled", entry.get("disable"))),
        raw=entry,
    )
