"""Fixed-width pieces of lines for widgets that draw themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tui.base.formatting import plain as plain  # noqa: PLC0414  the app's own parts take it from here

_LINKS: Final = ("https://", "http://", "file://")
_PARTS: Final = (r"[^/]*/*", r"[^/_.,:=?&-]*[/_.,:=?&-]*", r".")
"""What a word that is longer than a line is broken into, the first that is short enough."""


def fit(text: str, width: int, *, right: bool = False) -> str:
    """Returns text in exactly `width` cells, shortened with `…` where it is too long."""
    if width <= 0:
        return ""
    text = plain(text)
    length = len(text) if text.isascii() else cell_len(text)
    if length > width:
        return (
            text[: width - 1] + "…" if length == len(text) else set_cell_size(text, width - 1) + "…"
        )
    gap = " " * (width - length)
    return gap + text if right else text + gap


def fit_end(text: str, width: int) -> str:
    """Returns at most `width` cells of a path, its end kept: that tells two paths apart."""
    text = plain(text)
    while width > 0 and cell_len(text) > width:
        text = f"…{text[2:] if text.startswith('…') else text[1:]}"
    return text if width > 0 else ""


def wrap(text: str, width: int) -> list[str]:
    """Returns text in lines of at most `width` cells; at least one line.

    A word stays whole. One that is longer than a line, as paths are, is broken between its parts,
    and only a part that is longer than a line is cut anywhere.
    """
    width = max(1, width)
    lines, line = [], ""
    for gap, part in unbreakable(plain(text), width):
        if line and cell_len(line + gap + part) > width:
            lines.append(line)
            line = part
        else:
            line += gap + part
    return [*lines, line]


def unbreakable(text: str, width: int) -> Iterator[tuple[str, str]]:
    """Yields the parts that must not be broken, each with the gap before it."""
    for gap, word in re.findall(r"(\s*)(\S+)", text):
        for number, part in enumerate(_pieces(word, width, _PARTS)):
            yield ("" if number else gap), part


def _pieces(word: str, width: int, ways: tuple[str, ...]) -> list[str]:
    if cell_len(word) <= width or not ways:
        return [word]
    parts = re.findall(ways[0], word)
    return [piece for part in parts if part for piece in _pieces(part, width, ways[1:])]


def linked(style: Style, address: str) -> Style:
    """Returns the style with a hyperlink (OSC 8); without one where `link` is empty.

    An address comes from outside: what could end the sequence or is no web or file address makes no
    link.
    """
    fine = address.startswith(_LINKS) and address.isascii() and address.isprintable()
    return style + Style(link=address) if fine and " " not in address else style


def strip_of(pieces: Iterable[tuple[str, Style]], width: int, base: Style) -> Strip:
    """Returns a strip of exactly `width` cells; neighbours of one style become one segment.

    Nothing that reaches the screen through here can disturb the terminal.
    """
    segments, cells = _segments(pieces, base)
    if cells < width:
        segments.append(Segment(" " * (width - cells), base))
    elif cells > width:
        return Strip(segments).adjust_cell_length(width, base)
    return Strip(segments, width)


def framed_strip(
    pieces: Iterable[tuple[str, Style]],
    width: int,
    base: Style,
    sides: tuple[tuple[str, Style], tuple[str, Style]],
) -> Strip:
    """Returns the same between two sides of one cell each; `width` is without them."""
    segments, cells = _segments(pieces, base)
    if cells > width:
        segments = list(Strip(segments).adjust_cell_length(width, base))
    elif cells < width:
        segments.append(Segment(" " * (width - cells), base))
    left, right = sides
    return Strip([Segment(*left), *segments, Segment(*right)], width + 2)


def _segments(pieces: Iterable[tuple[str, Style]], base: Style) -> tuple[list[Segment], int]:
    """Returns the segments of a line, and how many cells they take."""
    segments: list[Segment] = []
    cells = 0
    last_text, last_style = "", base
    for text, style in pieces:
        if style is last_style or style == last_style:
            last_text += text
        elif text:
            if last_text:
                last_text = plain(last_text)
                segments.append(Segment(last_text, last_style))
                cells += cell_len(last_text)
            last_text, last_style = text, style
    if last_text:
        last_text = plain(last_text)
        segments.append(Segment(last_text, last_style))
        cells += cell_len(last_text)
    return segments, cells


def length(pieces: Iterable[tuple[str, Style]]) -> int:
    """Returns the cells that pieces take."""
    return sum(cell_len(text) for text, _ in pieces)
