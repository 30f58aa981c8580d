"""Draws the loss curve for a model card, as PNG."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

_SIZE = (960, 360)
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 24, 24, 44
_PAPER, _INK, _GRID = (255, 255, 255), (70, 70, 80), (228, 228, 234)
_RAW, _SMOOTH = (190, 205, 235), (36, 92, 190)
_LINES = 4


def draw_loss(points: Sequence[tuple[int, float]]) -> bytes | None:
    """Draw a PNG with the raw and the smoothed curve; None for fewer than two finite points."""
    from PIL import Image, ImageDraw, ImageFont

    usable = sorted((step, loss) for step, loss in points if math.isfinite(loss))
    if len(usable) < 2 or usable[0][0] == usable[-1][0]:
        return None
    image = Image.new("RGB", _SIZE, _PAPER)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=13)
    first, last = usable[0][0], usable[-1][0]
    low, high = min(loss for _, loss in usable), max(loss for _, loss in usable)
    if low == high:
        low, high = low - 0.5, high + 0.5
    width, height = _SIZE[0] - _LEFT - _RIGHT, _SIZE[1] - _TOP - _BOTTOM

    def to_pixels(step: float, loss: float) -> tuple[float, float]:
        x = _LEFT + width * (step - first) / (last - first)
        return x, _TOP + height * (high - loss) / (high - low)

    for line in range(_LINES + 1):
        loss = low + (high - low) * line / _LINES
        _, y = to_pixels(first, loss)
        draw.line((_LEFT, y, _SIZE[0] - _RIGHT, y), _GRID)
        draw.text((_LEFT - 8, y), f"{loss:.3g}", _INK, font, anchor="rm")
        step = first + (last - first) * line / _LINES
        x, _ = to_pixels(step, low)
        draw.text((x, _SIZE[1] - _BOTTOM + 8), f"{step:.0f}", _INK, font, anchor="mt")
    draw.text((_SIZE[0] / 2, _SIZE[1] - 6), "step", _INK, font, anchor="ms")
    draw.text((_LEFT, 6), "loss", _INK, font, anchor="lt")
    draw.line([to_pixels(*point) for point in usable], _RAW, 1)
    draw.line([to_pixels(*point) for point in smooth(usable)], _SMOOTH, 2, joint="curve")
    target = io.BytesIO()
    image.save(target, "PNG", optimize=True)
    return target.getvalue()


def smooth(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Smooth by an exponential mean over about a twentieth of the points, without start-up bias."""
    keep = 1 - 1 / max(1.0, len(points) / 20)
    total = weight = 0.0
    smoothed = []
    for step, loss in points:
        total = keep * total + loss
        weight = keep * weight + 1
        smoothed.append((step, total / weight))
    return smoothed
