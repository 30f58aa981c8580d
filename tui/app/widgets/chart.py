"""A line chart of training metrics, and its small form for previews.

Why own drawing: a maintained plotting widget was the first choice, and two were measured on this
chart's tasks (120×40, Textual 8.2.8, CPython 3.11, 2 cores; goal: 1 000 000 points in 30 ms).

- textual-plotext 1.0.1 (plotext 5.3.2): import 25 ms, +1.5 MiB; 1 000 points 85-130 ms,
  1 000 000 points 50 000 ms and +150 MiB. Handed only two points for each column (a reduction we
  would have to write anyway) one drawing still takes 49-53 ms at 120×35 and 12 ms at 78×10.
- textual-plot 0.10.1 (NumPy 2.4): import 65-105 ms, +13.3 MiB of a budget of 55; 1 000 points
  87-112 ms, 1 000 000 points 17 000 ms and +115 MiB.

This one: no import beyond Textual; `tests/benchmarks/bench_chart.py` prints its figures. What must
be kept when it changes: every peak stays visible (`chart_data`), and a redraw costs only columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from tui.app.keymap import bindings
from tui.app.page_actions import CHART
from tui.app.widgets.chart_canvas import Canvas
from tui.app.widgets.chart_data import Series, Span
from tui.app.widgets.chart_scale import Scale, label, on_log, round_ticks

__all__ = ["MetricChart", "Series"]

SMOOTHING: Final = (0.0, 0.6, 0.9, 0.97, 0.99)
"""Weights of the past that the smoothing key goes through."""
_SMALLEST_VIEW: Final = 4
"""Steps that the closest zoom shows."""


@dataclass(frozen=True, slots=True)
class _Layer:
    series: Series
    style: str
    dotted: bool


class MetricChart(Widget, can_focus=True):
    """Curves over training steps, with axes, cursor, smoothing, logarithmic scale and zoom.

    Args:
        mini: the preview form: no legend, no keys, one line of axis.
        ascii_only: draw with ASCII characters.
        id: widget id.
        classes: widget classes.
    """

    DEFAULT_CSS = """
    MetricChart { height: 1fr; }
    MetricChart > .chart--axis { color: $text-disabled; }
    MetricChart > .chart--label { color: $text-muted; }
    MetricChart > .chart--series-0 { color: $primary; }
    MetricChart > .chart--series-1 { color: $warning; }
    MetricChart > .chart--series-2 { color: $success; }
    MetricChart > .chart--raw { color: $text-disabled; }
    MetricChart > .chart--cursor { background: $boost; text-style: bold; }
    MetricChart > .chart--read-out { color: $foreground; text-style: bold; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "chart--axis", "chart--label", "chart--series-0", "chart--series-1", "chart--series-2",
        "chart--raw", "chart--cursor", "chart--read-out",
    }  # fmt: skip
    BINDINGS: ClassVar = bindings(CHART)

    class Wanted(Message):
        """Another series is wanted.

        Attributes:
            step: 1 for the next one, -1 for the one before.
        """

        def __init__(self, step: int) -> None:
            super().__init__()
            self.step = step

    smoothing: reactive[float] = reactive(0.0)
    log_scale: reactive[bool] = reactive(False)
    cursor_step: reactive[int | None] = reactive(None)

    def __init__(
        self,
        *,
        mini: bool = False,
        ascii_only: bool = False,
        id: str | None = None,  # noqa: A002  the name every Textual widget uses
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.can_focus = not mini
        self.mini = mini
        self.ascii_only = ascii_only
        self.view: tuple[float, float] | None = None
        """The steps shown, or None for the whole run, also while it grows."""
        self._series: list[Series] = []
        self._strips: list[Strip] = []
        self._drawn: object = None
        self._version = 0
        self._smooth: dict[tuple[int, float], Series] = {}
        self._plot_left = 7
        self._plot_width = 1

    # -- content ------------------------------------------------------------------------------

    def show(self, series: Sequence[Series]) -> None:
        """Show these curves; the first is the main one. Series that only grew cost only the growth.

        Args:
            series: at most three can be told apart; later ones are dotted.
        """
        old = {one.name: one for one in self._series}
        for one in series:
            if (before := old.get(one.name)) is not None and before is not one:
                one.take_over(before)
        self._series = list(series)
        self._smooth.clear()
        self._version += 1
        self.refresh()

    @property
    def span(self) -> tuple[float, float]:
        """First and last step shown."""
        if self.view is not None:
            return self.view
        filled = [one.steps for one in self._series if len(one)]
        if not filled:
            return (0.0, 1.0)
        first, last = min(steps[0] for steps in filled), max(steps[-1] for steps in filled)
        return (float(first), float(max(last, first + 1)))

    # -- keys ---------------------------------------------------------------------------------

    def action_perform(self, action_id: str) -> None:
        """Do one of the chart's actions."""
        name = action_id.partition(".")[2]
        moves = {"left": -1, "right": 1, "far_left": -10, "far_right": 10}
        zooms = {"zoom_in": 0.5, "zoom_out": 2.0}
        if name in moves:
            self.move_cursor(moves[name])
        elif name in zooms:
            self.zoom(zooms[name])
        elif name in ("next", "previous"):
            self.post_message(self.Wanted(1 if name == "next" else -1))
        else:
            getattr(self, f"do_{name}")()

    def move_cursor(self, columns: int) -> None:
        """Move the cursor by columns of dots, at least one point."""
        if not self._series or not len(self._series[0]):
            return
        main, (start, end) = self._series[0], self.span
        current = end if self.cursor_step is None else self.cursor_step
        at = main.nearest(current) or 0
        width = (end - start) / max(1, self._plot_width * 2)
        wanted = main.nearest(main.steps[at] + columns * width)
        if wanted is None or wanted == at:
            wanted = at + (1 if columns > 0 else -1)
        if self.cursor_step is None:
            wanted = at
        self.cursor_step = main.steps[min(max(wanted, 0), len(main) - 1)]
        self._keep_in_view(self.cursor_step)

    def _keep_in_view(self, step: int) -> None:
        if self.view is None:
            return
        start, end = self.view
        if step < start:
            self.view = (float(step), step + end - start)
        elif step > end:
            self.view = (step - (end - start), float(step))
        self._redraw()

    def zoom(self, factor: float) -> None:
        """Show `factor` times as many steps, around the cursor or else the newest."""
        start, end = self.span
        whole_start, whole_end = self._whole()
        length = max(_SMALLEST_VIEW, (end - start) * factor)
        if length >= whole_end - whole_start:
            self.view = None
        else:
            centre = float(self.cursor_step) if self.cursor_step is not None else end
            share = (centre - start) / (end - start)
            first = min(max(centre - length * share, whole_start), whole_end - length)
            self.view = (first, first + length)
        self._redraw()

    def _whole(self) -> tuple[float, float]:
        view, self.view = self.view, None
        whole = self.span
        self.view = view
        return whole

    def do_whole(self) -> None:
        """Show the whole run again and put the cursor away."""
        self.view = None
        self.cursor_step = None
        self._redraw()

    def do_smooth(self) -> None:
        """Go to the next amount of smoothing."""
        later = [weight for weight in SMOOTHING if weight > self.smoothing]
        self.smoothing = later[0] if later else SMOOTHING[0]

    def do_log_scale(self) -> None:
        """Switch between a linear and a logarithmic y axis."""
        self.log_scale = not self.log_scale

    def on_click(self, event: events.Click) -> None:
        """Put the cursor where the mouse points."""
        if self.mini or not self._series or not len(self._series[0]):
            return
        start, end = self.span
        share = (event.x - self._plot_left + 0.5) / self._plot_width
        at = self._series[0].nearest(start + (end - start) * share)
        if at is not None:
            self.cursor_step = self._series[0].steps[at]

    # -- drawing ------------------------------------------------------------------------------

    def _redraw(self) -> None:
        self._version += 1
        self.refresh()

    def notify_style_update(self) -> None:
        """Colours changed: what was drawn is out of date."""
        super().notify_style_update()
        self._version += 1

    def render_line(self, y: int) -> Strip:
        """One row of the chart; the rows are drawn together, once for each change."""
        width, height = self.content_size
        key = (width, height, self._version, self.smoothing, self.log_scale, self.cursor_step)
        if key != self._drawn:
            self._drawn = key
            self._strips = self._draw(width, height) if width > 12 and height > 2 else []
        if y < len(self._strips):
            return self._strips[y]
        return Strip.blank(width, self.rich_style)

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(name)

    def _layers(self) -> list[_Layer]:
        layers = [
            _Layer(
                self._smoothed(at),
                one.style or f"chart--series-{min(at, 2)}",
                dotted=at > 0,
            )
            for at, one in enumerate(self._series)
        ]
        if self.smoothing and not self.mini:
            layers += [_Layer(one, "chart--raw", dotted=True) for one in self._series[:1]]
        return layers

    def _smoothed(self, at: int) -> Series:
        if not self.smoothing:
            return self._series[at]
        key = (at, self.smoothing)
        if key not in self._smooth:
            self._smooth[key] = self._series[at].smoothed(self.smoothing)
        return self._smooth[key]

    def _draw(self, width: int, height: int) -> list[Strip]:
        if not any(len(one) for one in self._series):
            return self._empty(width, height)
        rows = height - 1 if self.mini else height - 3
        layers = self._layers()
        start, end = self.span
        columns = (width - self._plot_left) * (1 if self.ascii_only else 2)  # as last time
        curves = [self._spans(layer.series, start, end, columns) for layer in layers]
        scale = Scale.around(curves, self.log_scale)
        ticks = scale.ticks(rows)
        margin = max(len(text) for text in ticks.values()) + 1
        canvas = Canvas(width - margin - 1, rows, len(layers), self.ascii_only)
        if canvas.columns != columns:
            curves = [self._spans(layer.series, start, end, canvas.columns) for layer in layers]
        canvas.faint_from = len(self._series)
        for at, (layer, spans) in enumerate(zip(layers, curves, strict=True)):
            canvas.curve(at, spans, scale.low, scale.high, dotted=layer.dotted)
        self._plot_left, self._plot_width = margin + 1, canvas.width
        styles = [self._layer_style(layer.style) for layer in layers]
        strips = [] if self.mini else [self._legend(width, layers)]
        cursor = self._cursor_column(start, end, canvas.width)
        strips += [
            self._row(canvas, row, (ticks.get(row, "").rjust(margin - 1), styles, cursor))
            for row in range(rows)
        ]
        strips += self._axis(start, end, margin, canvas.width)
        return strips

    def _spans(self, series: Series, start: float, end: float, columns: int) -> list[Span | None]:
        spans = series.spans(start, end, columns)
        return on_log(spans) if self.log_scale else spans

    def _layer_style(self, style: str) -> Style:
        if style.startswith("chart--"):
            return self._style(style)
        return self.rich_style + Style.parse(style)

    def _empty(self, width: int, height: int) -> list[Strip]:
        text = "no values yet"[:width]
        blank = Strip.blank(width, self.rich_style)
        line = Strip([Segment(text.center(width), self._style("chart--label"))], width)
        return [line if row == height // 2 else blank for row in range(height)]

    def _row(self, canvas: Canvas, row: int, frame: tuple[str, list[Style], int | None]) -> Strip:
        tick, styles, cursor = frame
        margin = len(tick) + 1
        marked = not tick.isspace()
        edge = ("+" if marked else "|") if self.ascii_only else ("┤" if marked else "│")
        segments = [
            Segment(tick + " ", self._style("chart--label")),
            Segment(edge, self._style("chart--axis")),
        ]
        segments += [
            Segment(text, styles[layer] if layer >= 0 else self.rich_style)
            for text, layer in canvas.row(row)
        ]
        strip = Strip(segments, margin + 1 + canvas.width)
        if self.mini and row == 0:
            strip = self._with_name(strip, canvas, margin)
        if cursor is None:
            return strip
        at = margin + 1 + cursor
        mark = strip.crop(at, at + 1).apply_style(self._style("chart--cursor"))
        if not mark.text.strip():
            character = "|" if self.ascii_only else "│"
            mark = Strip([Segment(character, self._style("chart--cursor"))], 1)
        return Strip.join([strip.crop(0, at), mark, strip.crop(at + 1)])

    def _with_name(self, strip: Strip, canvas: Canvas, margin: int) -> Strip:
        """The name of the curve at the right end of the first row, where nothing is drawn."""
        name = f" {self._series[0].name} "
        room = strip.crop(strip.cell_length - len(name))
        if len(name) > canvas.width or room.text.strip() or margin + len(name) > strip.cell_length:
            return strip
        return Strip.join(
            [strip.crop(0, strip.cell_length - len(name)),
             Strip([Segment(name, self._style("chart--label"))], len(name))]
        )  # fmt: skip

    def _cursor_column(self, start: float, end: float, width: int) -> int | None:
        if self.cursor_step is None or not start <= self.cursor_step <= end:
            return None
        return min(width - 1, int((self.cursor_step - start) / (end - start) * width))

    def _legend(self, width: int, layers: list[_Layer]) -> Strip:
        """Names of the curves with the values at the cursor, or the newest ones."""
        bold = self._style("chart--read-out")
        quiet = self._style("chart--label")
        step = self.span[1] if self.cursor_step is None else self.cursor_step
        segments = [Segment(f" step {step:.0f}  ", bold)]
        for layer in layers:
            if layer.style == "chart--raw":
                continue
            at = layer.series.nearest(step)
            value = "—" if at is None else label(layer.series.values[at])
            line = ("..." if layer.dotted else "---") if self.ascii_only else None
            mark = line or ("⠄⠄⠄" if layer.dotted else "⠤⠤⠤")
            segments.append(Segment(f"{mark} ", self._layer_style(layer.style)))
            segments.append(Segment(f"{layer.series.name} {value}   ", bold))
        notes = [f"smoothing {self.smoothing:g}"] if self.smoothing else []
        notes += ["log"] if self.log_scale else []
        notes += ["zoom"] if self.view else []
        segments.append(Segment(" · ".join(notes), quiet))
        return Strip(segments).adjust_cell_length(width, self.rich_style)

    def _axis(self, start: float, end: float, margin: int, width: int) -> list[Strip]:
        corner, line, tee = ("+", "-", "+") if self.ascii_only else ("└", "─", "┬")
        axis, quiet = self._style("chart--axis"), self._style("chart--label")
        if self.mini:
            last = f" {end:.0f}"
            rule = corner + line * (width - len(last))
            return [
                Strip([Segment(" " * margin, quiet), Segment(rule, axis), Segment(last, quiet)])
            ]
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
            Strip([Segment(" " * margin + corner + "".join(marks), axis)]),
            Strip([Segment("".join(labels), quiet)]),
        ]
