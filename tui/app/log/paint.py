"""Turns one line of a log into coloured text that cannot disturb a terminal."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Final

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tui.app.terminal.text_lines import plain
from tui.app.terminal.theme import Palette
from tui.simpletuner.log.classify import LineKind, classify_line

Marks = Callable[[str], list[tuple[int, int]]]
"""Returns start and end of each hit in a line's text."""

_TAG: Final = re.compile(r"\[(?:STAGE|TRAINING|CHECKPOINT|INFO|WARN|ERROR|DEBUG|EVENT|COG)\]")
_HIT: Final = Style(reverse=True)
_MOST_MARKS: Final = 200


def style_of(kind: LineKind, colors: Palette) -> Style:
    """Returns the style of a kind of line."""
    return {
        LineKind.STAGE: colors.accent,
        LineKind.CHECKPOINT: colors.good,
        LineKind.PUBLISHED: colors.good,
        LineKind.WARN: colors.warn,
        LineKind.ERROR: colors.bad,
        LineKind.TRACEBACK: colors.bad,
        LineKind.DEBUG: colors.dim,
        LineKind.COG: colors.dim,
        LineKind.EVENT: colors.accent,
        LineKind.STEP_SUMMARY: colors.strong,
    }.get(kind, colors.base)


def paint(text: str, colors: Palette, marks: Marks | None) -> Strip:
    """Returns a line as a strip.

    Args:
        text: the line, safe to show.
        colors: the theme.
        marks: finds the hits to mark.
    """
    text = plain(text)
    kind = classify_line(text)
    strip = Strip(_pieces(text, kind, style_of(kind, colors), colors))
    return _marked(strip, text, marks) if marks is not None else strip


def _pieces(text: str, kind: LineKind, style: Style, colors: Palette) -> Iterator[Segment]:
    """Yields tag, progress bar and figures of a line in tones of their own."""
    if kind is LineKind.BAR or "%|" in text:
        head, _, rest = text.partition("|")
        bar, edge, tail = rest.partition("|")
        if edge:
            yield Segment(head, style)
            yield Segment(f"|{bar}|", colors.dim)
            figures, bracket, values = tail.partition(", ")
            yield Segment(figures + bracket, colors.dim)
            yield Segment(values, style)
            return
    tag = _TAG.match(text)
    if tag is not None and kind in (LineKind.INFO, LineKind.TRAINING):
        yield Segment(tag[0], colors.dim)
        text = text[tag.end() :]
    yield Segment(text, style)


def _marked(strip: Strip, text: str, marks: Marks) -> Strip:
    """Returns the strip with its hits in reverse."""
    spans = marks(text)[:_MOST_MARKS]
    if not spans:
        return strip
    pieces: list[Segment] = []
    at = 0
    for segment in strip:
        end = at + len(segment.text)
        cuts = sorted({at, end, *(edge for span in spans for edge in span if at < edge < end)})
        for left, right in pairwise(cuts):
            inside = any(start <= left < stop for start, stop in spans)
            base = segment.style or Style.null()
            pieces.append(
                Segment(segment.text[left - at : right - at], base + _HIT if inside else base)
            )
        at = end
    return Strip(pieces)
