"""Turns one raw line of a log into coloured text that cannot disturb a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tui.app.lines import plain
from tui.app.theme import Palette
from tui.app.widgets.log_source import LINE_LIMIT
from tui.simpletuner.log_classify import LineKind, classify_line

_ESCAPES: Final = re.compile(r"\x1b(?:\[[0-9;:?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])")
_TAG: Final = re.compile(r"\[(?:STAGE|TRAINING|CHECKPOINT|INFO|WARN|ERROR|DEBUG|EVENT|COG)\]")
_HIT: Final = Style(reverse=True)


def readable(raw: bytes) -> str:
    """The text of a line: escape sequences dropped, tabs widened, other controls made visible."""
    text = raw.decode("utf-8", "replace")
    if "\x1b" in text:
        text = _ESCAPES.sub("", text)
    if "\t" in text:
        text = text.expandtabs(8)
    return plain(text)


def style_of(kind: LineKind, colors: Palette) -> Style:
    """The colour of a kind of line."""
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


def paint(raw: bytes, length: int, colors: Palette, pattern: re.Pattern[bytes] | None) -> Strip:
    """One line as a strip.

    Args:
        raw: its bytes, cut at `LINE_LIMIT`.
        length: how many bytes it really has.
        colors: the theme.
        pattern: hits to mark.
    """
    text = readable(raw)
    kind = classify_line(text)
    style = style_of(kind, colors)
    segments = list(_pieces(text, kind, style, colors))
    if length > LINE_LIMIT:
        segments.append(Segment(f" … this line has {length:,} bytes", colors.dim))
    strip = Strip(segments)
    return _marked(strip, text, pattern) if pattern is not None else strip


def _pieces(text: str, kind: LineKind, style: Style, colors: Palette) -> Iterator[Segment]:
    """The tag, the bar and the figures of a line in tones of their own."""
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


def _marked(strip: Strip, text: str, pattern: re.Pattern[bytes]) -> Strip:
    """The strip with its hits in reverse."""
    try:
        again = re.compile(pattern.pattern.decode(), pattern.flags & re.IGNORECASE)
    except (re.error, UnicodeDecodeError):
        return strip
    spans = [found.span() for found in again.finditer(text) if found.end() > found.start()][:200]
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
