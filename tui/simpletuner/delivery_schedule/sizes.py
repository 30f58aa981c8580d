"""How many bytes a run's uploads send, and how many stay at their destination. All are estimates.

Each upload sends the whole run folder again: every checkpoint in it and every picture so far. What
the trainer deletes from its own folder stays at the destination.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tui.simpletuner.config.families import family
from tui.simpletuner.config.training_config import TrainingConfig
from tui.simpletuner.config.values import as_bool, as_int, as_text
from tui.simpletuner.delivery_schedule.schedule import DeliverySchedule

_ADAPTER_PER_RANK: Final = 97e-6
"""Parameters of an adapter per rank and parameter of the base model: 18.7 million at rank 16 of
Flux (12e9)."""
_MOST_OF_THE_BASE: Final = 0.01
"""Upper bound of an adapter's size as a part of the base model, for LyCORIS' full dimension."""
_ADAPTER_BYTES: Final = 12
"""Bytes per trained parameter of a checkpoint: weights in fp32 and the optimizer's two states."""
_FULL_BYTES: Final = 8
"""The same in bf16 for a full model."""
_PICTURE_BYTES_PER_PIXEL: Final = 1.5
_DEFAULT_PICTURE_EDGE: Final = 256
_LIBRARY_PROMPTS: Final = 10


@dataclass(frozen=True, slots=True)
class DeliverySize:
    """Estimated bytes of a delivery.

    Attributes:
        checkpoint: one checkpoint, with its optimizer state.
        sent: all uploads together, repetitions included.
        stored: what the destination holds in the end.
    """

    checkpoint: int
    sent: int
    stored: int


def delivery_size(config: TrainingConfig, schedule: DeliverySchedule) -> DeliverySize | None:
    """Estimate a delivery's bytes; None for a model of unknown size or an unknown schedule."""
    checkpoint = checkpoint_bytes(config)
    if checkpoint is None:
        return None
    weights = len(schedule.weights)
    final = checkpoint if schedule.at_end else 0
    if schedule.way == "hub":
        total = weights * checkpoint + final
        return DeliverySize(checkpoint, total, total)
    if schedule.uploads is None:
        return None
    round_bytes, uploads = _round_bytes(config.values), schedule.uploads
    again = round_bytes * uploads * (uploads + 1) // 2
    return DeliverySize(
        checkpoint,
        sent=schedule.sends * checkpoint + again + final,
        stored=weights * checkpoint + round_bytes * uploads + final,
    )


def checkpoint_bytes(config: TrainingConfig) -> int | None:
    """Estimated bytes of one checkpoint; None for a family of unknown size."""
    known = family(config.family)
    billions = known.size(config.flavour) if known else None
    if billions is None:
        return None
    if config.model_type == "full":
        return round(billions * 1e9 * _FULL_BYTES)
    share = min((config.lora_rank or 16) * _ADAPTER_PER_RANK, 1.0)
    if config.lora_type == "lycoris":
        share = min(share, _MOST_OF_THE_BASE)
    return round(billions * 1e9 * share * _ADAPTER_BYTES)


def _round_bytes(values: Mapping[str, Any]) -> int:
    """Estimated bytes of one validation's pictures."""
    prompts = 0 if as_bool(values.get("validation_disable_unconditional")) else 1
    prompts += 1 if as_text(values.get("validation_prompt")) else 0
    prompts += _LIBRARY_PROMPTS if values.get("validation_prompt_library") else 0
    prompts += _LIBRARY_PROMPTS if as_text(values.get("user_prompt_library")) else 0
    pictures = prompts * max(1, as_int(values.get("num_validation_images")) or 1)
    total = 0.0
    for size in (as_text(values.get("validation_resolution")) or "").split(",") or [""]:
        edges = [int(edge) for edge in re.findall(r"\d{1,5}", size)] or [_DEFAULT_PICTURE_EDGE]
        total += edges[0] * edges[-1] * _PICTURE_BYTES_PER_PIXEL
    return round(total * pictures)
