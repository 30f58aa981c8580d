"""Draws a picture with half blocks: plain cells, which go through the app's own display.

The upper half of a cell is its foreground and the lower its background. Neighbours of the same
colours share one segment, so a plain area costs a few bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, TypeVar

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tui.app.pictures.decode import CELL_RATIO, Pixels

UPPER_HALF: Final = "▀"
_BYTES: Final = 3
PixelT = TypeVar("PixelT", bytes, int)


def paint(pixels: Pixels, *, true_colour: bool) -> list[Strip]:
    """Return a strip for each row of cells.

    Args:
        pixels: the scaled picture.
        true_colour: whether the terminal has more than 256 colours.
    """
    return [
        _true_row(pixels, row) if true_colour else _palette_row(pixels, row)
        for row in range(pixels.rows)
    ]


def _true_row(pixels: Pixels, row: int) -> Strip:
    length = pixels.width * _BYTES
    start = row * CELL_RATIO * length
    upper, lower = (
        pixels.rgb[start : start + length],
        pixels.rgb[start + length : start + 2 * length],
    )
    pairs = [(upper[at : at + _BYTES], lower[at : at + _BYTES]) for at in range(0, length, _BYTES)]
    return _strip(pairs, _true_style)


def _palette_row(pixels: Pixels, row: int) -> Strip:
    start = row * CELL_RATIO * pixels.width
    middle, end = start + pixels.width, start + 2 * pixels.width
    upper, lower = pixels.palette[start:middle], pixels.palette[middle:end]
    return _strip(list(zip(upper, lower, strict=True)), _palette_style)


def _strip(
    pairs: Sequence[tuple[PixelT, PixelT]], style: Callable[[PixelT, PixelT], Style]
) -> Strip:
    segments: list[Segment] = []
    begin = 0
    for at in range(1, len(pairs) + 1):
        if at == len(pairs) or pairs[at] != pairs[begin]:
            segments.append(Segment(UPPER_HALF * (at - begin), style(*pairs[begin])))
            begin = at
    return Strip(segments, len(pairs))


@lru_cache(maxsize=8192)
def _true_style(upper: bytes, lower: bytes) -> Style:
    return Style(color=Color.from_rgb(*upper), bgcolor=Color.from_rgb(*lower))


@lru_cache(maxsize=8192)
def _palette_style(upper: int, lower: int) -> Style:
    return Style(color=Color.from_ansi(upper), bgcolor=Color.from_ansi(lower))
