"""Validation pictures: small, plainly marked copies of a training image."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

_EDGE = 256


def draw_validation(
    output: Path, step: int, prompts: Sequence[str], images: Sequence[Path]
) -> list[Path]:
    """Write one picture per prompt, where SimpleTuner puts them, and return their paths.

    A hosted dataset has no images here, and then there are no pictures.
    """
    from PIL import Image, ImageDraw, UnidentifiedImageError

    folder = output / "validation_images"
    written: list[Path] = []
    for index, prompt in enumerate(prompts):
        if not images:
            break
        source = images[(step + index) % len(images)]
        try:
            with Image.open(source) as picture:
                small = picture.convert("RGB").resize((_EDGE, _EDGE))
        except (OSError, ValueError, UnidentifiedImageError, Image.DecompressionBombError):
            continue
        ImageDraw.Draw(small).text((8, _EDGE - 18), f"simulated · step {step}", fill="white")
        folder.mkdir(parents=True, exist_ok=True)
        words = re.sub(r"[^a-z0-9]+", "_", prompt.lower()).strip("_")[:40] or "prompt"
        path = folder / f"step_{step}_{words}_{_EDGE}x{_EDGE}.png"
        small.save(path)
        written.append(path)
    return written
