"""The Metrics tab: the series of a job in charts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, cast

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message

from tui.app.chart.axis import Kind
from tui.app.chart.chart import MetricChart
from tui.app.chart.data import SCHEDULES, Series
from tui.app.chart.grid import ChartGrid, Curve
from tui.app.chart.layout import LEAST_HEIGHT, arrange
from tui.app.chart.order import in_order, moved
from tui.app.chart.timed import axis_of, next_kind, over, places
from tui.app.job.exact_metrics import ExactMetrics
from tui.app.job.file_list import checkpoint_of
from tui.app.job.log_at_cursor import ROWS as LOG_ROWS
from tui.app.job.log_at_cursor import LogAtCursor
from tui.app.job.tab_bar import TabStatus
from tui.base.formatting import plural
from tui.simpletuner.log.step_clock import StepClock
from tui.simpletuner.validation_media import read_name
from tui.store.reader import StoreReader
from tui.store.records import FileRecord, JobRecord
from tui.store.run_clock import run_clock
from tui.store.schema import StoreError

if TYPE_CHECKING:
    from tui.api.jobs import JobWarning
    from tui.app.context import AppContext

_OPENS: Final = {"▣": "Files", "#": "Files", "◫": "Pictures", "o": "Pictures"}
"""The tab that tells more of a mark; of all others the log does."""


class MetricsPanel(Vertical):
    """Reads the series of a job and shows them in charts.

    Args:
        job: the job whose metrics are shown.
    """

    DEFAULT_CSS = """
    MetricsPanel { height: 1fr; border-left: solid $border; border-right: solid $border; }
    """

    class MarkOpened(Message):
        """The user opens a mark of the axis.

        Attributes:
            tab: the tab that tells of it.
            step: the training step of the mark.
        """

        def __init__(self, tab: str, step: int) -> None:
            super().__init__()
            self.tab = tab
            self.step = step

    def __init__(self, job: JobRecord) -> None:
        super().__init__()
        self._job = job
        self._series: dict[str, Series] = {}
        self._kind: Kind = "step"
        self._clock: StepClock | None = None
        self._marks: list[tuple[int, str]] = []
        self._step_of: dict[tuple[float, str], int] = {}
        """The steps of the marks as they are placed on the axis."""
        self.opens = ""
        """The tab that tells of the mark under the cursor; empty where it is on none."""
        self._exact = ExactMetrics()
        self._again = False
        self._loading = False
        self._step: int | None = None
        """The step that the cursor is put on once there are points."""

    def compose(self) -> ComposeResult:
        """Yields the charts."""
        ascii_only = self.context.settings.ui.ascii
        self.grid = ChartGrid(ascii_only=ascii_only)
        path = self.context.home.log_file(self._job.job_id)
        self.log_at_cursor = LogAtCursor(path, ascii_only=ascii_only)
        yield self.grid
        yield self.log_at_cursor

    def on_mount(self) -> None:
        """Reads the series."""
        self.update(self._job)

    @property
    def context(self) -> AppContext:
        """The app, with its own type."""
        return cast("AppContext", self.app)

    @property
    def chart(self) -> MetricChart:
        """The chart that has the keys."""
        return self.grid.chart

    def focus_content(self) -> None:
        """Gives the keys to the chart, at once: more of them may have been typed already."""
        self.screen.set_focus(self.chart)

    def update(self, job: JobRecord) -> None:
        """Reads new points in a thread; a call while it reads makes it read once more."""
        self._job = job
        self._again = True
        if not self._loading:
            self._loading = True
            self.run_worker(self._load(), group="metrics")

    async def _load(self) -> None:
        database = self.context.home.database
        try:
            while self._again:
                self._again = False
                await asyncio.to_thread(self._read, StoreReader(database))
                if self._kind != "step" and (self._clock is None or len(self._clock.steps) < 2):
                    self._kind = "step"
                    self.context.tell("The times of this run's steps are not known.")
                self._show()
        finally:
            self._loading = False

    def _read(self, reader: StoreReader) -> None:
        """Reads the new points of the series and reduces them; runs in a thread."""
        context = self.context
        try:
            names = reader.metric_names(self._job.job_id)
            files = reader.files(self._job.job_id)
            # Replaced as a whole: the screen may be drawn meanwhile.
            self._series = {
                name: _grown(reader, self._job, name, self._series.get(name)) for name in names
            } | {
                series.name: series
                for series in self._exact.read(context.outputs, files)
                if series.name not in names
            }
            self._marks = run_marks(files, self._job.warnings, ascii_only=self.grid.ascii_only)
            if self._kind != "step":
                self._clock = run_clock(reader, context.home, context.outputs, self._job)
        except StoreError:
            return  # the next change reads again
        finally:
            reader.close()

    def _show(self) -> None:
        clock = self._clock
        axis = axis_of(self._kind, [clock] if clock else [])
        curves = [
            Curve(over(series, clock, axis), name not in SCHEDULES)
            for name in in_order(self._series, self.context.model.charts)
            if (series := self._series.get(name)) is not None
        ]
        marks = list(self._marks)
        if clock is not None:
            again = "@" if self.grid.ascii_only else "↻"
            marks = sorted([*marks, *((step, again) for step in clock.resumed)])
        steps = places([step for step, _ in marks], clock, axis)
        placed = [(float(at), mark) for at, (_, mark) in zip(steps, marks, strict=False)]
        self._step_of = {at: step for at, (step, _) in zip(placed, marks, strict=False)}
        self.grid.show(curves, axis, placed)
        if self._step is not None and axis.kind == "step" and any(self._series.values()):
            self.chart.go_to_step(self._step)
            self._step = None

    @on(ChartGrid.Chosen)
    def say(self) -> None:
        """Shows which series has the keys, and how many there are, at the end of the tab bar."""
        grid, words = self.grid, list[str]()
        names = [curve.name for curve in grid.varying]
        if grid.layout_now.places > 1:
            words.append(plural(len(self._series), "series", "series"))
        elif len(names) > 1:
            words.append(f"{grid.name_now} {names.index(grid.name_now) + 1} of {len(names)}")
        elif grid.curve is not None:
            words.append(plural(len(grid.curve.series), "point"))
        self.opens = self._tab_of_mark()
        self._show_log()
        self.post_message(TabStatus(self, words))

    def _show_log(self) -> None:
        """Shows the log at the cursor where no chart has to give way; none while all is new."""
        width, height = self.size
        charts = 1 if self.grid.enlarged else len(self.grid.varying)
        beside = arrange(charts, width, height - 1)
        rest = height - 1 - LOG_ROWS
        has_room = arrange(charts, width, rest) == beside and rest // beside.rows >= (
            LEAST_HEIGHT if beside.places > 1 else 2 * LEAST_HEIGHT
        )
        self.log_at_cursor.show(self.step_now() if has_room else None)

    def _tab_of_mark(self) -> str:
        mark = self.chart.mark_at_cursor()
        return "" if mark is None else _OPENS.get(mark[1], "Log")

    @on(MetricChart.Moved)
    def _moved(self) -> None:
        """Shows the log at the cursor, and has the footer say what `enter` does now."""
        self._show_log()
        if self.opens != self._tab_of_mark():
            self.say()

    @on(MetricChart.MoveWanted)
    def _move_wanted(self, event: MetricChart.MoveWanted) -> None:
        """Moves the chart that has the keys past the one beside it; those without a chart stay."""
        model, name = self.context.model, self.grid.name_now
        names = [curve.name for curve in self.grid.varying]
        to = names.index(name) + event.step if name in names else -1
        if not event.step:
            model.charts = ()
        elif 0 <= to < len(names):
            later = event.step > 0
            model.charts = moved(self._series, model.charts, name, names[to], later=later)
        else:
            self.context.tell(f"There is no chart {'after' if event.step > 0 else 'before'} it.")
        self._show()

    @on(ChartGrid.MarkOpened)
    def _mark_opened(self, event: ChartGrid.MarkOpened) -> None:
        step = self._step_of.get(event.mark)
        if step is not None:
            self.post_message(self.MarkOpened(_OPENS.get(event.mark[1], "Log"), step))

    @on(MetricChart.AxisWanted)
    def _axis_wanted(self) -> None:
        self._kind = next_kind(self._kind)
        self.update(self._job)

    def step_now(self) -> int | None:
        """Returns the training step at the cursor; None without a cursor."""
        series = self._series.get(self.grid.name_now)
        if series is None or not len(series) or self.chart.cursor_step is None:
            return None
        return series.steps[self.chart.index_at_cursor()]

    def steps_shown(self) -> tuple[int, int] | None:
        """Returns the first and the last step that the charts are zoomed to; None for all."""
        series, view = self._series.get(self.grid.name_now), self.chart.view
        if series is None or view is None:
            return None
        inside = self.chart.points_in_view()
        return (series.steps[inside[0]], series.steps[inside[-1]]) if inside else None

    def show_step(self, step: int, *, asked: bool) -> None:  # noqa: ARG002  see LogPanel
        """Puts the cursor on a step, as soon as there are points; over time, steps come back."""
        if step != self.step_now():
            self._step, self._kind = step, "step"
            self.update(self._job)

    def step_back(self) -> bool:
        """Undoes cursor, zoom or enlargement; returns whether there was one."""
        return self.grid.step_back()

    def copy_text(self) -> str:
        """Returns step and value at the cursor."""
        series = self._series.get(self.grid.name_now)
        if series is None or not len(series):
            return ""
        at = self.chart.index_at_cursor()
        return f"step {series.steps[at]} {series.name} {series.values[at]!r}"


def run_marks(
    files: Iterable[FileRecord], warnings: Iterable[JobWarning] = (), *, ascii_only: bool
) -> list[tuple[int, str]]:
    """Returns the steps of warnings, of checkpoints and of validation pictures that have arrived.

    Of one step they are in this order: the axis has room for two.
    """
    marks = {(step, 0) for one in warnings
             if not one["dismissed"] and (step := one["step"]) is not None}  # fmt: skip
    for file in files:
        if file.missing:
            continue
        if (saved := checkpoint_of(file.path)) is not None:
            marks.add((saved, 1))
        elif (medium := read_name(file.path)) is not None and medium.step is not None:
            marks.add((medium.step, 2))
    characters = "!#o" if ascii_only else "!▣◫"
    return [(step, characters[kind]) for step, kind in sorted(marks)]


def _grown(reader: StoreReader, job: JobRecord, metric: str, old: Series | None) -> Series:
    """Returns a series with the points that came since `old`, reduced."""
    after = old.steps[-1] if old is not None and len(old) else -1
    steps, values = reader.metrics(job.job_id, metric, after)
    if old is None:
        grown = Series(metric, steps, values)
    elif not steps:
        return old
    else:
        grown = Series(metric, old.steps + steps, old.values + values)
        grown.take_over(old)
    grown.prepare()
    return grown
