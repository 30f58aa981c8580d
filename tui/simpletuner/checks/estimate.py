"""Estimates of a run's duration, price and GPU memory.

Duration and price start from a family's seconds per step (`families.json`), scaled by options and
hardware; a caller that knows the seconds per step of an earlier run passes them. Memory is a rough
sum of weights, optimiser state and activations. All constants are our own estimates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tui.simpletuner.config.families import family
from tui.simpletuner.config.training_config import DEFAULT_LORA_RANK, TrainingConfig
from tui.simpletuner.config.values import as_bool, as_int, as_text
from tui.simpletuner.datasets.scan import DataReport
from tui.simpletuner.delivery_schedule.plan import planned_steps, read_plan
from tui.simpletuner.delivery_schedule.schedule import count_batches
from tui.simpletuner.request.delivery import validation_enabled
from tui.simpletuner.request.hardware import HardwareProfile

RUN_LIMIT_SECONDS = 30 * 60
"""Replicate's default limit of one run; a model's owner can have it raised."""
# Speed of one card against an L40S in bf16 training of transformers.
_CARD_SPEED = {"l40s": 1.0, "a100": 1.35, "h100": 2.3}
_UNKNOWN_STEP_SECONDS = 2.5
_SETUP_SECONDS = (60.0, 180.0, 480.0)
"""Seconds to load weights and text encoders: low, middle, high."""
_CACHE_SECONDS_PER_IMAGE = 0.35
_SPREAD_KNOWN = (0.6, 1.0, 1.8)
_SPREAD_UNKNOWN = (0.4, 1.0, 3.0)
_SPREAD_MEASURED = (0.9, 1.0, 1.2)
# Bytes per parameter of the frozen base model, by a part of `base_model_precision`.
_BASE_BYTES = (("int2", 0.35), ("int4", 0.65), ("nf4", 0.65), ("fp4", 0.65), ("int8", 1.1))
_FULL_BYTES = {"bf16": 8.0, "fp32": 16.0}
_LOKR_SQUARE_FACTOR = 48


@dataclass(frozen=True, slots=True)
class Estimate:
    """Estimated duration and price of a run.

    Attributes:
        steps: optimisation steps; 0 when unknown: then the run counts with Replicate's limit.
        seconds_low: duration of a fast run.
        seconds: most likely duration.
        seconds_high: duration of a slow run.
        micros_low: price of a fast run in micro-dollars.
        micros: most likely price in micro-dollars.
        micros_high: price of a slow run in micro-dollars.
        basis: what the estimate is based on, for the screen.
    """

    steps: int
    seconds_low: int
    seconds: int
    seconds_high: int
    micros_low: int
    micros: int
    micros_high: int
    basis: str


def total_steps(config: TrainingConfig, report: DataReport | None, *, gpus: int = 1) -> int:
    """Optimisation steps of the run, as the trainer counts them from the batches of its buckets.

    Returns:
        0 when only epochs are set and the size of a dataset is not known here.
    """
    plan = read_plan(config.values)
    if plan.steps:
        return plan.steps
    batches = count_batches(config, report, max(1, gpus))
    return planned_steps(plan, batches.count) if batches is not None else 0


def estimate(
    config: TrainingConfig,
    profile: HardwareProfile,
    report: DataReport | None = None,
    *,
    step_seconds: float | None = None,
    micros_per_second: int | None = None,
) -> Estimate:
    """Estimate a run's duration and price.

    Args:
        config: the config with the form's changes applied.
        profile: the hardware.
        report: the scan of the datasets, for the number of images.
        step_seconds: seconds per step of a similar earlier run.
        micros_per_second: the user's rate in micro-dollars per second, instead of the profile's.
    """
    images = report.images if report else 0
    gpus = min(profile.gpus, max(config.num_processes, 1))
    steps = total_steps(config, report, gpus=gpus)
    if step_seconds:
        per_step, spread, basis = step_seconds, _SPREAD_MEASURED, "an earlier run like this one"
    else:
        known = family(config.family)
        per_step = step_guess(config, profile)
        spread = _SPREAD_KNOWN if known and known.step_seconds else _SPREAD_UNKNOWN
        basis = f"typical times of {known.label}" if known else "the average of all families"
    work = steps * per_step + images * _CACHE_SECONDS_PER_IMAGE
    work += _validation_seconds(config, steps, per_step)
    low, middle, high = (
        math.ceil(setup + work * factor)
        for setup, factor in zip(_SETUP_SECONDS, spread, strict=True)
    )
    if not steps:  # a limit of costs has to count something, and not the start alone
        middle, high = max(middle, RUN_LIMIT_SECONDS), max(high, RUN_LIMIT_SECONDS)
        basis = "Replicate's default limit of a run, since the steps are not known"
    rate = micros_per_second or profile.micros_per_second
    return Estimate(steps, low, middle, high, low * rate, middle * rate, high * rate, basis)


def step_guess(config: TrainingConfig, profile: HardwareProfile) -> float:
    """Estimated seconds per optimisation step, from family, resolution, batch and GPU."""
    known = family(config.family)
    seconds = (known.step_seconds if known else None) or _UNKNOWN_STEP_SECONDS
    if known is None or known.kind == "image":
        seconds *= (config.resolution_pixels / 1024) ** 2
    # A larger batch is a little cheaper per sample; accumulation is not.
    seconds *= math.pow(config.train_batch_size, 0.9) * config.gradient_accumulation_steps
    if config.model_type == "full":
        seconds *= 1.4
    if not config.gradient_checkpointing:
        seconds *= 0.8
    if "quanto" in (as_text(config.values.get("base_model_precision")) or ""):
        seconds *= 1.1
    return seconds / _CARD_SPEED.get(profile.id.split("-")[0], 1.0)


def _validation_seconds(config: TrainingConfig, steps: int, per_step: float) -> float:
    if not validation_enabled(config) or not steps:
        return 0.0
    interval = config.validation_interval
    rounds = 1 + (steps // interval if interval else 0)
    inference = as_int(config.values.get("validation_num_inference_steps")) or 30
    # One step of inference costs about a third of a training step: no backward pass.
    return rounds * (inference * per_step / 3 + 5)


@dataclass(frozen=True, slots=True)
class MemoryGuess:
    """Estimated memory of a run on each GPU in GB: weights with optimiser, and activations."""

    weights_gb: float
    activations_gb: float

    @property
    def total_gb(self) -> float:
        """The sum, plus 1.5 GB for CUDA itself."""
        return self.weights_gb + self.activations_gb + 1.5


def guess_memory(config: TrainingConfig) -> MemoryGuess | None:
    """The memory estimate of a run; None for a family of unknown size."""
    known = family(config.family)
    billions = known.size(config.flavour) if known else None
    if known is None or billions is None:
        return None
    if config.model_type == "full":
        precision = (as_text(config.values.get("mixed_precision")) or "bf16").lower()
        weights = billions * _FULL_BYTES.get("bf16" if precision == "bf16" else "fp32", 8.0)
    else:
        weights = billions * _base_bytes(config) + billions * _adapter_share(config) * 16
    area = (config.resolution_pixels / 1024) ** 2 if known.kind == "image" else 2.0
    per_sample = 0.25 * billions**0.5 * area + 0.6 * area
    if not config.gradient_checkpointing:
        per_sample *= 6
    return MemoryGuess(weights, per_sample * config.train_batch_size)


def _adapter_share(config: TrainingConfig) -> float:
    """Parameters of the adapter as a part of the base model's.

    A LoKr splits each weight into a small factor and a large one, which has `1 / factor^2` of the
    weight's parameters; the large one is of low rank only where that is smaller. So a huge
    `linear_dim` ("full dimension") adds no more than the whole large factor.
    """
    # A rank-16 adapter of Flux (12e9) has 18.7 million parameters, that is 97 thousand per rank
    # and 1e9.
    low_rank = (config.lora_rank or DEFAULT_LORA_RANK) * 97e-6
    lycoris = config.lycoris if config.lora_type == "lycoris" else None
    algo = (as_text((lycoris or {}).get("algo")) or "lora").lower()
    if lycoris is None or algo not in ("lokr", "loha", "full"):
        return min(low_rank, 1.0)
    if algo == "full":
        return 1.0
    if algo == "loha":
        return min(2 * low_rank, 1.0)
    factor = as_int(lycoris.get("factor")) or -1
    # Without a factor LyCORIS takes the divisor next to the square root of the weight's edge.
    split = factor if factor > 0 else _LOKR_SQUARE_FACTOR
    whole = 1 / split**2
    return whole if as_bool(lycoris.get("full_matrix")) else min(low_rank / split, whole)


def _base_bytes(config: TrainingConfig) -> float:
    text = (as_text(config.values.get("base_model_precision")) or "no_change").lower()
    for mark, size in _BASE_BYTES:
        if mark in text:
            return size
    return 1.1 if text.startswith("fp8") else 2.0
