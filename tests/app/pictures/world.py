"""A picture that has two colours in each cell."""

from __future__ import annotations

from PIL import Image


def falling_light() -> Image.Image:
    """White above, black below, 64 pixels wide and high."""
    light = Image.linear_gradient("L").transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    return light.resize((64, 64)).convert("RGB")
