"""Whether a run fits into a card's memory: a rough sum that errs on the quiet side."""

from __future__ import annotations

from dataclasses import dataclass

from tui.simpletuner.config.families import family
from tui.simpletuner.config.training_config import TrainingConfig
from tui.simpletuner.config.values import as_bool, as_text

# Bytes per parameter of the frozen base model, by what stands in `base_model_precision`.
_BASE_BYTES = (("int2", 0.35), ("int4", 0.65), ("nf4", 0.65), ("fp4", 0.65), ("int8", 1.1))
_FULL_BYTES = {"bf16": 8.0, "fp32": 16.0}


@dataclass(frozen=True, slots=True)
class MemoryGuess:
    """Gigabytes that a run may need on each card: weights with optimiser, and the rest."""

    weights_gb: float
    activations_gb: float

    @property
    def total_gb(self) -> float:
        """Their sum and what CUDA itself takes."""
        return self.weights_gb + self.activations_gb + 1.5


def guess_memory(config: TrainingConfig) -> MemoryGuess | None:
    """The guess, or None for a family whose size is not known."""
    known = family(config.family)
    billions = known.size(config.flavour) if known else None
    if known is None or billions is None:
        return None
    if config.model_type == "full":
        precision = (as_text(config.values.get("mixed_precision")) or "bf16").lower()
        weights = billions * _FULL_BYTES.get("bf16" if precision == "bf16" else "fp32", 8.0)
    else:
        rank = config.lora_rank or 16
        # A rank-16 adapter of Flux (12e9) has 18.7 million parameters, that is 97 thousand per rank
        # and 1e9; with gradients and optimiser about 16 bytes each.
        weights = billions * _base_bytes(config) + billions * min(rank, 1024) * 0.0015
    area = (config.resolution_pixels / 1024) ** 2 if known.kind == "image" else 2.0
    per_sample = 0.25 * billions**0.5 * area + 0.6 * area
    if not as_bool(config.values.get("gradient_checkpointing")):
        per_sample *= 6
    return MemoryGuess(weights, per_sample * config.train_batch_size)


def _base_bytes(config: TrainingConfig) -> float:
    text = (as_text(config.values.get("base_model_precision")) or "no_change").lower()
    for mark, size in _BASE_BYTES:
        if mark in text:
            return size
    return 1.1 if text.startswith("fp8") else 2.0
