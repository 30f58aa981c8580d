"""Small SimpleTuner projects for tests: real images, real files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

BASE: dict[str, Any] = {
    "model_family": "flux",
    "model_flavour": "dev",
    "model_type": "lora",
    "lora_type": "standard",
    "lora_rank": 16,
    "max_train_steps": 100,
    "num_train_epochs": 0,
    "train_batch_size": 1,
    "gradient_checkpointing": True,
    "base_model_precision": "int8-quanto",
    "learning_rate": 1e-4,
    "optimizer": "adamw_bf16",
    "resolution": 256,
    "resolution_type": "pixel_area",
    "validation_prompt": "a cat",
    "validation_step_interval": 50,
    "checkpoint_step_interval": 50,
    "report_to": "none",
    "data_backend_config": "config/cats/multidatabackend.json",
    "output_dir": "output/cats",
}
"""A config without anything to complain about."""


def write_image(path: Path, size: tuple[int, int] = (256, 256), shade: int = 40) -> Path:
    """A small image in the format that the name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.radial_gradient("L").resize(size).point(lambda x: (x + shade) % 256).save(path)
    return path


def write_dataset(folder: Path, names: Sequence[str] = ("a.png", "b.jpg", "c.webp")) -> Path:
    """A folder of images, each with a caption."""
    for number, name in enumerate(names):
        image = write_image(folder / name, shade=number)
        image.with_suffix(".txt").write_text(f"a cat, number {number}\n")
    return folder


def local_entry(folder: Path | str, **changes: Any) -> dict[str, Any]:
    """A dataloader entry for a folder on this machine."""
    return {
        "id": "cats",
        "type": "local",
        "instance_data_dir": str(folder),
        "caption_strategy": "textfile",
        "resolution": 256,
        "resolution_type": "pixel_area",
        "cache_dir_vae": "cache/vae/cats",
    } | changes


TEXT_CACHE = {
    "id": "text",
    "type": "local",
    "dataset_type": "text_embeds",
    "default": True,
    "cache_dir": "cache/text",
}

HOSTED = {
    "id": "domokun",
    "type": "huggingface",
    "dataset_name": "RareConcepts/Domokun",
    "caption_strategy": "instanceprompt",
    "instance_prompt": "domokun",
}


def write_project(
    root: Path,
    entries: Sequence[Mapping[str, Any]] | None = None,
    *,
    name: str = "cats",
    **changes: Any,
) -> Path:
    """A project with one config; returns the path of its config.json."""
    if entries is None:
        write_dataset(root / "datasets" / "cats")
        entries = [local_entry("datasets/cats"), TEXT_CACHE]
    folder = root / "config" / name
    folder.mkdir(parents=True, exist_ok=True)
    config = {key: value for key, value in (BASE | changes).items() if value is not None}
    (folder / "multidatabackend.json").write_text(json.dumps(list(entries)))
    (folder / "config.json").write_text(json.dumps(config))
    return folder / "config.json"
