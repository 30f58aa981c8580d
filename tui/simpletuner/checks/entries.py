"""Reads an entry of the dataloader file as the trainer does, for all checks of datasets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from tui.simpletuner.checks.data import CheckRow
from tui.simpletuner.config.training_config import DEFAULT_RESOLUTION_TYPE, TrainingConfig
from tui.simpletuner.config.values import as_bool, as_int, as_text

Entry = Mapping[str, Any]

CACHES: Final = (
    "text_embeds", "image_embeds", "conditioning_image_embeds", "distillation_cache",
)  # fmt: skip
"""Types of entries that hold computed embeddings, not data."""


def dataset_type(entry: Entry) -> str:
    """`dataset_type` of an entry as the trainer takes it."""
    return (as_text(entry.get("dataset_type")) or "image").lower()


def resolution_type(entry: Entry, config: TrainingConfig) -> str:
    """`resolution_type` of an entry: its own, else the config's, else the trainer's default."""
    own = as_text(entry.get("resolution_type")) or as_text(config.values.get("resolution_type"))
    return own or DEFAULT_RESOLUTION_TYPE


def is_disabled(entry: Entry) -> bool:
    """Whether the trainer skips an entry."""
    return as_bool(entry.get("disabled")) or as_bool(entry.get("disable"))


def names_of(value: Any) -> list[str]:
    """The ids in a text or a list of texts."""
    given: Iterable[Any] = value if isinstance(value, list | tuple) else [value]
    return [text for one in given if (text := as_text(one))]


def whole(entry: Entry, key: str, default: int) -> int:
    """The whole number of a key; `default` where there is none."""
    value = as_int(entry.get(key))
    return default if value is None else value


def error(message: str, advice: str, identity: str = "dataloader") -> CheckRow:
    """The row of a finding that stops the trainer."""
    return identity, "error", message, advice


def warning(message: str, advice: str) -> CheckRow:
    """The row of a finding that the trainer ignores or changes."""
    return "dataloader", "warn", message, advice
