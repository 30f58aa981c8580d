"""The contrast of text on its background, by the formula of WCAG 2.1."""

from __future__ import annotations

from collections.abc import Iterator

from rich.color import Color
from rich.segment import Segment
from rich.style import Style

from tui.app.app import SimpleTunerApp

LEAST = 4.5
"""WCAG 2.1, 1.4.3, level AA."""


def contrast(front: tuple[int, int, int], back: tuple[int, int, int]) -> float:
    """The ratio of two colours, 1 to 21."""
    lighter, darker = sorted((_luminance(front), _luminance(back)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: tuple[int, int, int]) -> float:
    parts = [part / 255 for part in color]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast_of(style: Style) -> float | None:
    """The ratio that a style has; None where a colour is the terminal's own."""
    front, back = style.color, style.bgcolor
    if front is None or back is None or front.is_default or back.is_default:
        return None
    ratio = contrast(_rgb(front), _rgb(back))
    return ratio / 2 if style.dim else ratio


def _rgb(color: Color) -> tuple[int, int, int]:
    triplet = color.get_truecolor()
    return triplet.red, triplet.green, triplet.blue


def faint_texts(app: SimpleTunerApp) -> Iterator[str]:
    """Text on the screen whose contrast is too low, with its ratio; frames and bars are no text."""
    for strip in app.screen._compositor.render_strips():
        for text, style, _ in strip:
            readable = any(char.isalnum() for char in text)
            ratio = contrast_of(style) if readable and style is not None else None
            if ratio is not None and ratio < LEAST:
                yield f"{ratio:.2f} {Segment(text).text.strip()!r} {style}"
