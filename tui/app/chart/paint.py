"""Puts curves, axes, legend and cursor of a chart into rows of the screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tui.app.chart.canvas import Canvas
from tui.app.chart.data import Series, Span
from tui.app.chart.scale import Scale, label, on_log, round_ticks


@dataclass(frozen=True, slots=True)
class Layer:
    """One curve.

    Attributes:
        series: its points.
        style: its colour.
        dotted: every other dot only, so that it can be told apart without colour.
        faint: behind the others and not in the legend.
    """

    series: Series
    style: Style
    dotted: bool = False
    faint: bool = False


@dataclass(frozen=True, slots=True)
class Tones:
    """Styles of what is no curve."""

    base: Style
    axis: Style
    label: Style
    cursor: Style
    read_out: Style


@dataclass(frozen=True, slots=True)
class Picture:
    """What is to be drawn.

    Attributes:
        layers: curves, the most important first.
        start: first step shown.
        end: last step shown.
        tones: styles.
        log: logarithmic y axis.
        mini: the preview form.
        ascii_only: ASCII characters only.
        cursor: the step of the cursor, or None.
        notes: words at the end of the legend.
    """

    layers: Sequence[Layer]
    start: float
    end: float
    tones: Tones
    log: bool = False
    mini: bool = False
    ascii_only: bool = False
    cursor: int | None = None
    notes: str = ""


@dataclass(frozen=True, slots=True)
class Painted:
    """The rows, and where in them the plot begins and how many cells wide it is."""

    strips: list[Strip]
    left: int
    width: int


def paint_chart(picture: Picture, width: int, height: int, left: int) -> Painted:
    """Draw into `width` by `height` cells.

    Args:
        picture: what is to be drawn.
        width: cells.
        height: rows.
        left: where the plot began last time: a good guess spares looking at the points twice.
    """
    rows = height - 1 if picture.mini else height - 3
    columns = (width - left) * (1 if picture.ascii_only else 2)
    curves = _curves(picture, columns)
    scale = Scale.around(curves, picture.log)
    ticks = scale.ticks(rows)
    margin = max(len(text) for text in ticks.values()) + 1
    canvas = Canvas(width - margin - 1, rows, len(picture.layers), picture.ascii_only)
    if canvas.columns != columns:
        curves = _curves(picture, canvas.columns)
    canvas.faint_from = sum(not layer.faint for layer in picture.layers)
    for at, (layer, spans) in enumerate(zip(picture.layers, curves, strict=True)):
        canvas.curve(at, spans, scale.low, scale.high, dotted=layer.dotted)
    strips = [] if picture.mini else [_legend(picture, width)]
    strips += [_row(picture, canvas, row, ticks.get(row, "").rjust(margin - 1))
               for row in range(rows)]  # fmt: skip
    strips += _axis(picture, margin, canvas.width)
    return Painted(strips, margin + 1, canvas.width)


def _curves(picture: Picture, columns: int) -> list[list[Span | None]]:
    found = [layer.series.spans(picture.start, picture.end, columns) for layer in picture.layers]
    return [on_log(spans) for spans in found] if picture.log else found


def _row(picture: Picture, canvas: Canvas, row: int, tick: str) -> Strip:
    tones, margin = picture.tones, len(tick) + 1
    marked = not tick.isspace()
    edges = "|+" if picture.ascii_only else "│┤"
    edge = edges[marked]
    segments = [Segment(f"{tick} ", tones.label), Segment(edge, tones.axis)]
    segments += [
        Segment(text, picture.layers[layer].style if layer >= 0 else tones.base)
        for text, layer in canvas.row(row)
    ]
    strip = Strip(segments, margin + 1 + canvas.width)
    if picture.mini and row == 0:
        return _with_name(picture, strip, canvas.width)
    column = _cursor_column(picture, canvas.width)
    if column is None:
        return strip
    at = margin + 1 + column
    mark = strip.crop(at, at + 1).apply_style(tones.cursor)
    if not mark.text.strip():
        mark = Strip([Segment("|" if picture.ascii_only else "│", tones.cursor)], 1)
    return Strip.join([strip.crop(0, at), mark, strip.crop(at + 1)])


def _with_name(picture: Picture, strip: Strip, room: int) -> Strip:
    """The name of the curve at the right end of the first row, where nothing is drawn."""
    name = f" {picture.layers[0].series.name} "
    keep = strip.cell_length - len(name)
    if len(name) > room or strip.crop(keep).text.strip():
        return strip
    return Strip.join([strip.crop(0, keep), Strip([Segment(name, picture.tones.label)], len(name))])


def _cursor_column(picture: Picture, width: int) -> int | None:
    if picture.cursor is None or not picture.start <= picture.cursor <= picture.end:
        return None
    share = (picture.cursor - picture.start) / (picture.end - picture.start)
    return min(width - 1, int(share * width))


def _legend(picture: Picture, width: int) -> Strip:
    """Names of the curves with the values at the cursor, or the newest ones."""
    tones = picture.tones
    step = picture.end if picture.cursor is None else picture.cursor
    segments = [Segment(f" step {step:.0f}  ", tones.read_out)]
    for layer in picture.layers:
        if layer.faint:
            continue
        at = layer.series.nearest(step)
        value = "—" if at is None else label(layer.series.values[at])
        if picture.ascii_only:
            mark = "..." if layer.dotted else "---"
        else:
            mark = "⠄⠄⠄" if layer.dotted else "⠤⠤⠤"
        segments.append(Segment(f"{mark} ", layer.style))
        segments.append(Segment(f"{layer.series.name} {value}   ", tones.read_out))
    segments.append(Segment(picture.notes, tones.label))
    return Strip(segments).adjust_cell_length(width, tones.base)


def _axis(picture: Picture, margin: int, width: int) -> list[Strip]:
    corner, line, tee = ("+", "-", "+") if picture.ascii_only else ("└", "─", "┬")
    tones, start, end = picture.tones, picture.start, picture.end
    if picture.mini:
        last = f" {end:.0f}"
        rule = corner + line * (width - len(last))
        return [
            Strip([Segment(" " * margin, tones.label), Segment(rule, tones.axis),
                   Segment(last, tones.label)])
        ]  # fmt: skip
    marks, labels = [line] * width, [" "] * (width + margin + 1)
    used = -1
    for tick in round_ticks(start, end, max(1, width // 14)):
        at = min(width - 1, max(0, int((tick - start) / (end - start) * width)))
        text = f"{tick:.0f}" if tick == int(tick) else ""
        left = min(at + margin + 1 - len(text) // 2, width + margin + 1 - len(text))
        if not text or left <= used:
            continue
        marks[at] = tee
        labels[left : left + len(text)] = text
        used = left + len(text)
    return [
        Strip([Segment(" " * margin + corner + "".join(marks), tones.axis)]),
        Strip([Segment("".join(labels), tones.label)]),
    ]


def empty_chart(width: int, height: int, tones: Tones) -> list[Strip]:
    """What is shown while there is no point."""
    text = "no values yet"[:width].center(width)
    blank = Strip.blank(width, tones.base)
    line = Strip([Segment(text, tones.label)], width)
    return [line if row == height // 2 else blank for row in range(height)]
