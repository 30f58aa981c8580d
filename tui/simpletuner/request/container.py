"""Rewrites options and datasets for the trainer's container: paths, webhook, output folder.

The predictor adds its settings under dashed names (`--output_dir` only where that exact key is
missing, `--data_backend_config`, `--max_train_steps`) and a plain `webhook_config`. A config that
spells these without dashes would then have two of each, so all options are sent dashed, and those
that the predictor sets itself are left out. Source: SimpleTuner's `simpletuner/cog.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from tui.base.json_types import JsonObject
from tui.simpletuner.config.load import PACKAGE_PREFIX
from tui.simpletuner.config.secrets_found import without_secrets
from tui.simpletuner.config.training_config import DatasetSpec
from tui.simpletuner.config.values import as_text
from tui.simpletuner.errors import Note

UPLOAD_ROOT = "datasets/cog/images"
"""Folder in the container that the archive is unpacked into, with one folder per dataset."""

_SET_BY_TRAINER = {
    "output_dir": "the trainer chooses its own output folder",
    "data_backend_config": "the dataloader is sent as an input of its own",
    "webhook_config": "the trainer replaces it by its own receiver",
    "lycoris_config": "LyCORIS settings are sent as an input of their own",
}
_PATH_OPTIONS = ("cache_dir", "cache_dir_vae", "cache_dir_text", "logging_dir")
_DATALOADER_PATHS = ("cache_dir", "cache_dir_vae", "instance_data_cache_dir")
# Options of a hosted dataset that name a local file.
_LOCAL_FILES = ("csv_file", "metadata_file")


def container_options(
    values: Mapping[str, Any], notes: list[Note], dropped: list[str]
) -> JsonObject:
    """Options (plain names) as the trainer gets them, without local paths and credentials.

    Args:
        values: the config's options.
        notes: receives remarks.
        dropped: receives what is left out, with the reason.
    """
    options: JsonObject = {}
    for name, value in values.items():
        packaged = isinstance(value, str) and value.startswith(PACKAGE_PREFIX)
        if name == "lycoris_config" and packaged:
            options[name] = value  # only the trainer can read it
        elif reason := _SET_BY_TRAINER.get(name):
            if name == "webhook_config":
                dropped.append(f"{name}: {reason}")
        elif name in _PATH_OPTIONS and is_outside(value):
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


def dashed(options: Mapping[str, Any]) -> JsonObject:
    """Options under dashed names: the predictor's settings replace only that spelling."""
    return {f"--{name}": value for name, value in options.items()}


def container_dataloader(
    specs: Sequence[DatasetSpec],
    folders: Mapping[str, str] | None,
    notes: list[Note],
    dropped: list[str],
) -> list[JsonObject]:
    """Dataloader entries as the trainer gets them.

    Args:
        specs: the config's datasets.
        folders: archive folder by dataset id; None when no archive is sent. Local datasets without
            a folder are left out, because the trainer cannot reach them.
        notes: receives remarks.
        dropped: receives what is left out, with the reason.
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


def _container_entry(spec: DatasetSpec, folder: str | None, notes: list[Note]) -> JsonObject:
    open_values = {key: None if is_placeholder(value) else value for key, value in spec.raw.items()}
    cleaned, places = without_secrets(open_values)
    entry: JsonObject = {
        key: spec.raw[key] if is_placeholder(spec.raw[key]) else value
        for key, value in cleaned.items()
    }
    if places:
        advice = (
            "Use a public or pre-signed address (csv with URLs), or a Hub dataset with your token."
        )
        keys = ", ".join(places)
        message = f"dataset {spec.id} holds keys ({keys}) that anyone who sees the job could read"
        notes.append(Note("error", f"{message}; they are not sent", advice))
    for name in _DATALOADER_PATHS:
        if is_outside(entry.get(name)):
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
    """Names of the options whose value is an absolute path or a path in a home folder."""
    return [
        name
        for name, value in options.items()
        if isinstance(value, str) and value.startswith(("/", "~/"))
    ]


def is_placeholder(value: Any) -> bool:
    """Whether a value stands for one that is put into the request when it is posted.

    It is a remark in brackets, which no key and no name of a bucket is.
    """
    return isinstance(value, str) and value.startswith("(") and value.endswith(")")


def is_outside(value: Any) -> bool:
    """Whether an option is a path that means nothing in the container."""
    text = as_text(value)
    if not text or "://" in text:
        return False
    return text.startswith(("/", "~")) or ".." in PurePosixPath(text).parts
