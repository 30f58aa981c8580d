"""Writes a config in SimpleTuner's layout: `config/<name>/config.json` and what belongs to it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tui.base.json_types import JsonObject
from tui.base.new_files import create
from tui.simpletuner.config.load import (
    CONFIG_FILE,
    CONFIG_FILES,
    DATALOADER_FILE,
    LYCORIS_FILE,
    project_of,
)
from tui.simpletuner.config.secrets_found import without_secrets
from tui.simpletuner.config.training_config import DatasetSpec, TrainingConfig
from tui.simpletuner.errors import ConfigError


def save_as(config: TrainingConfig, root: Path, name: str) -> tuple[Path, tuple[str, ...]]:
    """Write a config with its dataloader under another name. Credentials are left out.

    Args:
        config: the config with every change applied.
        root: the project folder; `config/<name>/` is created in it.
        name: the new config's name.

    Returns:
        The path of the new config.json, and the names of options that were left out as secrets.

    Raises:
        ConfigError: there is no dataloader, or as `write_config`.
    """
    values, secrets = without_secrets(dict(config.values))
    values |= {"output_dir": f"output/{name}"}
    values |= {key: name for key in ("tracker_run_name",) if key in values}
    if not config.datasets:
        advice = "Correct data_backend_config first."
        raise ConfigError(f"{config.name} has no dataloader to save with it", advice, config.path)
    moved = project_of(config.path) != root.absolute()
    entries = [_placed(spec) if moved else dict(spec.raw) for spec in config.datasets]
    kept, more = without_secrets(entries, "dataloader")
    path = write_config(root, name, values, kept, config.lycoris)
    return path, (*secrets, *more)


def _placed(spec: DatasetSpec) -> JsonObject:
    """A dataset whose folder is found from any project."""
    names = [n for n in ("instance_data_dir", "instance_data_root") if spec.raw.get(n)]
    return {**spec.raw, **(dict.fromkeys(names, str(spec.path)) if spec.path else {})}


def write_config(
    root: Path,
    name: str,
    values: Mapping[str, Any],
    dataloader: Sequence[Mapping[str, Any]],
    lycoris: Mapping[str, Any] | None = None,
) -> Path:
    """Write a new config; what is there already is never replaced.

    Returns:
        The path of its config.json.

    Raises:
        ConfigError: the name cannot be a folder, a config of that name exists, or the folder cannot
            be written.
    """
    if not name or name.startswith(".") or any(c in "/\\" or not c.isprintable() for c in name):
        raise ConfigError(f"{name!r} cannot be the name of a folder", "Use letters and digits.")
    folder = root / "config" / name
    taken = [folder.with_name(f"{name}.json"), *(folder / file for file in CONFIG_FILES)]
    if any(map(os.path.lexists, taken)):
        raise ConfigError(f"{folder} holds a config already", "Choose another name.", folder)
    values = {**values, "data_backend_config": f"config/{name}/{DATALOADER_FILE}"}
    if lycoris is not None:
        values["lycoris_config"] = f"config/{name}/{LYCORIS_FILE}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / DATALOADER_FILE, list(dataloader))
        if lycoris is not None:
            _write(folder / LYCORIS_FILE, lycoris)
        _write(folder / CONFIG_FILE, values)
    except FileExistsError as error:
        message = f"{error.filename} exists already"
        raise ConfigError(message, "Choose another name.", folder) from None
    except OSError as error:
        advice = "Choose a folder that you may write to."
        raise ConfigError(f"{folder}: {error.strerror}", advice, folder) from error
    return folder / CONFIG_FILE


def _write(path: Path, value: Any) -> None:
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    create(path, lambda file: file.write(text.encode()))
