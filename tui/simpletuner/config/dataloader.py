"""The dataloader file (`multidatabackend.json`): a list of datasets and caches."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tui.simpletuner.config.values import as_bool, as_float, as_int, as_text

Kind = Literal["local", "remote", "cache"]

CACHE_DATASET_TYPES = frozenset({"text_embeds", "image_embeds", "conditioning_image_embeds"})
"""`dataset_type` values of entries that hold computed embeddings, not training data."""

MEGAPIXELS_BELOW = 16
"""A resolution of at most this is meant in megapixels; nobody trains at so few pixels."""

LOCAL_TYPES = frozenset({"local", ""})


@dataclass(frozen=True, slots=True)
class DatasetSpec:
    """One entry of the dataloader file.

    Attributes:
        id: name of the dataset, unique within the file; a made-up one where the file has none.
        type: where the data lies: local, huggingface, aws, csv, webshart, memory.
        dataset_type: image (default), video, audio, conditioning, or a kind of cache.
        path: the folder on this machine, for local data only; it need not exist.
        caption_strategy: textfile, filename, instanceprompt, parquet, huggingface, …
        raw: the entry as read, for everything that is not named here.
    """

    id: str
    type: str
    dataset_type: str
    path: Path | None
    caption_strategy: str
    instance_prompt: str | None = None
    disabled: bool = False
    raw: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        """`cache` holds embeddings, `local` is a folder here, `remote` is everything else."""
        if self.dataset_type in CACHE_DATASET_TYPES:
            return "cache"
        return "local" if self.type in LOCAL_TYPES else "remote"

    @property
    def repeats(self) -> int:
        """How many extra times each sample is seen in an epoch."""
        return max(0, as_int(self.raw.get("repeats")) or 0)

    @property
    def minimum_pixels(self) -> int | None:
        """Shortest edge in pixels below which an image is left out or enlarged, if stated."""
        return edge_pixels(self.raw.get("minimum_image_size"), self.raw.get("resolution_type"))

    @property
    def resolution_pixels(self) -> int | None:
        """Edge in pixels of the square that the training size stands for, if stated."""
        return edge_pixels(self.raw.get("resolution"), self.raw.get("resolution_type"))


def edge_pixels(resolution: Any, resolution_type: Any) -> int | None:
    """Edge length in pixels of a resolution; `area` counts megapixels, the others pixels."""
    number = as_float(resolution)
    if number is None or number <= 0:
        return None
    if number <= MEGAPIXELS_BELOW and (as_text(resolution_type) or "area") == "area":
        return round(1024 * math.sqrt(number))
    return round(number)


def find_path(text: str, bases: Sequence[Path]) -> Path:
    """The first place where `text` exists relative to `bases`; else where it was meant to be."""
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
    """Make specs of the entries.

    Args:
        entries: the dataloader list, as read.
        bases: folders that a relative `instance_data_dir` is tried against, in order.
        caption_strategy: what an entry without one gets.
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
        instance_prompt=as_text(entry.get("instance_prompt")),
        disabled=as_bool(entry.get("disabled", entry.get("disable"))),
        raw=entry,
    )
