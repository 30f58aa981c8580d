"""Rewriting settings for the trainer's container: its paths, its webhook, its output.

The predictor adds its settings under dashed names (`--output_dir` only where that exact key is
missing, `--data_backend_config`, `--max_train_steps`) and a plain `webhook_config`. A config that
spells these without dashes ends with two of each, so everything is sent dashed here, and what the
predictor sets itself is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from tui.simpletuner.config.secrets_found import without_secrets
from tui.simpletuner.config.training_config import DatasetSpec
from tui.simpletuner.config.values import as_text
from tui.simpletuner.errors import Note

UPLOAD_ROOT = "datasets/cog/images"
"""Where the dataloader of a job with an archive looks for it; one folder per dataset below it."""

_SET_BY_TRAINER = {
    "output_dir": "the trainer chooses its own output folder",
    "data_backend_config": "the dataloader is sent as an input of its own",
    "webhook_config": "the trainer replaces it by its own receiver",
    "lycoris_config": "LyCORIS settings are sent as an input of their own",
}
_PATH_OPTIONS = ("cache_dir", "cache_dir_vae", "cache_dir_text", "logging_dir")
_DATALOADER_PATHS = ("cache_dir", "cache_dir_vae", "instance_data_cache_dir")
# Entries that name a file beside the images.
_LOCAL_FILES = ("csv_file", "metadata_file")


def container_options(
    values: Mapping[str, Any], notes: list[Note], dropped: list[str]
) -> dict[str, Any]:
    """Options (plain names) as they should reach the trainer.

    Args:
        values: the config's options.
        notes: remarks are added here.
        dropped: what was left out, with the reason, is added here.
    """
    options: dict[str, Any] = {}
    for name, value in values.items():
        if reason := _SET_BY_TRAINER.get(name):
            if name == "webhook_config":
                dropped.append(f"{name}: {reason}")
        elif name in _PATH_OPTIONS and _is_outside(value):
            dropped.append(f"{name}: {value} means nothing in the trainer's container")
        elif not name.startswith("__"):
            options[name] = value
    cleaned, places = without_secrets(options)
    if places:
        notes.append(
            Note(
                "warn",
                f"left out of the config, since anyone who sees the job could read it: "
                f"{', '.join(places)}",
                "Give tokens and keys through the environment or the Cloud screen.",
            )
        )
        dropped.extend(f"{place}: looks like a secret" for place in places)
    return dict(cleaned)


def dashed(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options under dashed names, the only spelling that the predictor's settings replace."""
    return {f"--{name}": value for name, value in options.items()}


def container_dataloader(
    specs: Sequence[DatasetSpec],
    folders: Mapping[str, str] | None,
    notes: list[Note],
    dropped: list[str],
) -> list[dict[str, Any]]:
    """Dataloader entries as they should reach the trainer.

    Args:
        specs: the config's entries.
        folders: archive folder by dataset id when an archive goes along, else None; local datasets
            are then left out, since the trainer cannot reach them.
        notes: remarks are added here.
        dropped: what was left out, with the reason, is added here.
    """
    entries = []
    for spec in specs:
        if spec.kind == "local" and spec.disabled:
            continue
        folder = (folders or {}).get(spec.id)
        if spec.kind == "local" and folder is None:
            dropped.append(f"dataset {spec.id}: its folder is on this machine")
            continue
        entries.append(_container_entry(spec, folder, notes))
    return entries


def _container_entry(spec: DatasetSpec, folder: str | None, notes: list[Note]) -> dict[str, Any]:
    cleaned, places = without_secrets(dict(spec.raw))
    entry: dict[str, Any] = dict(cleaned)
    if places:
        advice = (
            "Use a public or pre-signed address (csv with URLs), or a Hub dataset with your token."
        )
        keys = ", ".join(places)
        message = f"dataset {spec.id} holds keys ({keys}) that anyone who sees the job could read"
        notes.append(Note("error", f"{message}; they are not sent", advice))
    for name in _DATALOADER_PATHS:
        if _is_outside(entry.get(name)):
            entry[name] = f"cache/{name.removeprefix('cache_dir').strip('_') or 'data'}/{spec.id}"
    if spec.kind == "local" and folder is not None:
        entry["instance_data_dir"] = f"{UPLOAD_ROOT}/{folder}"
        parquet = entry.get("parquet")
        if isinstance(parquet, Mapping) and (path := as_text(parquet.get("path"))):
            name = PurePosixPath(path).name
            entry["parquet"] = {**parquet, "path": f"{UPLOAD_ROOT}/{folder}/{name}"}
    elif spec.kind == "remote" and not spec.disabled:
        for name in _LOCAL_FILES:
            path = as_text(entry.get(name))
            if path and "://" not in path:
                message = f"dataset {spec.id}: {name} is a file on this machine, not sent"
                notes.append(Note("error", message, "Put it at a web address."))
    return entry


def reaches_outside(options: Mapping[str, Any]) -> list[str]:
    """Options whose value is an absolute path or one in a home folder, by name."""
    return [
        name
        for name, value in options.items()
        if isinstance(value, str) and value.startswith(("/", "~/"))
    ]


def _is_outside(value: Any) -> bool:
    text = as_text(value)
    if not text or "://" in text:
        return False
    return text.startswith(("/", "~")) or ".." in PurePosixPath(text).parts
