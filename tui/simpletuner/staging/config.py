"""Puts rewritten entries into a config, and a job's values into a request."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from tui.simpletuner.config.training_config import TrainingConfig, read_entries
from tui.simpletuner.staging.aws import with_latents_entry
from tui.simpletuner.staging.caches import with_caches

_CODED: Final = "data:application/json;base64,"


def with_entries(
    config: TrainingConfig, entries: Mapping[str, Mapping[str, Any]]
) -> TrainingConfig:
    """Return a config whose local datasets are replaced by staged ones, by id.

    Entries that these need are added where they are missing, and their caches lie outside of what
    the trainer delivers.
    """
    rows = with_latents_entry(
        [
            entries.get(spec.id, spec.raw) if spec.kind == "local" else spec.raw
            for spec in config.datasets
        ]
    )
    if entries:
        rows = with_caches(rows, entries.keys(), config.values)
    return _with_rows(config, rows)


def with_own_caches(config: TrainingConfig) -> TrainingConfig:
    """Return a config whose hosted datasets have their caches outside of what is delivered."""
    return _with_rows(
        config, with_caches([spec.raw for spec in config.datasets], (), config.values)
    )


def _with_rows(config: TrainingConfig, rows: Sequence[Mapping[str, Any]]) -> TrainingConfig:
    """The config with other dataloader entries; what is the same keeps its dataset."""
    read = read_entries(rows, [config.path.parent])
    specs = [
        new if dict(spec.raw) != row else spec
        for spec, new, row in zip(config.datasets, read, rows, strict=False)
    ]
    specs += read[len(specs) :]
    return replace(config, datasets=tuple(specs), dataloader=tuple(rows))


def fill_placeholders(text: str, values: Mapping[str, str]) -> str:
    """Replace placeholders in a `dataloader_json`, which old versions take as a data URL."""
    if text.startswith(_CODED):
        plain = base64.b64decode(text.removeprefix(_CODED)).decode()
        return _CODED + base64.b64encode(fill_placeholders(plain, values).encode()).decode()
    for placeholder, value in values.items():
        text = text.replace(_inside(placeholder), _inside(value))
    return text


def dataset_names(text: str) -> set[str]:
    """Return the `dataset_name` of each entry of a `dataloader_json`; empty for another text."""
    if text.startswith(_CODED):
        text = base64.b64decode(text.removeprefix(_CODED)).decode()
    try:
        rows = json.loads(text)
    except ValueError:
        return set()
    return {str(row["dataset_name"]) for row in rows if "dataset_name" in row}


def _inside(text: str) -> str:
    """A text as it stands between the quotes of a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1]
