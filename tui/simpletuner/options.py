"""A config with some of its options changed for one job; the file stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tui.simpletuner.config import TrainingConfig
from tui.simpletuner.values import as_int, plain_keys


def with_options(config: TrainingConfig, overrides: Mapping[str, Any]) -> TrainingConfig:
    """The config as it will be with `overrides` (dashed or not), for checks and estimates."""
    return replace(config, values=effective_options(config.values, plain_keys(overrides)[0]))


def effective_options(values: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """A config's options with `overrides` (plain names) on top; None removes an option.

    Steps and epochs exclude each other: setting one in the overrides turns the other off.
    """
    options = {**values, **overrides}
    if (as_int(overrides.get("max_train_steps")) or 0) > 0:
        options["num_train_epochs"] = 0
    elif (as_int(overrides.get("num_train_epochs")) or 0) > 0:
        options["max_train_steps"] = 0
    if "model_flavor" in options:  # the option has one spelling in the trainer
        options.setdefault("model_flavour", options.pop("model_flavor"))
    return {name: value for name, value in options.items() if value is not None}
