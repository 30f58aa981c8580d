"""Aspect buckets: which samples can form a batch, and how many batches an epoch has.

Source: SimpleTuner 4.10.1, `helpers/multiaspect/image.py` and `helpers/metadata/backends/base.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tui.sandbox.trainer.current.entries import Entry, kind_of, setting
from tui.sandbox.worker import ProgramError
from tui.simpletuner.config.values import as_bool, as_float, as_int, as_text
from tui.simpletuner.facts.models import model

Buckets = dict[str, list[str]]
"""Names of samples by the text of their aspect ratio."""


@dataclass(frozen=True, slots=True)
class Sizing:
    """How an entry's samples are sized.

    Attributes:
        area: pixels of a picture of the wanted area; 0 when the shorter edge is given instead.
        edge: length of the shorter edge in pixels; 0 when the area is given.
        alignment: every edge is a multiple of it.
        square: whether pictures are cropped to a square.
        aspects: the aspect ratios to crop to; empty for the picture's own.
        smallest: smallest accepted picture, in pixels of area or of an edge; 0 for none.
        narrowest: smallest accepted aspect ratio; 0 for none.
        widest: largest accepted aspect ratio; 0 for none.
    """

    area: float
    edge: int
    alignment: int
    square: bool
    aspects: tuple[float, ...]
    smallest: float
    narrowest: float
    widest: float

    @classmethod
    def read(cls, entry: Entry, options: Mapping[str, Any]) -> Sizing:
        """Read an entry of the dataloader."""
        kind = as_text(setting(entry, options, "resolution_type")) or "area"
        resolution = as_float(setting(entry, options, "resolution")) or 1.0
        family = model(as_text(options.get("model_family")))
        alignment = as_int(options.get("aspect_bucket_alignment")) or 64
        if family is not None and family.alignment_px is not None:
            alignment = family.alignment_px
        smallest = as_float(setting(entry, options, "minimum_image_size")) or 0.0
        if kind == "pixel_area":
            smallest **= 2
        elif kind == "area":
            smallest *= 1e6
        crops = as_bool(entry.get("crop"))
        aspect = as_text(entry.get("crop_aspect")) or "square"
        aspects: tuple[float, ...] = ()
        if crops and aspect in {"random", "closest"}:
            given = entry.get("crop_aspect_buckets") or []
            aspects = tuple(number for item in given if (number := as_float(item)) is not None)
        area = resolution**2 if kind == "pixel_area" else resolution * 1e6
        return cls(
            0.0 if kind == "pixel" else area,
            int(resolution) if kind == "pixel" else 0,
            alignment,
            crops and aspect == "square",
            aspects,
            smallest,
            as_float(entry.get("minimum_aspect_ratio")) or 0.0,
            as_float(entry.get("maximum_aspect_ratio")) or 0.0,
        )

    def bucket(self, width: int, height: int) -> str | None:
        """The bucket of a picture; None for a picture that is left out."""
        size = min(width, height) if self.edge else width * height
        if not width or not height or size < self.smallest:
            return None
        aspect = self._aspect(width, height)
        if self.narrowest and aspect < self.narrowest:
            return None
        return None if self.widest and aspect > self.widest else str(aspect)

    def _aspect(self, width: int, height: int) -> float:
        if self.square or width == height:
            return 1.0
        ratio = width / height
        if self.aspects:
            return min(self.aspects, key=lambda item: abs(item - ratio))
        ratio = round(ratio, 2)
        if self.edge:
            aligned = self._aligned(self.edge)
            return (
                round(self._aligned(self.edge * ratio) / aligned, 2)
                if ratio > 1
                else round(aligned / self._aligned(self.edge / ratio), 2)
            )
        edge = self._aligned(int(math.sqrt(self.area)))
        root = math.sqrt(ratio)
        return round(self._aligned(edge * root) / self._aligned(edge / root), 2)

    def _aligned(self, length: float) -> int:
        return max(self.alignment, round(length / self.alignment) * self.alignment)


@dataclass(frozen=True, slots=True)
class Split:
    """How a dataset is divided into batches.

    Attributes:
        batch: samples per micro-batch on one GPU.
        gpus: number of GPUs.
        accumulation: micro-batches per optimizer step.
        repeats: how often a sample is repeated.
        set_by_hand: whether the entry gives the repeats.
        oversubscription: whether small buckets may be padded.
    """

    batch: int
    gpus: int
    accumulation: int
    repeats: int
    set_by_hand: bool
    oversubscription: bool

    @classmethod
    def read(cls, entry: Entry, options: Mapping[str, Any]) -> Split:
        """Read an entry of the dataloader and the parsed options."""
        is_eval = kind_of(entry) == "eval"
        repeats = max(0, as_int(entry.get("repeats")) or 0)
        batch = as_int(setting(entry, options, "train_batch_size")) or 1
        return cls(
            1 if is_eval else max(1, batch),
            1 if is_eval else max(1, as_int(options.get("num_processes")) or 1),
            1 if is_eval else max(1, as_int(options.get("gradient_accumulation_steps")) or 1),
            repeats,
            repeats > 0,
            as_bool(options.get("allow_dataset_oversubscription")),
        )

    @property
    def needed(self) -> int:
        """Samples, repeats included, that a bucket needs."""
        return self.batch * self.gpus * self.accumulation

    def batches(self, buckets: Mapping[str, Sequence[str]]) -> int:
        """Micro-batches per epoch on one GPU."""
        total = 0
        for names in buckets.values():
            count = math.ceil(len(names) / self.gpus) * (self.repeats + 1)
            if len(names) * (self.repeats + 1) < self.needed:
                count = self.needed // self.gpus  # the bucket is padded
            total += math.ceil(count / self.batch)
        return total

    def check(self, name: str, buckets: Mapping[str, Sequence[str]]) -> str:
        """Refuse buckets that are too small for one batch.

        Returns:
            A warning when buckets are padded; empty without one.

        Raises:
            ProgramError: a bucket has too few samples.
        """
        small = {
            bucket: len(names)
            for bucket, names in buckets.items()
            if 0 < len(names) * (self.repeats + 1) < self.needed
        }
        if not small:
            return ""
        if self.oversubscription and not self.set_by_hand:
            return (
                f"(id={name}) Dataset oversubscription enabled: {len(small)} bucket(s) are padded"
            )
        lines = [
            "Dataset configuration will produce zero usable batches.",
            f"  - Dataset ID: {name}",
            f"  - Repeats: {self.repeats}",
            f"  - Batch size: {self.batch}",
            f"  - Number of GPUs: {self.gpus}",
            f"  - Gradient accumulation steps: {self.accumulation}",
            f"  - Effective batch size: {self.needed}",
        ]
        for bucket, count in small.items():
            lines.append(f"  - Bucket {bucket}: {count} samples x {self.repeats + 1}")
            lines.append(f"    Minimum repeats required: {math.ceil(self.needed / count) - 1}")
        if self.oversubscription:
            lines.append("--allow_dataset_oversubscription will not override manual repeats")
        raise ProgramError("\n".join(lines))
