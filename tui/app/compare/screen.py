"""The Compare screen: 2 to 8 runs over one another, and below them what differs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import ClassVar, Final

from textual import events, on
from textual.containers import Horizontal
from textual.widget import Widget

from tui.app.chart.axis import STEPS, Kind
from tui.app.chart.chart import MetricChart
from tui.app.chart.data import SCHEDULES
from tui.app.chart.timed import axis_of, next_kind
from tui.app.compare.runs import LOSS, Runs, read_runs
from tui.app.compare.tables import NO_TIMES, Run, RunList, SettingList, as_tsv, order_by, table_of
from tui.app.keys.actions import COMPARE, MOVE, PROGRAM, Action
from tui.app.shell.messages import JobsChanged
from tui.app.shell.screen import AppScreen
from tui.app.terminal.styles import style_sheet
from tui.app.widgets.panel_title import PanelTitle
from tui.app.widgets.virtual_list import VirtualList
from tui.base.formatting import plural
from tui.store.comparison import FEWEST, MOST, differing_words
from tui.store.schema import StoreError

_CHART: Final = frozenset(
    {"smooth", "less_smooth", "log_scale", "zoom_in", "zoom_out", "whole", "left", "right",
     "far_left", "far_right"}
)  # fmt: skip
"""Actions that the plot does."""
_SORTS: Final = {"smooth": False, "less_smooth": True}
"""Actions that sort while the table has the keys, and whether they put the largest first."""


class CompareScreen(AppScreen):
    """Shows runs beside each other, and follows them.

    Args:
        job_ids: the jobs; the first eight are taken.
    """

    CSS_PATH = style_sheet("compare")
    ACTIONS: ClassVar = COMPARE
    MOVES: ClassVar = MOVE
    HERE: ClassVar = "jobs"
    AUTO_FOCUS = "RunList"

    def __init__(self, job_ids: Sequence[str]) -> None:
        super().__init__()
        self.job_ids = list(job_ids[:MOST])
        self._too_many = len(job_ids) - MOST
        self.runs: Runs | None = None
        self.kind: Kind = "step"
        self.metric = LOSS
        self.everything = False
        self.left_out: set[str] = set()
        self._untimed: set[str] = set()
        """The runs that have no place on the axis."""
        self._again = self._loading = False
        self._sorted: tuple[str, bool] = ("", False)
        """The row that the runs are in the order of, and whether the largest is first."""

    def body(self) -> Iterable[Widget]:
        """Makes plot, legend and table."""
        ascii_only = self.context.settings.ui.ascii
        self.head = PanelTitle()
        self.chart = MetricChart(ascii_only=ascii_only, overlay=True)
        self.legend = RunList(ascii_only=ascii_only)
        self.between = PanelTitle(joined=True)
        self.table = SettingList()
        plot = Horizontal(self.chart, self.legend, id="compare-plot")
        return (self.head, plot, self.between, self.table)

    # -- life ---------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Reads the runs and follows them."""
        super().on_mount()
        self.context.signals.jobs_changed.subscribe(self, self._jobs_changed)
        self._titles()
        self.load()
        if self._too_many > 0:
            self.context.tell(
                f"{plural(self._too_many, 'marked run is', 'marked runs are')} left out.",
                f"{MOST} at most can be told apart.",
            )

    def _jobs_changed(self, change: JobsChanged) -> None:
        if change.job_ids.intersection(self.job_ids):
            self.load()

    def load(self) -> None:
        """Reads the runs in a thread; a call while it reads makes it read once more."""
        self._again = True
        if not self._loading:
            self._loading = True
            self.run_worker(self._load(), group="compare")

    async def _load(self) -> None:
        context = self.context
        try:
            while self._again:
                self._again = False
                self.runs = await asyncio.to_thread(
                    read_runs, context.home, context.outputs, self.job_ids, context.clock(),
                    times=self.kind != "step", metric=self.metric,
                )  # fmt: skip
                self._show()
        except StoreError as error:
            context.tell(error.message, error.advice, "error")
        finally:
            self._loading = False

    def _show(self) -> None:
        runs = self.runs
        if runs is None:
            return
        if len(runs.jobs) < FEWEST:
            self.context.tell("There is nothing left to compare with.")
            if self.is_current:
                self.context.pop_screen()
            return
        axis = axis_of(self.kind, runs.clocks)
        over = runs.over(axis)
        drawn = [at for at, job in enumerate(runs.jobs) if job.job_id not in self.left_out]
        drawn.sort(key=lambda at: not len(over[at]))  # the cursor goes along the first curve
        noisy, untimed = runs.metric not in SCHEDULES, runs.untimed(axis)
        self._untimed = {job.job_id for job, no in zip(runs.jobs, untimed, strict=True) if no}
        none = drawn and all(untimed[at] for at in drawn)
        self.chart.show(
            [over[at] for at in drawn], slots=drawn, axis=axis, noisy=noisy,
            pace=[runs.paces[at] for at in drawn],
            empty="no times in the log of any run here" if none else "",
        )  # fmt: skip
        self._table()
        self._legend()
        self._titles()
        self.update_footer()

    def _legend(self) -> None:
        """Shows the values at the cursor of the plot."""
        runs = self.runs
        if runs is None:
            return
        now = self.context.clock()
        lines = []
        for at, (job, found) in enumerate(zip(runs.jobs, runs.found["jobs"], strict=True)):
            ended = job.completed_at or now
            length = (ended - job.started_at).total_seconds() if job.started_at else None
            shown = job.job_id not in self.left_out
            kept = found["loss"] if runs.metric == LOSS else None
            loss = self.chart.value_at(at) if shown else kept
            note = NO_TIMES if shown and job.job_id in self._untimed else ""
            lines.append(Run(found, self.chart.style_of(at), loss, shown, length, note))
        self.legend.set(lines)

    def _table(self) -> None:
        if self.runs is None:
            return
        rows, results = table_of(self.runs.found, everything=self.everything)
        heads = [f"{at} {one['label']}" for at, one in enumerate(self.runs.found["jobs"], 1)]
        self.table.set(heads, rows, results)
        self._heights(self.size.height)

    def _titles(self) -> None:
        count = len(self.job_ids) if self.runs is None else len(self.runs.jobs)
        axis = STEPS if self.runs is None else self.chart.axis
        at = "" if self.chart.cursor_step is None else axis.read_out(self.chart.cursor_step)
        weight = self.chart.smoothing
        words = [at, axis.title, f"smooth {weight:g}" if weight else "", self._view_words()]
        right = tuple(word for word in words if word)
        metric, metrics = (
            (self.metric, [])
            if self.runs is None
            else (
                self.runs.metric,
                self.runs.metrics,
            )
        )
        if len(metrics) > 1:
            metric += f" {metrics.index(metric) + 1} of {len(metrics)}"
        self.head.set(("Compare", plural(count, "run"), metric), right)
        if self.runs is not None:
            found = self.runs.found
            said = differing_words(found)
            switch = "& differing" if self.everything else "& all"
            row, largest_first = self._sorted
            order = f"by {row}, {'largest' if largest_first else 'smallest'} first" if row else ""
            self.between.set((said, *filter(None, [order]), *found["remarks"]), (switch,))

    def _view_words(self) -> str:
        words = ["log"] if self.chart.log_scale else []
        return " · ".join([*words, "zoom"] if self.chart.view else words)

    def on_resize(self, event: events.Resize) -> None:
        """Divides the rows."""
        super().on_resize(event)
        self._heights(event.size.height)

    def _heights(self, height: int) -> None:
        """Gives the table what it needs, up to half of the screen."""
        rows = min(self.table.count + 1, max(4, (height - 4) // 2))
        if self.table.styles.height is None or self.table.styles.height.value != rows:
            self.table.styles.height = rows

    # -- what can be done ---------------------------------------------------------------------

    def actions(self) -> tuple[Action, ...]:
        """Returns the actions; in the table `s` sorts."""
        actions = super().actions()
        if not self.table.has_focus:
            return actions
        labels = {"compare.smooth": "sort by row", "compare.less_smooth": "sort, largest first"}
        return tuple(replace(one, label=labels.get(one.id, one.label)) for one in actions)

    def command_job(self) -> str | None:
        """Returns the run under the cursor."""
        if self.runs is None or not self.legend.runs:
            return None
        return self.runs.jobs[self.legend.index].job_id

    def why_not(self, action: Action) -> str:
        """Returns why an action cannot be done now; empty when it can."""
        if action.group != "compare":
            return super().why_not(action)
        if self.runs is None and action.name != "back":
            return "The runs are being read."
        if action.name == "publish" and not self.context.control:
            return self.context.engine.refusal
        return ""

    async def action_perform(self, action_id: str) -> None:
        """Passes the actions of the plot on to it."""
        group, _, name = action_id.partition(".")
        if group == "compare" and name in _SORTS and self.table.has_focus:
            self._sort(largest_first=_SORTS[name])
            return
        if group == "compare" and name in _CHART:
            self.chart.action_perform(action_id)
            self._legend()
            self._titles()
            return
        await super().action_perform(action_id)

    def do_switch(self) -> None:
        """Goes from the runs to the table, and back."""
        (self.legend if self.table.has_focus else self.table).focus()
        self.update_footer()

    def _sort(self, *, largest_first: bool) -> None:
        """Puts the runs in the order of the row under the cursor; again, the other way round."""
        runs, table = self.runs, self.table
        if runs is None or not table.rows:
            return
        name = table.rows[table.index][0]
        if self._sorted == (name, largest_first):
            largest_first = not largest_first
        self._sorted = name, largest_first
        order = order_by(
            runs.found, table.rows, table.index, table.results, descending=largest_first
        )
        here = self.command_job()
        self.job_ids = [runs.jobs[at].job_id for at in order]
        self.legend.move_to(self.job_ids.index(here) if here else 0, tell=False)
        self.load()

    def do_axis(self) -> None:
        """Shows the curves over the next axis."""
        self.kind = next_kind(self.kind)
        if self.kind != "step" and self.runs is not None and not self.runs.clocks:
            self.load()
        else:
            self._show()

    def do_next(self) -> None:
        """Shows the next series of the runs."""
        self._show_metric(1)

    def do_previous(self) -> None:
        """Shows the series before."""
        self._show_metric(-1)

    def _show_metric(self, by: int) -> None:
        if self.runs is not None and len(self.runs.metrics) > 1:
            names = self.runs.metrics
            self.metric = names[(names.index(self.runs.metric) + by) % len(names)]
            self.load()

    def do_compare(self) -> None:
        """Shows the pictures of the runs that are drawn."""
        from tui.app.compare.pictures import RunPicturesScreen  # reads pictures: not at the start

        shown = [job_id for job_id in self.job_ids if job_id not in self.left_out]
        self.context.push_screen(RunPicturesScreen(shown))

    def do_all(self) -> None:
        """Shows every setting, or only those that differ."""
        self.everything = not self.everything
        self._table()
        self._titles()

    def do_leave(self) -> None:
        """Leaves the run under the cursor out of the plot, or takes it in again."""
        job_id = self.command_job()
        if job_id is not None:
            self.left_out ^= {job_id}
            self._show()

    @on(VirtualList.Opened)
    def do_open(self) -> None:
        """Opens the page of the run under the cursor."""
        job_id = self.command_job()
        if job_id is not None:
            self.context.open_job(job_id)

    def do_publish(self) -> None:
        """Opens the form for the best checkpoint of the run under the cursor."""
        from tui.app.publishing.publish_form import publish_jobs

        job_id = self.command_job()
        if job_id is not None:
            publish_jobs(self.context, [job_id], what="best")

    def do_copy(self) -> None:
        """Copies the table, for a spreadsheet."""
        self.context.copy(as_tsv(self.table.heads, self.table.rows), "the table, with tabs")

    def do_copy_command(self) -> None:
        """Copies the command line that shows the same."""
        ids = " ".join(self.job_ids)
        self.context.copy(f"{PROGRAM} compare {ids}{' --all' if self.everything else ''} --json")

    def do_back(self) -> None:
        """Takes cursor and zoom away, else goes back."""
        if self.chart.view is None and self.chart.cursor_step is None:
            self.context.pop_screen()
            return
        self.chart.do_whole()
        self._legend()
        self._titles()
