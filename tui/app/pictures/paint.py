"""Draws a picture with half blocks: plain cells, which go through the app's own display.

A cell is two pixels, one above the other: the upper half in one colour on the other, or the lower
half the other way round. Of the two that is taken whose ink is the greater number, so two colours
are one style whichever is above, and a cell of one colour is a space. Most of what a picture takes
are changes of style: so it is a fifth less.
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
LOWER_HALF: Final = "▄"
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
    look, text = pairs[0], ""
    for upper, lower in pairs:
        own = (upper, lower) if upper > lower else (lower, upper)
        is_plain = upper == lower
        if text and own != look and not (is_plain and upper == look[1]):
            segments.append(Segment(text, style(*look)))
            text = ""
        if not (text and is_plain):  # else it is on the ground of those before it
            look = own
        text += " " if is_plain else UPPER_HALF if own[0] is upper else LOWER_HALF
    segments.append(Segment(text, style(*look)))
    return Strip(segments, len(pairs))


@lru_cache(maxsize=8192)
def _true_style(ink: bytes, ground: bytes) -> Style:
    return Style(color=Color.from_rgb(*ink), bgcolor=Color.from_rgb(*ground))


@lru_cache(maxsize=8192)
def _palette_style(ink: int, ground: int) -> Style:
    return Style(color=Color.from_ansi(ink), bgcolor=Color.from_ansi(ground))
