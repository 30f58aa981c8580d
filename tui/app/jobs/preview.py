"""The preview of a job: its loss curve and the last lines of its log."""

from __future__ import annotations

import contextlib
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.style import Style
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from tui.app.annotations.edit import title_words
from tui.app.job.facts import stopping_limit
from tui.app.jobs.groups import sweep_cost, sweep_words
from tui.app.jobs.sweep_actions import preview_lines
from tui.app.terminal.text_lines import fit, strip_of
from tui.app.terminal.theme import Palette, palette
from tui.app.widgets.panel_title import PanelTitle
from tui.base import formatting
from tui.base.job_status import JobStatus
from tui.store.log_file import LogFile
from tui.store.records import JobRecord
from tui.store.run_warnings import shown_warning, warning_words
from tui.store.schema import StoreError

if TYPE_CHECKING:
    from tui.api.sweeps import Sweep
    from tui.app.chart.chart import MetricChart
    from tui.app.context import AppContext


_LINES: Final = 12
_SHARE: Final = 0.6
"""The lines of a preview beside a long list, and what it has of the screen beside a short one."""
_AROUND: Final = 5
"""The bars above and below the list, its title and its head, and a line between."""


def preview_height(height: int, jobs: int) -> int:
    """Returns the lines of the preview: what a list of all jobs leaves.

    A filter changes nothing, so that the preview stands still while one is typed.
    """
    return max(_LINES, min(height - _AROUND - jobs, int(height * _SHARE)))


class TailView(Widget):
    """Shows the last lines of a log, as many as fit."""

    ALLOW_SELECT = False

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def set(self, lines: list[str]) -> None:
        """Shows other lines."""
        if lines != self.lines:
            self.lines = lines
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """Returns a line, coloured by its tag."""
        colors = palette(self.app)
        width = self.size.width
        shown = self.lines[-self.size.height :]
        text = shown[y] if y < len(shown) else ""
        style = self._style(text, colors)
        return strip_of([("│ ", colors.line), (fit(text, width - 2), style)], width, colors.base)

    def _style(self, text: str, colors: Palette) -> Style:
        if text.startswith(("[ERROR]", "Traceback", "ERROR")):
            return colors.bad
        if text.startswith(("[WARN", "WARNING")):
            return colors.warn
        if text.startswith("[STAGE]"):
            return colors.base
        return colors.dim


class JobPreview(Vertical):
    """Shows the job under the cursor of the list."""

    def __init__(self, context: AppContext) -> None:
        super().__init__(id="preview")
        self.context = context
        self._chart: MetricChart | None = None
        self.display = False

    def compose(self) -> ComposeResult:
        """Yields title, curve and tail."""
        yield PanelTitle(joined=True, id="preview-title")
        with Horizontal(id="preview-body"):
            yield Vertical(id="preview-chart")
            yield TailView()

    def show(self, job_id: str | None) -> None:
        """Shows a job; None shows an empty panel."""
        title = self.query_one("#preview-title", PanelTitle)
        tail = self.query_one(TailView)
        try:
            job = self.context.reader.job(job_id) if job_id else None
        except StoreError:
            job = None
        if job is None:
            title.set(("",))
            tail.set([])
            self._curve(None)
            return
        stops_at = stopping_limit(self.context.settings.spending)
        marks = (f"cancelled at {stops_at}",) if stops_at and job.status.is_active else ()
        written = title_words(self.context.reader.annotation(job.job_id))
        warning = shown_warning(job.warnings)
        opens = (
            ()
            if warning is None or warning["step"] is None
            else (f"enter opens at step {warning['step']:,}",)
        )
        title.set(headline(job, self.context.clock()), (*written, *marks, *opens))
        tail.set(log_tail(self.context.home.log_file(job.job_id), self.size.height or _LINES))
        self._curve(job)

    def show_sweep(self, sweep: Sweep) -> None:
        """Shows the jobs of a sweep, and the curve of the best of them."""
        title = self.query_one("#preview-title", PanelTitle)
        title.set((sweep["name"], f"sweep · {sweep_words(sweep)}"), (sweep_cost(sweep),))
        self.query_one(TailView).set(preview_lines(sweep)[-(self.size.height or _LINES) :])
        try:
            best = self.context.reader.job(sweep["best"]) if sweep["best"] else None
        except StoreError:
            best = None
        self._curve(best)

    def log_region(self) -> Region:
        """Returns the region of the log lines on the screen."""
        return self.query_one(TailView).region

    def _curve(self, job: JobRecord | None) -> None:
        """Draws the loss; the chart is made, and its module imported, for the first curve."""
        from tui.app.chart.data import Series

        series: list[Any] = []
        if job is not None:
            with contextlib.suppress(StoreError):
                steps, values = self.context.reader.metrics(job.job_id, "loss")
                if steps:
                    series = [Series("loss", steps, values)]
        if self._chart is None:
            if not series:
                return
            from tui.app.chart.chart import MetricChart

            plain = self.context.settings.ui.ascii
            self._chart = MetricChart(mini=True, ascii_only=plain)
            self.query_one("#preview-chart").mount(self._chart)
        self._chart.show(series)


def headline(job: JobRecord, now: datetime) -> tuple[str, ...]:
    """Returns `cat-lora ─ Step 1240 of 2000 ─ epoch 13/20 ─ 1.89 s/it ─ L40S $3.51/h`.

    What is wrong with the run stands behind its name.
    """
    parts = [job.name]
    if warning := shown_warning(job.warnings):
        parts.append(f"! {warning_words(warning, job.rate_micros, now)}")
    if job.status is JobStatus.RUNNING and job.step is not None and job.total_steps:
        parts.append(f"Step {job.step:,} of {job.total_steps:,}")
        if job.epoch is not None and job.epochs:
            parts.append(f"epoch {job.epoch}/{job.epochs}")
        if job.seconds_per_step:
            parts.append(formatting.speed(job.seconds_per_step))
    else:
        parts.append(formatting.ended(job.status, job.stage))
        if job.stage and job.status is not JobStatus.COMPLETED:
            parts.append(job.stage)
        if job.completed_at:
            parts.append(formatting.stamp(job.completed_at))
    if job.hardware:
        parts.append(f"{job.hardware.upper()} {formatting.rate(job.rate_micros)}")
    return tuple(parts)


def log_tail(path: Path, lines: int) -> list[str]:
    """Returns the newest lines that are not blank, the oldest first, safe to show.

    Blank lines between them are left out. A file that is missing or empty gives no lines.
    """
    with LogFile(path) as log:
        texts = [line.text for line in log.tail(2 * lines)]
    return [text for text in texts if text.strip()][-lines:]
