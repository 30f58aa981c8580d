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

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Final

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from tui.app.chart.axis import STEPS, Axis
from tui.app.chart.data import Series
from tui.app.chart.paint import (
    STROKES,
    Layer,
    Painted,
    Picture,
    Tones,
    cell_of,
    empty_chart,
    gap_words,
    marks_by_cell,
    paint_chart,
    with_cursor,
)
from tui.app.chart.scale import label, with_room
from tui.app.keys.actions import CHART
from tui.app.keys.keymap import bindings
from tui.simpletuner.log.smoothing import WEIGHT

__all__ = ["MetricChart", "Series"]

SMOOTHING: Final = (0.0, 0.6, 0.9, WEIGHT, 0.99)
"""Weights of the past that the smoothing key goes through."""
_LEAST_WEIGHT: Final = 0.05
"""A mean that looks back less is the curve itself."""
COLOURS: Final = 8
"""Curves that have a colour of their own."""


class MetricChart(Widget, can_focus=True):
    """Curves over training steps, with axes, cursor, smoothing, logarithmic scale and zoom.

    Args:
        mini: the preview form: no legend, no keys, one line of axis.
        ascii_only: draw with ASCII characters.
        overlay: several runs in one plot: a number at the end of each curve, no raw curves, and no
            legend, which somebody else draws.
        cell: one of several charts: the name and the value in one line above, a short axis below.
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
    MetricChart > .chart--series-3 { color: $error; }
    MetricChart > .chart--series-4 { color: $secondary; }
    MetricChart > .chart--series-5 { color: $accent; }
    MetricChart > .chart--series-6 { color: $foreground; }
    MetricChart > .chart--series-7 { color: $text-muted; }
    MetricChart > .chart--raw { color: $text-disabled; }
    MetricChart > .chart--cursor { background: $boost; text-style: bold; }
    MetricChart > .chart--bad { color: $error; text-style: bold; }
    MetricChart > .chart--read-out { color: $foreground; text-style: bold; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "chart--axis", "chart--label", "chart--raw", "chart--cursor", "chart--read-out",
        "chart--bad", *(f"chart--series-{slot}" for slot in range(COLOURS)),
    }  # fmt: skip
    BINDINGS: ClassVar = bindings(CHART)

    class Wanted(Message):
        """The user asks for the next or the previous series.

        Attributes:
            step: 1 for the next one, -1 for the one before.
        """

        def __init__(self, step: int) -> None:
            super().__init__()
            self.step = step

    class MoveWanted(Message):
        """The user asks for another order of the charts.

        Attributes:
            step: 1 for one place later, -1 for one sooner, 0 for the usual order of all.
        """

        def __init__(self, step: int) -> None:
            super().__init__()
            self.step = step

    class AxisWanted(Message):
        """The user asks for another x axis."""

    class OpenWanted(Message):
        """The user asks for what the cursor is on: a mark, else this chart alone, or all again."""

    class Moved(Message):
        """The user has changed what is shown of the curves: range, cursor or smoothing."""

        def __init__(self, chart: MetricChart) -> None:
            super().__init__()
            self.chart = chart

    smoothing: reactive[float] = reactive(WEIGHT)
    log_scale: reactive[bool] = reactive(False)
    cursor_step: reactive[int | None] = reactive(None)

    def __init__(
        self,
        *,
        mini: bool = False,
        ascii_only: bool = False,
        overlay: bool = False,
        cell: bool = False,
        id: str | None = None,  # noqa: A002  the name every Textual widget uses
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.can_focus = not mini and not overlay
        self.overlay = overlay
        self.cell = cell
        self.whole: tuple[float, float] | None = None
        """The steps of the whole run, where other charts beside this one reach further."""
        self.axis = STEPS
        """What the x values of the curves are."""
        self.marks: Sequence[tuple[float, str]] = ()
        """Places on the x axis with their character."""
        self.mini = mini
        self.ascii_only = ascii_only
        self.view: tuple[float, float] | None = None
        """The steps shown, or None for the whole run, also while it grows."""
        self._series: list[Series] = []
        self._strips: list[Strip] = []
        self._drawn: object = None
        self._painted: Painted | None = None
        self._painted_key: object = None
        self._looks: dict[str, Style] = {}
        self._version = 0
        self._noisy = True
        self._paces: list[float] = []
        self._empty = ""
        self._slots: list[int] = []
        self._smooth: dict[tuple[int, float], Series] = {}
        self._plot_left = 7
        self._plot_width = 1

    # -- content ------------------------------------------------------------------------------

    def show(
        self,
        series: Sequence[Series],
        *,
        noisy: bool = True,
        pace: float | Sequence[float] = 1.0,
        slots: Sequence[int] | None = None,
        axis: Axis = STEPS,
        marks: Sequence[tuple[float, str]] = (),
        whole: tuple[float, float] | None = None,
        empty: str = "",
    ) -> None:
        """Shows curves, the main one first. A series that only grew costs only the new points.

        Args:
            series: at most eight can be told apart.
            noisy: whether they are measured, so that smoothing them shows more. A schedule such as
                the learning rate is exact, and would only be drawn too late.
            pace: how many of the run's steps lie between two points, of each curve where they
                differ. Smoothing looks back on as many steps in every curve, so a mean that is
                logged each 50 steps keeps its shape.
            slots: the number of each, which gives its colour and stroke; by default the place.
            axis: what their x values are. Another one ends the zoom and takes the cursor away.
            marks: places on the x axis with their character.
            whole: the x values of the whole run; by default those of the curves.
            empty: what is said where there is nothing to draw; by default that no value came yet.
        """
        self.whole = whole
        if axis != self.axis:
            self.axis, self.view, self.cursor_step = axis, None, None
        self._noisy, self.marks, self._empty = noisy, marks, empty
        self._paces = [pace] * len(series) if isinstance(pace, float | int) else list(pace)
        self._slots = list(range(len(series)) if slots is None else slots)
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
        """The first and the last step that the plot shows."""
        if self.view is not None:
            return self.view
        if self.whole is not None:
            return self.whole
        filled = [one.steps for one in self._series if len(one)]
        if not filled:
            return (0.0, 1.0)
        first, last = min(steps[0] for steps in filled), max(steps[-1] for steps in filled)
        return (float(first), float(max(last, first + 1)))

    @property
    def drawn(self) -> tuple[float, float]:
        """The ends of the plot, which has room for the next steps of the whole run."""
        start, end = self.span
        return (start, end if self.view is not None else with_room(start, end))

    # -- keys ---------------------------------------------------------------------------------

    def action_perform(self, action_id: str) -> None:
        """Does one of the chart's actions."""
        name = action_id.partition(".")[2]
        moves = {"left": -1, "right": 1, "far_left": -10, "far_right": 10}
        zooms = {"zoom_in": 0.5, "zoom_out": 2.0}
        orders = {"later": 1, "sooner": -1, "usual": 0}
        if name in moves:
            self.move_cursor(moves[name])
        elif name in zooms:
            self.zoom(zooms[name])
        elif name in orders:
            self.post_message(self.MoveWanted(orders[name]))
            return
        elif name in ("next", "previous"):
            self.post_message(self.Wanted(1 if name == "next" else -1))
            return
        else:
            getattr(self, f"do_{name}")()
        self.post_message(self.Moved(self))

    def move_cursor(self, columns: int) -> None:
        """Move the cursor by columns of dots, at least one point."""
        if not self._series or not len(self._series[0]):
            return
        main, (start, end) = self._series[0], self.drawn
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
        length = max(self.axis.smallest, (end - start) * factor)
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

    def do_axis(self) -> None:
        """Ask for the next x axis; who shows the curves has their times."""
        self.post_message(self.AxisWanted())

    def do_less_smooth(self) -> None:
        """Go to the next smaller amount of smoothing."""
        earlier = [weight for weight in SMOOTHING if weight < self.smoothing]
        self.smoothing = earlier[-1] if earlier else SMOOTHING[-1]

    def do_line(self) -> None:
        """Ask for the mark of the cursor, else for this chart alone, or for all again."""
        self.post_message(self.OpenWanted())

    def look_like(self, other: MetricChart) -> None:
        """Show the range, the cursor and the smoothing of another chart."""
        if self.view != other.view:
            self.view = other.view
            self._redraw()
        self.cursor_step = other.cursor_step
        self.smoothing = other.smoothing

    def go_to_step(self, x: float) -> None:
        """Put the cursor on the point nearest to a place on the x axis."""
        main = self._series[0] if self._series else None
        at = None if main is None else main.nearest(x)
        if main is not None and at is not None:
            self.cursor_step = main.steps[at]
            self._keep_in_view(self.cursor_step)
            self.post_message(self.Moved(self))

    def do_log_scale(self) -> None:
        """Switch between a linear and a logarithmic y axis."""
        self.log_scale = not self.log_scale

    def on_click(self, event: events.Click) -> None:
        """Put the cursor where the mouse points."""
        if self.mini or not self._series or not len(self._series[0]):
            return
        start, end = self.drawn
        share = (event.x - self._plot_left + 0.5) / self._plot_width
        at = self._series[0].nearest(start + (end - start) * share)
        if at is not None:
            self.cursor_step = self._series[0].steps[at]
            self.post_message(self.Moved(self))

    # -- drawing ------------------------------------------------------------------------------

    def _redraw(self) -> None:
        self._version += 1
        self.refresh()

    def notify_style_update(self) -> None:
        """Drops the drawn rows when the colours change."""
        super().notify_style_update()
        self._looks.clear()
        self._version += 1

    def on_focus(self) -> None:
        """Marks the chart among several."""
        if self.cell:
            self._redraw()

    def on_blur(self) -> None:
        """Takes the mark away."""
        self.on_focus()

    def render_line(self, y: int) -> Strip:
        """Returns one row of the chart; all rows are drawn together, once for each change."""
        width, height = self.content_size
        key = (width, height, self._version, self.smoothing, self.log_scale, self.cursor_step)
        if key != self._drawn:
            self._drawn = key
            self._strips = self._draw(width, height) if width > 12 and height > 2 else []
        if y < len(self._strips):
            return self._strips[y]
        return Strip.blank(width, self._ground)

    def _look(self, name: str) -> Style:
        """Returns the style of a part: Textual computes it anew at each call."""
        if name not in self._looks:
            self._looks[name] = self.get_component_rich_style(name)
        return self._looks[name]

    @property
    def _ground(self) -> Style:
        """The style of an empty cell, which Textual puts together anew from all around it."""
        if "" not in self._looks:
            self._looks[""] = self.rich_style
        return self._looks[""]

    def _draw(self, width: int, height: int) -> list[Strip]:
        look = self._look
        tones = Tones(
            base=self._ground,
            axis=look("chart--axis"),
            label=look("chart--label"),
            cursor=look("chart--cursor"),
            read_out=look("chart--read-out"),
            bad=look("chart--bad"),
        )
        if not any(len(one) for one in self._series):
            return empty_chart(width, height, tones, self._empty)
        notes = [f"smoothing {self._weight:.2g}"] if self._weight else []
        notes += ["log"] if self.log_scale else []
        notes += [self.axis.title] if self.axis.kind != "step" else []
        notes += ["zoom"] if self.view else []
        start, end = self.drawn
        picture = Picture(
            self._layers(), start, end, tones, last=self.span[1],
            log=self.log_scale, mini=self.mini, ascii_only=self.ascii_only,
            cursor=self.cursor_step, notes=" · ".join(notes), axis=self.axis, marks=self.marks,
            legend=not self.overlay, title=self._title(tones, notes) if self.cell else (),
        )  # fmt: skip
        key = (width, height, self._version, self.smoothing, self.log_scale)
        if self._painted is None or key != self._painted_key:
            still = replace(picture, cursor=None)
            self._painted = paint_chart(still, width, height, self._plot_left)
            self._painted_key = key
        painted = self._painted
        self._plot_left, self._plot_width = painted.left, painted.width
        return with_cursor(picture, painted, width)

    def _title(self, tones: Tones, notes: Sequence[str]) -> list[Segment]:
        """Returns `▸loss  0.142 · best 0.139 @1180`."""
        name, pointer = self._series[0].name, ">" if self.ascii_only else "▸"
        value = self.value_at(self._slots[0])
        words = ["—" if value is None else label(value)]
        gaps = gap_words(self._series[0], ascii_only=self.ascii_only)
        if not gaps and (best := self.best()) is not None:
            words.append(f"best {label(best[1])} @{self.axis.label(best[0]) or best[0]}")
        words += [note for note in notes if note in ("log", "zoom")]
        segments = [
            Segment(f"{pointer if self.has_focus else ' '}{name}  ", tones.read_out),
            Segment(" · ".join(words), tones.label),
        ]
        return [*segments, Segment(f"  {gaps}" if gaps else "", tones.bad)]

    def marks_shown(self) -> set[str]:
        """Returns the characters of the marks that have a place on the axis."""
        return {mark for _, mark in self._placed().values()}

    def _placed(self) -> dict[int, tuple[float, str]]:
        width = self.content_size.width - self._plot_left
        if self._painted is not None:
            width = self._plot_width
        return marks_by_cell(self.marks, *self.drawn, max(1, width))

    def mark_at_cursor(self) -> tuple[float, str] | None:
        """Returns the mark that the cursor stands on, as in `marks`.

        Where points lie further apart than cells, it is the mark that no other point is nearer to.
        """
        (start, end), at = self.drawn, self.cursor_step
        if at is None or not start <= at <= end or not self._series or not len(self._series[0]):
            return None
        placed = self._placed()
        cell = cell_of(at, start, end, max(1, self._plot_width))
        if cell in placed:
            return placed[cell]
        main, point = self._series[0], self.index_at_cursor()
        return next((mark for mark in placed.values() if main.nearest(mark[0]) == point), None)

    def best(self) -> tuple[int, float] | None:
        """Returns step and value of the lowest point that is drawn of a loss; None of others."""
        if not self._series or "loss" not in self._series[0].name or len(self._series[0]) < 2:
            return None
        return self._smoothed(0).lowest()

    def _layers(self) -> list[Layer]:
        layers = []
        for at, (one, slot) in enumerate(zip(self._series, self._slots, strict=True)):
            tag = str(slot + 1) if self.overlay else ""
            style = self._ground + Style.parse(one.style) if one.style else self.style_of(slot)
            layers.append(Layer(self._smoothed(at), style, slot % len(STROKES), tag=tag))
        if self._weight and not self.mini and not self.overlay:
            raw = self._look("chart--raw")
            layers += [Layer(one, raw, faint=True) for one in self._series[:1]]
        return layers

    def style_of(self, slot: int) -> Style:
        """Returns the colour of a curve by its number, from 0."""
        return self._look(f"chart--series-{slot % COLOURS}")

    def index_at_cursor(self) -> int:
        """Returns the place of the main curve's point at the cursor, else of its newest."""
        main = self._series[0]
        if self.cursor_step is None:
            return len(main) - 1
        return main.nearest(self.cursor_step) or 0

    def points_in_view(self) -> range:
        """Returns the places of the main curve's points that the plot shows."""
        steps, (start, end) = self._series[0].steps, self.span
        return range(bisect_left(steps, start), bisect_right(steps, end))

    def value_at(self, slot: int) -> float | None:
        """Returns the value of a drawn curve at the cursor, else its newest finite one."""
        if slot not in self._slots:
            return None
        drawn = self._smoothed(self._slots.index(slot))
        if self.cursor_step is None:
            newest = reversed(drawn.values)
            return next((value for value in newest if math.isfinite(value)), None)
        at = drawn.nearest(self.cursor_step)
        return None if at is None else drawn.values[at]

    @property
    def _weight(self) -> float:
        """The weight of the past in the main curve."""
        return self._weight_of(0)

    def _weight_of(self, at: int) -> float:
        weight: float = self.smoothing ** (self._paces[at] if at < len(self._paces) else 1.0)
        return weight if self._noisy and weight >= _LEAST_WEIGHT else 0.0

    def _smoothed(self, at: int) -> Series:
        weight = self._weight_of(at)
        if not weight:
            return self._series[at]
        key = (at, weight)
        if key not in self._smooth:
            self._smooth[key] = self._series[at].smoothed(weight)
        return self._smooth[key]
