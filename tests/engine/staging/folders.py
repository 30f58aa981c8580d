"""Folders of pictures for tests of staging."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from tests.engine.world import World


def picture(path: Path, number: int = 0, *, mode: str = "RGB", turned: bool = False) -> Path:
    """Write a small picture whose pixels depend on the number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", (24, 16), (number * 37 % 256, number * 91 % 256, number * 53 % 256))
    image.putpixel((number % 24, number % 16), (255, 255, 255))
    exif = Image.Exif()
    if turned:
        exif[0x0112] = 6
    image.convert(mode).save(path, exif=exif)
    return path


def pixels(path: Path) -> str:
    """SHA-256 of a picture's RGB pixels, turned as a viewer shows it."""
    with Image.open(path) as image:
        shown = ImageOps.exif_transpose(image).convert("RGB")
        return hashlib.sha256(shown.tobytes()).hexdigest()


def use_datasets(world: World, *entries: Mapping[str, Any]) -> None:
    """Replace the datasets of the example project; its caches stay."""
    path = world.config.with_name("multidatabackend.json")
    caches = [
        entry for entry in json.loads(path.read_text()) if "embeds" in entry.get("dataset_type", "")
    ]
    path.write_text(json.dumps([*entries, *caches]))


def entries_of(world: World, job_id: str) -> dict[str, dict[str, Any]]:
    """The dataloader entries that a job was sent with, by id."""
    rows = json.loads(str(world.job(job_id).inputs["dataloader_json"]))
    return {row["id"]: row for row in rows}
