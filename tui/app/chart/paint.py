"""Puts curves, axes, legend and cursor of a chart into rows of the screen."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Final

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tui.app.chart.axis import STEPS, Axis
from tui.app.chart.data import Series, Span
from tui.app.chart.scale import Scale, label, on_log

_LEFT: Final = (0x01, 0x02, 0x04, 0x40)
_RIGHT: Final = (0x08, 0x10, 0x20, 0x80)


def _masks(bits: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Returns the dots from one row of a cell to another one, by both."""
    rows = range(len(bits))
    return tuple(tuple(sum(bits[top : bottom + 1]) for bottom in rows) for top in rows)


_MASKS: Final = (_masks(_LEFT), _masks(_RIGHT))
_ASCII_MASKS: Final = _masks((1, 2))
_BRAILLE: Final = tuple(chr(0x2800 + mask) for mask in range(256))
_ASCII: Final = ((" ", "'", ".", ":"), (" ", '"', ",", ";"), (" ", "`", "-", "="))

STROKES: Final = (0b11111111, 0b01010101, 0b00011111, 0b01001111)
"""Which of eight columns of dots a curve draws: whole, dotted, dashed, dashed and dotted."""
MARKS: Final = ("⠤⠤⠤", "⠄⠄⠄", "⠤⠤ ", "⠤⠄⠤")
ASCII_MARKS: Final = ("---", "...", "-- ", "-.-")
"""How a legend shows the strokes."""


def stroke_mark(stroke: int, *, ascii_only: bool) -> str:
    """Returns how a legend shows a stroke."""
    return (ASCII_MARKS if ascii_only else MARKS)[stroke % len(STROKES)]


@dataclass(frozen=True, slots=True)
class Layer:
    """One curve.

    Attributes:
        series: its points.
        style: its colour.
        stroke: one of `STROKES`, so that it can be told apart without colour.
        faint: dots behind the others, not a curve, and not in the legend.
        tag: a character at its right end; empty for none.
    """

    series: Series
    style: Style
    stroke: int = 0
    faint: bool = False
    tag: str = ""


@dataclass(frozen=True, slots=True)
class Tones:
    """Styles of everything that is not a curve."""

    base: Style
    axis: Style
    label: Style
    cursor: Style
    read_out: Style
    bad: Style


@dataclass(frozen=True, slots=True)
class Picture:
    """A chart to be drawn.

    Attributes:
        layers: curves, the most important first.
        start: first step shown.
        end: where the plot ends.
        tones: styles.
        log: logarithmic y axis.
        mini: the preview form.
        ascii_only: ASCII characters only.
        cursor: the step of the cursor, or None.
        notes: words at the end of the legend.
        axis: what the steps are, where they are no steps.
        marks: places on the x axis with their character.
        legend: whether the first row names the curves.
        title: the first row of one of several charts, which has a short axis; empty for another.
        last: the last step, where the plot has room behind it.
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
    axis: Axis = STEPS
    marks: Sequence[tuple[float, str]] = ()
    legend: bool = True
    title: Sequence[Segment] = ()
    last: float | None = None

    @property
    def newest(self) -> float:
        """The last step shown."""
        return self.end if self.last is None else self.last


@dataclass(frozen=True, slots=True)
class Painted:
    """The rows, and where in them the plot begins and how many cells wide it is."""

    strips: list[Strip]
    left: int
    width: int


def paint_chart(picture: Picture, width: int, height: int, left: int) -> Painted:
    """Draws a chart into `width` by `height` cells.

    Args:
        picture: the chart to be drawn.
        width: cells.
        height: rows.
        left: the first column of the last plot; a good guess saves a second pass over the points.
    """
    with_legend = picture.legend and not picture.mini
    short = picture.mini or bool(picture.title)
    rows = height - int(with_legend) - (1 if short else 2)
    columns = (width - left) * (1 if picture.ascii_only else 2)
    curves = _curves(picture, columns)
    scale = Scale.around(curves, picture.log)
    ticks = scale.ticks(rows)
    margin = max(len(text) for text in ticks.values()) + 1
    canvas = Canvas(width - margin - 1, rows, len(picture.layers), picture.ascii_only)
    if canvas.columns != columns:
        curves = _curves(picture, canvas.columns)
    marked = _marked_cells(picture, canvas.width)
    canvas.faint_from = sum(not layer.faint for layer in picture.layers)
    for at, (layer, spans) in enumerate(zip(picture.layers, curves, strict=True)):
        if layer.faint:
            canvas.points(at, spans, scale.low, scale.high)
            continue
        broken = layer.series.broken(picture.start, picture.end, canvas.columns)
        canvas.curve(at, spans, scale.low, scale.high, stroke=layer.stroke, broken=broken)
    plot = [_row(picture, canvas, row, ticks.get(row, "").rjust(margin - 1))
            for row in range(rows)]  # fmt: skip
    plot[-1] = _with_marks(picture, plot[-1], margin + 1, marked)
    _put_tags(picture, canvas, scale, curves, plot=plot, left=margin + 1)
    strips = [_legend(picture, width), *plot] if with_legend else plot
    strips += _axis(picture, margin, canvas.width)
    return Painted(strips, margin + 1, canvas.width)


def with_cursor(picture: Picture, painted: Painted, width: int) -> list[Strip]:
    """Returns the rows of a painted chart with its cursor: curves need not be drawn again for it.

    Args:
        picture: the same chart, with the cursor.
        painted: its rows.
        width: cells.
    """
    column = _cursor_column(picture, painted.width)
    if column is None or picture.mini:
        return painted.strips
    rows, tones = list(painted.strips), picture.tones
    if picture.legend:
        rows[0] = _legend(picture, width)
    at = painted.left + column
    for row in range(int(picture.legend), len(rows) - (1 if picture.title else 2)):
        strip = rows[row]
        mark = strip.crop(at, at + 1).apply_style(tones.cursor)
        if not mark.text.strip():
            mark = Strip([Segment("|" if picture.ascii_only else "│", tones.cursor)], 1)
        rows[row] = Strip.join([strip.crop(0, at), mark, strip.crop(at + 1)])
    return rows


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
    return strip


def _with_name(picture: Picture, strip: Strip, room: int) -> Strip:
    """Puts the curve's name at the right end of the first row, where nothing is drawn."""
    name = f" {picture.layers[0].series.name} "
    keep = strip.cell_length - len(name)
    if len(name) > room or strip.crop(keep).text.strip():
        return strip
    return Strip.join([strip.crop(0, keep), Strip([Segment(name, picture.tones.label)], len(name))])


def _marked_cells(picture: Picture, width: int) -> list[int]:
    """Returns the cells of the last row that are marked: values there are not finite."""
    cells: set[int] = set()
    for layer in picture.layers:
        cells |= layer.series.broken(picture.start, picture.end, width)
    return sorted(cells)


def _with_marks(picture: Picture, strip: Strip, left: int, cells: Sequence[int]) -> Strip:
    """Puts a cross into the marked cells of a row, whatever is drawn there."""
    mark = Strip([Segment("x" if picture.ascii_only else "✗", picture.tones.bad)], 1)
    for cell in cells:
        at = left + cell
        strip = Strip.join([strip.crop(0, at), mark, strip.crop(at + 1)])
    return strip


def _put_tags(
    picture: Picture,
    canvas: Canvas,
    scale: Scale,
    curves: Sequence[Sequence[Span | None]],
    *,
    plot: list[Strip],
    left: int,
) -> None:
    """Puts each curve's character at its right end; where ends meet, into the next free row."""
    taken: set[tuple[int, int]] = set()
    for layer, spans in zip(picture.layers, curves, strict=True):
        ends = (at for at in range(len(spans) - 1, -1, -1) if spans[at] is not None)
        end = next(ends, None)
        span = None if end is None else spans[end]
        if not layer.tag or end is None or span is None:
            continue
        column = min(canvas.width - 1, end * canvas.width // canvas.columns + 1)
        share = (span.last - scale.low) / (scale.high - scale.low)
        row = round((1 - share) * (len(plot) - 1))
        near = sorted(range(len(plot)), key=lambda other: (abs(other - row), other))
        row = next((one for one in near if (one, column) not in taken), row)
        taken.add((row, column))
        at, strip = left + column, plot[row]
        mark = Strip([Segment(layer.tag, layer.style + Style(bold=True))], 1)
        plot[row] = Strip.join([strip.crop(0, at), mark, strip.crop(at + 1)])


def gap_words(series: Series, *, ascii_only: bool) -> str:
    """Returns which steps of a series have no finite value; "" for none."""
    series.prepare()
    if not series.gaps:
        return ""
    first, last = series.gaps[0], series.gaps[-1]
    steps = f"step {first:,}" if first == last else f"steps {first:,}–{last:,}"
    words = f"✗ not finite: {steps}"
    return words.replace("✗", "x").replace("–", "-") if ascii_only else words


def cell_of(x: float, start: float, end: float, width: int) -> int:
    """Returns the cell of an axis that a place between its ends is drawn in."""
    return min(width - 1, int((x - start) / (end - start) * width))


def _cursor_column(picture: Picture, width: int) -> int | None:
    if picture.cursor is None or not picture.start <= picture.cursor <= picture.end:
        return None
    return cell_of(picture.cursor, picture.start, picture.end, width)


def _legend(picture: Picture, width: int) -> Strip:
    """Returns the curves' names with the values at the cursor, or the newest values."""
    tones = picture.tones
    if picture.title:
        return Strip(picture.title).adjust_cell_length(width, tones.base)
    step = picture.newest if picture.cursor is None else picture.cursor
    segments = [Segment(f" {picture.axis.read_out(step)}  ", tones.read_out)]
    for layer in picture.layers:
        if layer.faint:
            continue
        at = layer.series.nearest(step)
        value = "—" if at is None else label(layer.series.values[at])
        mark = stroke_mark(layer.stroke, ascii_only=picture.ascii_only)
        segments.append(Segment(f"{mark} ", layer.style))
        segments.append(Segment(f"{layer.series.name} {value}   ", tones.read_out))
        if words := gap_words(layer.series, ascii_only=picture.ascii_only):
            segments.append(Segment(f"{words}   ", tones.bad))
    segments.append(Segment(picture.notes, tones.label))
    return Strip(segments).adjust_cell_length(width, tones.base)


def placed_marks(
    marks: Iterable[tuple[float, str]], start: float, end: float, width: int
) -> dict[int, str]:
    """Returns the characters of an axis's marks by the cell, see `marks_by_cell`."""
    return {cell: mark for cell, (_, mark) in marks_by_cell(marks, start, end, width).items()}


def marks_by_cell(
    marks: Iterable[tuple[float, str]], start: float, end: float, width: int
) -> dict[int, tuple[float, str]]:
    """Returns the marks of an axis by the cell that each is drawn in.

    Of several in one cell the first stands there, another one in a free cell beside it, as a
    checkpoint and its pictures do; what has no room is left out.

    Args:
        marks: places on the axis with their character, rising.
        start: the first x value that is shown.
        end: the last one.
        width: cells of the axis.
    """
    placed: dict[int, tuple[float, str]] = {}
    second: dict[int, tuple[float, str]] = {}
    for x, mark in marks:
        if start <= x <= end:
            cell = cell_of(x, start, end, width)
            if placed.setdefault(cell, (x, mark))[1] != mark:
                second.setdefault(cell, (x, mark))
    for cell, other in second.items():
        beside = next(
            (at for at in (cell + 1, cell - 1) if 0 <= at < width and at not in placed), -1
        )
        if beside >= 0:
            placed[beside] = other
    return placed


def _axis(picture: Picture, margin: int, width: int) -> list[Strip]:
    corner, line, tee = ("+", "-", "+") if picture.ascii_only else ("└", "─", "┬")
    tones, start, end = picture.tones, picture.start, picture.end
    if picture.mini or picture.title:
        last = f" {picture.axis.label(math.floor(picture.newest))}"
        placed = placed_marks(picture.marks, start, end, width)
        # What came with the last step is seen beside its number.
        last += placed.get(cell_of(picture.newest, start, end, width), "")
        rule = [Segment(" " * margin, tones.label), Segment(corner, tones.axis)]
        rule += [
            Segment(placed.get(at, line), tones.label if at in placed else tones.axis)
            for at in range(width - len(last))
        ]
        return [Strip([*rule, Segment(last, tones.label)]).simplify()]
    placed = placed_marks(picture.marks, start, end, width)
    marks, labels = [line] * width, [" "] * (width + margin + 1)
    used = -1
    for tick in picture.axis.ticks(start, end, max(1, width // 14)):
        at = min(width - 1, max(0, int((tick - start) / (end - start) * width)))
        text = picture.axis.label(tick)
        left = min(at + margin + 1 - len(text) // 2, width + margin + 1 - len(text))
        if not text or left <= used:
            continue
        marks[at] = tee
        labels[left : left + len(text)] = text
        used = left + len(text)
    row = [Segment(" " * margin + corner, tones.axis)]
    for at, text in enumerate(marks):
        row.append(Segment(placed.get(at, text), tones.label if at in placed else tones.axis))
    return [
        Strip(row).simplify(),
        Strip([Segment("".join(labels), tones.label)]),
    ]


def empty_chart(width: int, height: int, tones: Tones, words: str = "") -> list[Strip]:
    """Returns the rows of a chart without a point, which says why."""
    text = (words or "no values yet")[:width].center(width)
    blank = Strip.blank(width, tones.base)
    line = Strip([Segment(text, tones.label)], width)
    return [line if row == height // 2 else blank for row in range(height)]


class Canvas:
    """Dots in layers; where layers meet in a cell, the first one gives the colour.

    Args:
        width: cells in a row.
        height: rows.
        layers: how many curves can be told apart.
        ascii_only: use no character beyond ASCII.
    """

    def __init__(self, width: int, height: int, layers: int, ascii_only: bool = False) -> None:
        self.width = width
        self.height = height
        self.ascii_only = ascii_only
        self.per_row = 2 if ascii_only else 4
        self.columns = width if ascii_only else width * 2
        """Dots in a row."""
        self.rows = height * self.per_row
        """Dots in a column."""
        self.faint_from = layers
        """The first of the layers that show only where no stronger one has a dot in the cell."""
        self._layers = [bytearray(width * height) for _ in range(layers)]

    def fill(self, layer: int, column: int, top: int, bottom: int) -> None:
        """Set the dots of one column from row `top` to row `bottom`, both included."""
        per_row, width = self.per_row, self.width
        top, bottom = max(top, 0), min(bottom, self.rows - 1)
        if top > bottom:
            return
        masks = _ASCII_MASKS if self.ascii_only else _MASKS[column & 1]
        place = column if self.ascii_only else column >> 1
        cells = self._layers[layer]
        (first, begin), (last, end) = divmod(top, per_row), divmod(bottom, per_row)
        if first == last:
            cells[first * width + place] |= masks[begin][end]
            return
        cells[first * width + place] |= masks[begin][-1]
        for at in range((first + 1) * width + place, last * width + place, width):
            cells[at] |= masks[0][-1]
        cells[last * width + place] |= masks[0][end]

    def curve(
        self,
        layer: int,
        spans: Sequence[Span | None],
        low: float,
        high: float,
        *,
        stroke: int = 0,
        broken: Set[int] = frozenset(),
    ) -> None:
        """Draw a curve, one span for each column of dots, scaled so that `low` is the bottom.

        Columns without a value are bridged by a straight line from the last one that has some. A
        column with a value that is not finite, one of `broken`, is never bridged.
        """
        scale = (self.rows - 1) / (high - low)
        base = self.rows - 1
        pattern = STROKES[stroke % len(STROKES)]
        before: tuple[int, float] | None = None
        for column, span in enumerate(spans):
            if span is None:
                continue
            enter = base - (span.first - low) * scale
            if before is not None and not (
                broken and any(at in broken for at in range(before[0], column + 1))
            ):
                self._bridge(layer, before, (column, enter), pattern)
            if pattern >> (column & 7) & 1:
                top = base - (span.high - low) * scale
                bottom = base - (span.low - low) * scale
                self.fill(layer, column, round(top), round(bottom))
            before = (column, base - (span.last - low) * scale)

    def points(self, layer: int, spans: Sequence[Span | None], low: float, high: float) -> None:
        """Draw values as dots: of each column the highest and the lowest one.

        Between noisy values lines fill the plot: they hide the curve before them, tell no more than
        its edges, and are most of what a page of charts sends.
        """
        scale, base = (self.rows - 1) / (high - low), self.rows - 1
        for column, span in enumerate(spans):
            if span is not None:
                for value in (span.high, span.low):
                    row = round(base - (value - low) * scale)
                    self.fill(layer, column, row, row)

    def _bridge(
        self, layer: int, start: tuple[int, float], end: tuple[int, float], pattern: int
    ) -> None:
        (x0, y0), (x1, y1) = start, end
        if x1 - x0 == 1:  # as most are: each column has half of the line
            middle = math.floor((y0 + y1) / 2 + 0.5)
            for column, y in ((x0, y0), (x1, y1)):
                if pattern >> (column & 7) & 1:
                    edge = math.floor(y + 0.5)
                    self.fill(layer, column, min(edge, middle), max(edge, middle))
            return
        rise = (y1 - y0) / (x1 - x0)
        for column in range(x0, x1 + 1):
            if not pattern >> (column & 7) & 1:
                continue
            left = y0 + rise * (max(column - 0.5, x0) - x0)
            right = y0 + rise * (min(column + 0.5, x1) - x0)
            top, bottom = (left, right) if left < right else (right, left)
            self.fill(layer, column, math.floor(top + 0.5), math.floor(bottom + 0.5))

    def row(self, number: int) -> Iterator[tuple[str, int]]:
        """Returns one row as texts with the layer that colours each, -1 for empty cells."""
        start = number * self.width
        parts = [layer[start : start + self.width] for layer in self._layers]
        run: list[str] = []
        owner = -1
        for masks in zip(*parts, strict=True):
            for layer, mask in enumerate(masks):  # noqa: B007  a generator takes twice as long
                if mask:
                    break
            else:
                layer = -1
            if layer != owner and run:
                yield "".join(run), owner
                run = []
            owner = layer
            run.append(self._character(masks, layer))
        if run:
            yield "".join(run), owner

    def _character(self, masks: Sequence[int], layer: int) -> str:
        if layer < 0:
            return " "
        if self.ascii_only:
            return _ASCII[layer % len(_ASCII)][masks[layer]]
        if layer >= self.faint_from:
            return _BRAILLE[masks[layer]]
        together = 0
        for mask in masks[: self.faint_from]:
            together |= mask
        return _BRAILLE[together]
