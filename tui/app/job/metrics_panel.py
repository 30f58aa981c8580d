"""The Metrics tab: one series at a time."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, cast

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical

from tui.app.chart.axis import Kind
from tui.app.chart.chart import MetricChart
from tui.app.chart.data import Series
from tui.app.chart.timed import axis_of, next_kind, over, places
from tui.app.job.tab_bar import TabStatus
from tui.simpletuner.log.step_clock import StepClock
from tui.simpletuner.validation_media import read_name
from tui.store.reader import StoreReader
from tui.store.records import FileRecord, JobRecord
from tui.store.run_clock import run_clock
from tui.store.schema import StoreError

if TYPE_CHECKING:
    from tui.app.context import AppContext

_CHECKPOINT: Final = re.compile(r"(?:^|/)checkpoint-(\d{1,12})/")
SCHEDULES: Final = frozenset({"lr", "learning_rate", "epoch"})
"""Series that the trainer computes instead of measuring them."""


class MetricsPanel(Vertical):
    """Shows a chart and chooses the series in it.

    Args:
        job: the job whose metrics are shown.
    """

    DEFAULT_CSS = """
    MetricsPanel { height: 1fr; border-left: solid $border; border-right: solid $border; }
    """

    def __init__(self, job: JobRecord) -> None:
        super().__init__()
        self._job = job
        self.names: list[str] = []
        self.name_now = ""
        self._mine: Series | None = None
        self._kind: Kind = "step"
        self._clock: StepClock | None = None
        self._marks: list[tuple[int, str]] = []
        self._again = False
        self._loading = False

    def compose(self) -> ComposeResult:
        """Yields the chart."""
        self.chart = MetricChart(ascii_only=cast("AppContext", self.app).settings.ui.ascii)
        yield self.chart

    def on_mount(self) -> None:
        """Reads the series."""
        self.update(self._job)

    def focus_content(self) -> None:
        """Gives the keys to the chart."""
        self.chart.focus()

    def update(self, job: JobRecord) -> None:
        """Reads new points in a thread; a call while it reads makes it read once more."""
        self._job = job
        self._again = True
        if not self._loading:
            self._loading = True
            self.run_worker(self._load(), group="metrics")

    async def _load(self) -> None:
        database = cast("AppContext", self.app).home.database
        try:
            while self._again:
                self._again = False
                await asyncio.to_thread(self._read, StoreReader(database))
                self._show()
        finally:
            self._loading = False

    def _read(self, reader: StoreReader) -> None:
        """Reads the new points of the series and reduces them; runs in a thread."""
        try:
            self.names = reader.metric_names(self._job.job_id)
            if self.name_now not in self.names:
                self.name_now = self.names[0] if self.names else ""
            if self.name_now:
                self._mine = _grown(reader, self._job, self.name_now, self._mine)
            self._marks = run_marks(
                reader.files(self._job.job_id), ascii_only=self.chart.ascii_only
            )
            if self._kind != "step":
                context = cast("AppContext", self.app)
                self._clock = run_clock(reader, context.home, context.outputs, self._job)
        except StoreError:
            return  # the next change reads again
        finally:
            reader.close()

    def _show(self) -> None:
        clock = self._clock
        axis = axis_of(self._kind, [clock] if clock else [])
        curves = [over(self._mine, clock, axis)] if self._mine is not None else []
        marks = list(self._marks)
        if clock is not None:
            again = "@" if self.chart.ascii_only else "↻"
            marks = sorted([*marks, *((step, again) for step in clock.resumed)])
        steps = places([step for step, _ in marks], clock, axis)
        placed = [(float(at), mark) for at, (_, mark) in zip(steps, marks, strict=False)]
        noisy = self.name_now not in SCHEDULES
        self.chart.show(curves, noisy=noisy, axis=axis, marks=placed)
        self.say()

    def say(self) -> None:
        """Shows the name of the series and its place among all at the end of the tab bar."""
        words = list[str]()
        if len(self.names) > 1:
            place = self.names.index(self.name_now) + 1 if self.name_now in self.names else 0
            words.append(f"{self.name_now} {place} of {len(self.names)}")
        elif self._mine is not None:
            words.append(f"{len(self._mine):,} points")
        self.post_message(TabStatus(self, words))

    @on(MetricChart.Wanted)
    def _wanted(self, event: MetricChart.Wanted) -> None:
        if len(self.names) < 2:
            return
        place = self.names.index(self.name_now) if self.name_now in self.names else 0
        self.name_now = self.names[(place + event.step) % len(self.names)]
        self._mine = None
        self.update(self._job)

    @on(MetricChart.AxisWanted)
    def _axis_wanted(self) -> None:
        self._kind = next_kind(self._kind)
        self.update(self._job)

    def step_back(self) -> bool:
        """Takes cursor and zoom away; returns whether there was one."""
        if self.chart.view is None and self.chart.cursor_step is None:
            return False
        self.chart.do_whole()
        return True

    def copy_text(self) -> str:
        """Returns step and value at the cursor."""
        series = self._mine
        if series is None or not len(series):
            return ""
        at = self.chart.index_at_cursor()
        return f"step {series.steps[at]} {self.name_now} {series.values[at]!r}"


def run_marks(files: Iterable[FileRecord], *, ascii_only: bool) -> list[tuple[int, str]]:
    """Returns the steps of checkpoints and validation pictures that have arrived."""
    marks: dict[int, str] = {}
    for file in files:
        if file.missing:
            continue
        if (saved := _CHECKPOINT.search(file.path)) is not None:
            marks[int(saved[1])] = "#" if ascii_only else "▣"
        elif (medium := read_name(file.path)) is not None and medium.step is not None:
            marks.setdefault(medium.step, "o" if ascii_only else "◫")
    return sorted(marks.items())


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
