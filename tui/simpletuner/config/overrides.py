"""Options of a config that a user can override for one job: their types, limits and effect.

It imports only the standard library and small modules, because the command line needs it at start.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, Literal

from tui.base.json_types import JsonObject
from tui.simpletuner.config.training_config import MEGAPIXELS_BELOW, TrainingConfig
from tui.simpletuner.config.values import (
    SWITCH_WORDS,
    as_float,
    as_int,
    as_text,
    number_text,
    plain_keys,
)

Kind = Literal["whole", "number", "switch", "text", "prose"]

OVERRIDES: Final[dict[str, tuple[Kind, float]]] = {
    "max_train_steps": ("whole", 1),
    "num_train_epochs": ("whole", 0),
    "train_batch_size": ("whole", 1),
    "lora_rank": ("whole", 1),
    "learning_rate": ("number", 0),
    "gradient_checkpointing": ("switch", 0),
    "gradient_accumulation_steps": ("whole", 1),
    "resolution": ("number", 0),
    "base_model_precision": ("text", 0),
    "vae_batch_size": ("whole", 1),
    "checkpoint_step_interval": ("whole", 0),
    "checkpoints_total_limit": ("whole", 1),
    "validation_step_interval": ("whole", 1),
    "validation_epoch_interval": ("whole", 1),
    "validate_after_step": ("whole", 0),
    "validate_after_epoch": ("whole", 0),
    "validation_disable": ("switch", 0),
    "validation_disable_unconditional": ("switch", 0),
    "validation_method": ("text", 0),
    "validation_prompt": ("text", 0),
    "report_to": ("text", 0),
    "resume_from_checkpoint": ("text", 0),
    "num_processes": ("whole", 1),
    "model_type": ("text", 0),
    "optimizer": ("text", 0),
    "mixed_precision": ("text", 0),
    "attention_mechanism": ("text", 0),
    "dynamo_backend": ("text", 0),
    "vae_enable_tiling": ("switch", 0),
    "find_unused_parameters": ("switch", 0),
    "flux_fast_schedule": ("switch", 0),
    "ideogram_validation": ("switch", 0),
    "trust_remote_code": ("switch", 0),
    "validation_resolution": ("text", 0),
    "init_lora_step": ("whole", 0),
    "repeats": ("whole", 0),
    "push_checkpoints_to_hub": ("switch", 0),
    "push_to_hub_background": ("switch", 0),
    "model_card_private": ("switch", 0),
    "model_card_safe_for_work": ("switch", 0),
    "model_card_note": ("prose", 0),
    "modelspec_comment": ("prose", 0),
}
"""Options with limits of their own, by plain name: the kind of value and its minimum.

Any other option of the trainer is changed by its type in the trainer's parser alone. The minimum
is inclusive for `whole` and exclusive for `number`; other kinds ignore it. `repeats` is no option
of the trainer: it is written into the datasets.
"""
MOST_PROSE: Final = 4000
_MOST: Final = 1e12
_VARIABLE: Final = re.compile(r"\{\s*env:([^}]*)\}", re.IGNORECASE)
_SECRET_WORD: Final = re.compile(r"token|secret|passw|credential|auth|key", re.IGNORECASE)


def parse_override(name: str, text: str) -> Any:
    """Parse the text that a user typed for an option.

    Raises:
        ValueError: the option does not exist or cannot have that value; the text is for the screen.
    """
    text = text.strip()
    if name not in OVERRIDES:
        from tui.simpletuner.config.any_option import parse_option

        return parse_option(name, text)
    kind, least = OVERRIDES[name]
    if kind == "prose":
        return read_prose(name, text)
    if kind == "text":
        return text
    if kind == "switch":
        if text.lower() not in SWITCH_WORDS:
            raise ValueError("must be true or false")
        return SWITCH_WORDS[text.lower()]
    number = number_text(name, text)
    try:
        value = float(number)
    except ValueError:
        raise ValueError("must be a number") from None
    if kind == "whole":
        if not least <= value < _MOST:
            raise ValueError("must be more than zero" if least else "must not be less than zero")
        if value != int(value):
            raise ValueError("must be a whole number")
        return int(value)
    if not least < value < _MOST:
        raise ValueError("must be more than zero")
    return value


def can_override(name: str, value: Any) -> bool:
    """Whether one job can have this value of an option."""
    if name in OVERRIDES:
        return True
    from tui.simpletuner.config.any_option import read_option

    try:
        read_option(name, value)
    except ValueError:
        return False
    return True


def read_prose(name: str, text: str) -> str:
    """Check a text that is published with the model, and return it.

    Raises:
        ValueError: the text is too long or unfit; the error's text is for the screen.
    """
    if len(text) > MOST_PROSE:
        raise ValueError(f"must have at most {MOST_PROSE} characters")
    if any(not letter.isprintable() and letter not in "\n\t" for letter in text):
        raise ValueError("must not hold control characters")
    if name == "modelspec_comment" and (placeholders := secret_variables(text)):
        raise ValueError(
            f"must not hold {placeholders[0]}: it would publish a secret of the trainer's"
        )
    return text


def secret_variables(text: str) -> tuple[str, ...]:
    """The placeholders in a `modelspec_comment` that would write a token or key into the model.

    The trainer replaces `{env:NAME}` by an environment variable of its container, and the job's
    tokens are in its environment.
    """
    matches = _VARIABLE.finditer(text)
    return tuple(match[0] for match in matches if _SECRET_WORD.search(match[1]))


def override_text(value: Any) -> str:
    """The text that `parse_override` parses as `value`."""
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return str(value).lower() if isinstance(value, bool) else f"{value}"


def with_options(config: TrainingConfig, overrides: Mapping[str, Any]) -> TrainingConfig:
    """The config with `overrides` (names dashed or not) applied, datasets included.

    In the trainer a dataset's own resolution wins over the config's, so a changed resolution is
    written into the datasets as well. Repeats belong to the datasets alone.
    """
    plain = plain_keys(overrides)[0]
    in_datasets: JsonObject = {}
    if (repeats := plain.pop("repeats", None)) is not None:
        in_datasets["repeats"] = repeats
    values = effective_options(config.values, plain)
    if plain.get("resolution") is not None:
        kind = plain.get("resolution_type") or _resolution_type(plain["resolution"])
        in_datasets |= {"resolution": plain["resolution"], "resolution_type": kind}
        values["resolution_type"] = kind
    datasets = config.datasets
    if in_datasets:
        datasets = tuple(
            replace(spec, raw={**spec.raw, **in_datasets}) if spec.kind != "cache" else spec
            for spec in datasets
        )
    if "caption_strategy" in plain:  # it is the default of a dataset that names none
        strategy = (as_text(plain["caption_strategy"]) or "filename").lower()
        datasets = tuple(
            spec if spec.raw.get("caption_strategy") else replace(spec, caption_strategy=strategy)
            for spec in datasets
        )
    return replace(config, values=values, datasets=datasets)


def _resolution_type(resolution: Any) -> str:
    """`area` for a small number, which is in megapixels; `pixel_area` for an edge in pixels."""
    return "area" if (as_float(resolution) or 0) <= MEGAPIXELS_BELOW else "pixel_area"


def effective_options(values: Mapping[str, Any], overrides: Mapping[str, Any]) -> JsonObject:
    """A config's options with `overrides` (plain names) applied; None removes an option.

    Steps and epochs exclude each other: an override of one sets the other to 0.
    """
    options = {**values, **overrides}
    if (as_int(overrides.get("max_train_steps")) or 0) > 0:
        options["num_train_epochs"] = 0
    elif (as_int(overrides.get("num_train_epochs")) or 0) > 0:
        options["max_train_steps"] = 0
    if "model_flavor" in options:  # the option has one spelling in the trainer
        options.setdefault("model_flavour", options.pop("model_flavor"))
    return {name: value for name, value in options.items() if value is not None}
