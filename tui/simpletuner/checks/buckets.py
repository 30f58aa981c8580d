"""The aspect buckets that the trainer makes of a dataset, and whether each fills a batch.

The trainer resizes pictures to a few shapes and trains each batch from one shape. A bucket with too
few pictures for one batch over all GPUs and accumulation steps ends the job at start. Source:
SimpleTuner's helpers/multiaspect/image.py, helpers/image_manipulation/training_sample.py and
helpers/metadata/backends/base.py, release 4.10.1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tui.simpletuner.checks.data import CheckRow
from tui.simpletuner.checks.entries import dataset_type, resolution_type
from tui.simpletuner.config.training_config import (
    DEFAULT_RESOLUTION,
    DatasetSpec,
    TrainingConfig,
    below_minimum,
)
from tui.simpletuner.config.values import as_bool, as_float, as_int, as_text
from tui.simpletuner.datasets.scan import DataReport, DatasetReport
from tui.simpletuner.facts.models import model

_ALIGNMENT: Final = 64
_ROUNDING: Final = 2
# Megapixels that the trainer takes for the square of a usual edge, within 0.05.
_USUAL_MEGAPIXELS: Final = {0.25: 512, 0.5: 768, 1.0: 1024, 2.0: 1536, 4.0: 2048}


@dataclass(frozen=True, slots=True)
class AspectBucket:
    """Pictures of one shape.

    Attributes:
        aspect: width by height, rounded as the trainer names the bucket.
        width: of the training size, in pixels.
        height: of the training size, in pixels.
        images: how many pictures it holds.
    """

    aspect: float
    width: int
    height: int
    images: int


@dataclass(frozen=True, slots=True)
class _Shape:
    """How a dataset's pictures are resized."""

    kind: str
    resolution: float
    alignment: int
    rounding: int
    crop: bool
    crop_aspect: str
    crop_aspects: tuple[float, ...]
    canvas: int | None

    @property
    def edge(self) -> int:
        """Edge of the square training size, in pixels."""
        if self.kind == "pixel":
            return int(self.resolution)
        usual = (
            edge for size, edge in _USUAL_MEGAPIXELS.items() if abs(self.resolution - size) < 0.05
        )
        area = next((edge**2 for edge in usual), self.resolution * 1e6)
        return self.aligned(math.sqrt(area))

    def aligned(self, length: float) -> int:
        """A length rounded to the alignment, at least one step of it."""
        return max(round(length / self.alignment) * self.alignment, self.alignment)

    def size(self, width: int, height: int) -> tuple[float, int, int]:
        """The bucket and the training size of a picture."""
        if self.crop and self.crop_aspect == "square":
            edge = min(self._limited(self.edge, self.edge))
            return 1.0, edge, edge
        aspect = round(width / height, self.rounding)
        if self.crop and self.crop_aspect == "closest":
            aspect = min(self.crop_aspects, key=lambda one: abs(one - aspect))
        if self.kind == "pixel":
            target = self._by_edge(aspect, width, height)
        else:
            target = self._by_area(aspect, width, height)
        target = self._limited(*target)
        bucket = round(target[0] / target[1], self.rounding)
        return (bucket, self.edge, self.edge) if bucket == 1.0 else (bucket, *target)

    def _by_edge(self, aspect: float, width: int, height: int) -> tuple[int, int]:
        edge = int(self.resolution)
        if width < height:
            return self.aligned(edge), self.aligned(int(edge / aspect))
        return self.aligned(int(edge * aspect)), self.aligned(edge)

    def _by_area(self, aspect: float, width: int, height: int) -> tuple[int, int]:
        edge = self.aligned(int(math.sqrt(self.resolution * 1e6)))
        if aspect == 1.0 and width == height:
            return edge, edge
        root = math.sqrt(aspect)
        return self.aligned(edge * root), self.aligned(edge / root)

    def _limited(self, width: int, height: int) -> tuple[int, int]:
        """The size within the canvas of a family that has a largest one."""
        if self.canvas is None or width * height <= self.canvas:
            return width, height
        scale = math.sqrt(self.canvas / (width * height))
        smaller = self.aligned(int(width * scale)), self.aligned(int(height * scale))
        if smaller[0] * smaller[1] <= self.canvas:
            return smaller
        if smaller[0] >= smaller[1]:
            return smaller[0] - self.alignment, smaller[1]
        return smaller[0], smaller[1] - self.alignment


def aspect_buckets(
    dataset: DatasetReport, config: TrainingConfig
) -> tuple[AspectBucket, ...] | None:
    """The buckets of a scanned dataset, the fullest first; those that the trainer drops left out.

    Returns:
        None where they cannot be known: other data than images, a random crop, an unreadable
        setting, or a size that the scan could not read.
    """
    shape = _shape(dataset.spec, config)
    if shape is None or not dataset.sizes:
        return None
    if any(not width or not height for width, height, _ in dataset.sizes):
        return None
    found: dict[float, AspectBucket] = {}
    for width, height, count in dataset.sizes:
        if _too_small(dataset.spec, config, shape, width, height):
            continue
        aspect, target_width, target_height = shape.size(width, height)
        before = found[aspect].images if aspect in found else 0
        found[aspect] = AspectBucket(aspect, target_width, target_height, before + count)
    kept = (bucket for bucket in found.values() if _is_kept(bucket, dataset.spec, config))
    return tuple(sorted(kept, key=lambda bucket: (-bucket.images, bucket.aspect)))


def samples_per_step(spec: DatasetSpec, config: TrainingConfig) -> int:
    """Pictures that one step takes from a bucket, over all GPUs and accumulation steps."""
    if dataset_type(spec.raw) == "eval":
        return 1
    return _batch(spec, config) * config.num_processes * config.gradient_accumulation_steps


def bucket_checks(config: TrainingConfig, report: DataReport | None) -> Iterator[CheckRow]:
    """Check that every bucket of every scanned dataset fills a batch."""
    if as_text(config.values.get("eval_dataset_id")):
        return  # then the trainer does not look
    for dataset in report.local if report else ():
        if dataset.images and _is_split(dataset.spec):
            yield from _check_buckets(dataset, config)


def _is_split(spec: DatasetSpec) -> bool:
    """Whether the trainer splits the buckets of a dataset into batches of their own.

    A strict reference or a mask takes the buckets of its source.
    """
    kind = dataset_type(spec.raw)
    strict = as_text(spec.raw.get("conditioning_type")) in ("reference_strict", "mask")
    return kind in ("image", "eval") or (kind == "conditioning" and not strict)


def _check_buckets(dataset: DatasetReport, config: TrainingConfig) -> Iterator[CheckRow]:
    spec, need = dataset.spec, samples_per_step(dataset.spec, config)
    buckets = aspect_buckets(dataset, config)
    if buckets is None:
        if dataset.images * (spec.repeats + 1) < need:
            yield _too_few(dataset, config, need, [dataset.images])
        return
    if not buckets:
        message = f"dataset {dataset.id}: the trainer drops every image, and stops"
        advice = "Lower minimum_image_size, or use larger images or a smaller batch."
        yield "buckets", "error", message, advice
        return
    short = [bucket for bucket in buckets if bucket.images * (spec.repeats + 1) < need]
    if short and as_bool(config.values.get("allow_dataset_oversubscription")) and not spec.repeats:
        message = f"dataset {dataset.id}: {_listed(short)} filled up to {need} by repeating images"
        yield "buckets", "ok", message
    elif short:
        counts = [bucket.images for bucket in short]
        listed = _listed(short)
        yield _too_few(dataset, config, need, counts, listed=listed, buckets=len(buckets))
    else:
        images = "one image" if need == 1 else f"{need} images"
        shown = f"{_listed(list(buckets))}; a step takes {images} of one bucket"
        yield "buckets", "ok", f"dataset {dataset.id}: {shown}"


def _too_few(
    dataset: DatasetReport,
    config: TrainingConfig,
    need: int,
    counts: list[int],
    *,
    listed: str = "",
    buckets: int = 1,
) -> CheckRow:
    spec, accumulation = dataset.spec, config.gradient_accumulation_steps
    factors = [f"batch {_batch(spec, config)}"]
    if accumulation > 1:
        factors.append(f"accumulation {accumulation}")
    if config.num_processes > 1:
        factors.append(f"{config.num_processes} GPUs")
    step = f"a step takes {need} ({' × '.join(factors)})"
    held = f"{counts[0]} image{'s' if counts[0] != 1 else ''}"
    if spec.repeats:
        held += f" and repeats {spec.repeats}"
    if buckets == 1:
        message = f"dataset {dataset.id} has {held}, and {step}"
    elif len(counts) == 1:
        message = f"dataset {dataset.id}: {listed} of {buckets} has {held}, and {step}"
    else:
        message = f"dataset {dataset.id}: {listed} of {buckets} have too few images, and {step}"
    ways = [f"set repeats to {math.ceil(need / min(counts)) - 1} or more", "lower train_batch_size"]
    if accumulation > 1:
        ways.append("lower gradient_accumulation_steps")
    if buckets > 1:
        ways.append("crop to squares (crop: true, crop_aspect: square), which makes one bucket")
    advice = ", or ".join(ways)
    return "buckets", "error", f"{message}; the trainer stops", f"{advice[0].upper()}{advice[1:]}."


def _listed(buckets: list[AspectBucket]) -> str:
    if len(buckets) == 1:
        return f"aspect bucket {buckets[0].aspect}"
    shown = ", ".join(f"{bucket.aspect} ({bucket.images})" for bucket in buckets[:4])
    more = f" and {len(buckets) - 4} more" if len(buckets) > 4 else ""
    return f"aspect buckets {shown}{more}"


def _shape(spec: DatasetSpec, config: TrainingConfig) -> _Shape | None:
    raw, known = spec.raw, model(config.family)
    if dataset_type(raw) not in ("image", "eval", "conditioning"):
        return None
    kind = resolution_type(raw, config)
    given = raw.get("resolution", config.values.get("resolution", DEFAULT_RESOLUTION))
    resolution = as_float(given)
    if resolution is None or resolution <= 0:
        return None
    crop, crop_aspect = bool(raw.get("crop")), as_text(raw.get("crop_aspect")) or "square"
    aspects = raw.get("crop_aspect_buckets")
    listed = tuple(
        number
        for one in (aspects if isinstance(aspects, list) else ())
        if (number := as_float(one.get("aspect") if isinstance(one, Mapping) else one)) is not None
    )
    if crop and (crop_aspect == "random" or (crop_aspect == "closest" and not listed)):
        return None
    own = as_int(config.values.get("aspect_bucket_alignment")) or _ALIGNMENT
    return _Shape(
        kind="pixel" if kind == "pixel" else "area",
        resolution=resolution**2 / 1e6 if kind == "pixel_area" else resolution,
        alignment=(known.alignment_px if known else None) or own,
        rounding=as_int(config.values.get("aspect_bucket_rounding")) or _ROUNDING,
        crop=crop,
        crop_aspect=crop_aspect,
        crop_aspects=listed,
        canvas=known.canvas_px if known else None,
    )


def _too_small(
    spec: DatasetSpec, config: TrainingConfig, shape: _Shape, width: int, height: int
) -> bool:
    least = _minimum(spec, config)
    if least is None:
        return False
    square = shape.crop and shape.crop_aspect == "square"
    return below_minimum(
        (width, height), least, resolution_type(spec.raw, config), square_crop=square
    )


def _is_kept(bucket: AspectBucket, spec: DatasetSpec, config: TrainingConfig) -> bool:
    """Whether the trainer keeps a bucket.

    With a minimum size it drops those that do not fill the batch of one GPU, unless that pruning is
    switched off.
    """
    least, most = (as_float(spec.raw.get(f"{end}_aspect_ratio")) for end in ("minimum", "maximum"))
    if (least and bucket.aspect < least) or (most and bucket.aspect > most):
        return False
    unpruned = as_bool(config.values.get("disable_bucket_pruning"))
    if unpruned or _minimum(spec, config) is None:
        return True
    batch = 1 if dataset_type(spec.raw) == "eval" else _batch(spec, config)
    return bucket.images * (spec.repeats + 1) >= batch


def _minimum(spec: DatasetSpec, config: TrainingConfig) -> float | None:
    value: Any = spec.raw.get("minimum_image_size", config.values.get("minimum_image_size"))
    return as_float(value)


def _batch(spec: DatasetSpec, config: TrainingConfig) -> int:
    return max(1, as_int(spec.raw.get("train_batch_size")) or config.train_batch_size)
