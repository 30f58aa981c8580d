"""The example project of the demo: a Flux LoRA config and nine free photographs with captions."""

from __future__ import annotations

import shutil
from importlib import resources
from pathlib import Path

CONFIG = Path("config/cat-lora/config.json")
"""The example's training config, below the project folder."""


def write_demo_project(dest: Path) -> Path:
    """Copy the example project into `dest` and return the path of its training config.

    `dest` is created as needed; existing files of the project are replaced.

    Raises:
        OSError: the folder cannot be written.
    """
    with resources.as_file(resources.files(__name__) / "project") as source:
        shutil.copytree(source, dest, dirs_exist_ok=True, copy_function=shutil.copyfile)
    return dest / CONFIG
