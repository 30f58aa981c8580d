"""The charts of one run: as many as fit, or one large one and the others in a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.message import Message
from textual.widgets import Static

from tui.app.chart.axis import STEPS, Axis
from tui.app.chart.chart import MetricChart
from tui.app.chart.data import Series
from tui.app.chart.layout import ALONE, Layout, arrange
from tui.app.chart.scale import label
from tui.app.chart.spark import spark

_SPARK: Final = 8
"""Cells of a curve that is told in a line."""
_LEGEND: Final = (("▣", "#", "checkpoint"), ("◫", "o", "pictures"), ("!", "!", "warning"),
                  ("↻", "@", "resumed"))  # fmt: skip
"""The marks of the axis, in Unicode and in ASCII, with their meanings."""


class Curve(NamedTuple):
    """A series of the run.

    Attributes:
        series: its points over the axis that is shown.
        noisy: whether it is measured, not computed by the trainer.
    """

    series: Series
    noisy: bool

    @property
    def name(self) -> str:
        """The name of the series."""
        return self.series.name


class ChartGrid(Vertical):
    """Shows curves in charts that share range, cursor and smoothing; one of them has the keys.

    A series that never changes is a figure in the line below, not a chart.

    Args:
        ascii_only: draw with ASCII characters.
    """

    DEFAULT_CSS = """
    ChartGrid { height: 1fr; }
    ChartGrid > Container { height: 1fr; layout: grid; grid-gutter: 0 1; }
    ChartGrid MetricChart { height: 100%; }
    ChartGrid > Static { height: 1; width: 1fr; color: $text-muted; text-wrap: nowrap; }
    """

    class MarkOpened(Message):
        """The user opens the mark that the cursor stands on.

        Attributes:
            mark: its place on the x axis and its character.
        """

        def __init__(self, mark: tuple[float, str]) -> None:
            super().__init__()
            self.mark = mark

    class Chosen(Message):
        """Another curve has the keys, or the charts are laid out anew."""

    def __init__(self, *, ascii_only: bool = False) -> None:
        super().__init__()
        self.ascii_only = ascii_only
        self.name_now = ""
        """The series of the chart that has the keys."""
        self.layout_now: Layout = ALONE
        self.enlarged = False
        self._charts = [MetricChart(ascii_only=ascii_only)]
        self._slot = 0
        self._curves: Sequence[Curve] = ()
        self._axis = STEPS
        self._marks: Sequence[tuple[float, str]] = ()
        self._log: set[str] = set()

    def compose(self) -> ComposeResult:
        """Yields the charts and the line below them."""
        self._area = Container(*self._charts)
        self._line = Static("", markup=False)
        yield self._area
        yield self._line

    # -- what is shown ------------------------------------------------------------------------

    @property
    def chart(self) -> MetricChart:
        """The chart that has the keys."""
        return self._charts[self._slot]

    @property
    def curve(self) -> Curve | None:
        """The curve of that chart."""
        return next((curve for curve in self._curves if curve.name == self.name_now), None)

    @property
    def varying(self) -> list[Curve]:
        """The curves that have a chart."""
        return [curve for curve in self._curves if not curve.series.constant] or [*self._curves[:1]]

    def show(self, curves: Sequence[Curve], axis: Axis, marks: Sequence[tuple[float, str]]) -> None:
        """Shows curves, the most important first.

        Args:
            curves: the series of the run, over the axis.
            axis: what their x values are.
            marks: places on the x axis with their character.
        """
        self._curves, self._axis, self._marks = curves, axis, marks
        self._lay_out()

    def _lay_out(self) -> None:
        varying = self.varying
        names = [curve.name for curve in varying]
        if self.name_now not in names:
            self.name_now = names[0] if names else ""
        width, height = self.size
        self.layout_now = ALONE if self.enlarged else arrange(len(varying), width, height - 1)
        places, at = self.layout_now.places, names.index(self.name_now) if names else 0
        shown = varying[at - at % places :][:places]
        before, focused = self.chart, self.screen.focused
        while len(self._charts) < len(shown):
            chart = MetricChart(ascii_only=self.ascii_only)
            chart.look_like(before)
            self._charts.append(chart)
            self._area.mount(chart)
        columns = self.layout_now.columns
        wide = 1 + min(columns - 1, places - len(shown)) if shown else 1
        self._area.styles.grid_size_columns = columns
        self._area.styles.grid_size_rows = -(-(len(shown) + wide - 1) // columns) or 1
        filled = [curve.series.steps for curve in varying if len(curve.series)]
        whole = None
        if places > 1 and filled:
            first, last = min(steps[0] for steps in filled), max(steps[-1] for steps in filled)
            whole = (float(first), float(max(last, first + 1)))
        measured = [curve.series for curve in varying if curve.noisy]
        for slot, chart in enumerate(self._charts):
            chart.display = slot < max(1, len(shown))
            chart.cell = places > 1
            chart.styles.column_span = 1 if slot else wide  # no place beside the last one is empty
            if slot < len(shown):
                curve = shown[slot]
                chart.show(
                    [curve.series], noisy=curve.noisy, pace=pace_of(curve.series, measured),
                    axis=self._axis, marks=self._marks, whole=whole,
                )  # fmt: skip
                chart.log_scale = curve.name in self._log
                chart.look_like(before)
        self._slot = at % places
        if focused in self._charts and focused is not self.chart:
            self.screen.set_focus(self.chart)
        self._tell()
        self.post_message(self.Chosen())

    def on_resize(self, event: events.Resize) -> None:  # noqa: ARG002  the size is the widget's
        """Lays the charts out for the new room."""
        if self._curves:
            self._lay_out()

    # -- the line below -----------------------------------------------------------------------

    def _tell(self) -> None:
        """Writes the line: values at the cursor below several charts, small curves below one."""
        words, room = list[str](), self.size.width - 1
        for word in self._values() if self.layout_now.places > 1 else self._sparks():
            if len(word) + 3 * bool(words) <= room:
                room -= len(word) + 3 * bool(words)
                words.append(word)
        self._line.display = bool(words or self._marks)
        drawn = self.chart.marks_shown()
        meanings = [
            f"{character} {meaning}"
            for *characters, meaning in _LEGEND
            if (character := characters[self.ascii_only]) in drawn
        ]
        text, legend = " · ".join(words), "  ".join(meanings)
        gap = " " * (room - len(legend))
        line = f" {text}{gap}{legend}" if legend and len(gap) > 1 else f" {text}"
        self._line.update(line, layout=False)  # it is one line high whatever it says

    def _values(self) -> Iterator[str]:
        at = self.chart.cursor_step
        yield self._axis.read_out(self.chart.span[1] if at is None else at)
        for curve in self._curves:
            series = curve.series
            place = series.nearest(series.steps[-1] if at is None and len(series) else at or 0)
            if place is not None:
                yield f"{series.name} {label(series.values[place])}"

    def _sparks(self) -> Iterator[str]:
        for curve in self._curves:
            series = curve.series
            if series.name == self.name_now or not len(series):
                continue
            value = label(series.values[-1])
            drawn = spark(series, _SPARK, ascii_only=self.ascii_only)
            yield f"{series.name} {value}" if series.constant else f"{series.name} {drawn} {value}"

    # -- keys ---------------------------------------------------------------------------------

    @on(MetricChart.Moved)
    def _moved(self, event: MetricChart.Moved) -> None:
        if event.chart is not self.chart:
            return
        if event.chart.log_scale:
            self._log.add(self.name_now)
        else:
            self._log.discard(self.name_now)
        for chart in self._charts:
            if chart is not event.chart and chart.display:
                chart.look_like(event.chart)
        self._tell()

    @on(MetricChart.Wanted)
    def _wanted(self, event: MetricChart.Wanted) -> None:
        names = [curve.name for curve in self.varying]
        if len(names) > 1:
            self.name_now = names[(names.index(self.name_now) + event.step) % len(names)]
            self._lay_out()

    @on(MetricChart.OpenWanted)
    def _open(self) -> None:
        mark = self.chart.mark_at_cursor()
        if mark is None:
            self._enlarge()
        else:
            self.post_message(self.MarkOpened(mark))

    def _enlarge(self) -> None:
        self.enlarged = not self.enlarged
        self._lay_out()

    def on_click(self, event: events.Click) -> None:
        """Makes the chart that was clicked the one with the keys.

        Not the one that gets them: told of that late, it would take back what a key did since.
        """
        if event.widget is self.chart or event.widget not in self._charts:
            return
        slot, places = self._charts.index(event.widget), self.layout_now.places
        names = [curve.name for curve in self.varying]
        first = names.index(self.name_now) // places * places
        if first + slot < len(names):
            self._slot, self.name_now = slot, names[first + slot]
            self._tell()
            self.post_message(self.Chosen())

    def step_back(self) -> bool:
        """Takes cursor and zoom away, then shows all charts again; returns whether it did."""
        if self.chart.view is not None or self.chart.cursor_step is not None:
            self.chart.action_perform("chart.whole")
            return True
        if self.enlarged:
            self._enlarge()
            return True
        return False


def pace_of(series: Series, beside: Iterable[Series]) -> float:
    """Returns how far apart a curve's points lie, in distances of the densest curve beside it."""
    return pace(_distance(series), map(_distance, beside))


def pace(distance: float, beside: Iterable[float]) -> float:
    """Returns the same of the steps that lie between two points of each curve; 0 is no distance."""
    least = min(filter(None, beside), default=0.0)
    return max(1.0, round(distance / least)) if least else 1.0


def _distance(series: Series) -> float:
    points = len(series)
    return (series.steps[-1] - series.steps[0]) / (points - 1) if points > 1 else 0.0
