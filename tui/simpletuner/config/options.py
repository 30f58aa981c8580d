"""A config with some of its options changed for one job; the file stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tui.simpletuner.config.dataloader import MEGAPIXELS_BELOW
from tui.simpletuner.config.training_config import TrainingConfig
from tui.simpletuner.config.values import as_float, as_int, plain_keys


def with_options(config: TrainingConfig, overrides: Mapping[str, Any]) -> TrainingConfig:
    """The config as it will be with `overrides` (dashed or not), datasets included.

    A dataset's own resolution wins over the config's, so a changed resolution is written into the
    datasets as well.
    """
    plain = plain_keys(overrides)[0]
    values = effective_options(config.values, plain)
    changed = replace(config, values=values)
    if plain.get("resolution") is None:
        return changed
    size = {"resolution": plain["resolution"]}
    kind = plain.get("resolution_type") or _resolution_type(plain["resolution"])
    datasets = tuple(
        replace(spec, raw={**spec.raw, **size, "resolution_type": kind})
        if spec.kind != "cache"
        else spec
        for spec in config.datasets
    )
    return replace(changed, values={**values, "resolution_type": kind}, datasets=datasets)


def _resolution_type(resolution: Any) -> str:
    """Megapixels are written as small numbers, edges in pixels as large ones."""
    return "area" if (as_float(resolution) or 0) <= MEGAPIXELS_BELOW else "pixel_area"


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
