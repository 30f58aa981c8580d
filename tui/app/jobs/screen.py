"""The Jobs screen: the live list, and a preview of the job under the cursor."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Final

from textual import events, on
from textual.geometry import Region
from textual.timer import Timer
from textual.widget import Widget

from tui.app.annotations.actions import edit_annotation, pin_jobs, show_warnings
from tui.app.jobs.actions import JobActions
from tui.app.jobs.job_list import JobList
from tui.app.jobs.preview import JobPreview, preview_height
from tui.app.jobs.saved_filters import PURPOSE, name_of, named
from tui.app.jobs.sweep_actions import ABOUT_MARKS, LABELS, SweepActions
from tui.app.keys.actions import APP, JOBS, MOVE, Action, by_id
from tui.app.shell.copy_list import ask_what_to_copy
from tui.app.shell.jobs_model import SORTS
from tui.app.shell.messages import EngineState, JobsChanged
from tui.app.shell.screen import AppScreen
from tui.app.widgets.panel_title import PanelTitle
from tui.app.widgets.virtual_list import VirtualList
from tui.base.formatting import plural
from tui.base.job_status import STATUS_WORDS, JobStatus
from tui.store.records import JobRecord
from tui.store.run_warnings import shown_warning

if TYPE_CHECKING:
    from tui.api.sweeps import Sweep
    from tui.app.widgets.input_line import FilterLine, PromptLine

_QUIET: Final = 1.0
"""Seconds without a key before the list may change its order under the cursor."""
_LEFT_OF_PROBLEM: Final = 30
"""Cells of the title that a problem of the filter leaves to the rest."""
_PREVIEW_DELAY: Final = 0.15
_PREVIEW_HEIGHT: Final = 30
"""Lines of the terminal from which on the list can spare some for the preview."""
_NEEDS_ENGINE: Final = frozenset({"cancel", "collect", "publish", "delete", "delete_marked",
                                  "sync"})  # fmt: skip
_NEEDS_JOB: Final = frozenset({"open", "cancel", "collect", "publish", "delete", "web", "copy",
                               "copy_command", "mark", "note", "pin", "compare", "rerun",
                               "edit"})  # fmt: skip


class JobsScreen(AppScreen):
    """The home screen; all other screens lie over it."""

    ACTIONS: ClassVar = JOBS
    MOVES: ClassVar = MOVE
    HERE: ClassVar = "jobs"
    AUTO_FOCUS = "JobList"

    def __init__(self) -> None:
        super().__init__()
        self._reorder: Timer | None = None
        self._preview_wait: Timer | None = None
        self._ticking: Timer | None = None
        self._stale = False
        self._wanted = ""
        self.folded = False

    def body(self) -> Iterable[Widget]:
        """Makes title, list and preview."""
        self._actions = JobActions(self.context)
        self.list = JobList(
            self.context.model, self.context.clock, ascii_only=self.context.settings.ui.ascii
        )
        self._sweeps = SweepActions(self.context, self.list.toggle, self._marks_changed)
        self.jobs_title = PanelTitle(id="jobs-title")
        self.preview = JobPreview(self.context)
        return (self.jobs_title, self.list, self.preview)

    def on_mount(self) -> None:
        """Shows the jobs of the store at once, then follows the changes."""
        super().on_mount()
        self.context.model.reload()
        place = self.list.groups.position(self.context.saved_view.job)
        if place is not None:
            self.list.index = place
        self._headline()
        self.context.signals.jobs_changed.subscribe(self, self._jobs_changed)
        self.context.signals.engine_changed.subscribe(self, self._engine_changed)
        self.call_after_refresh(self._settled)

    def _settled(self) -> None:
        self._show_preview()
        self._tick_while_running()
        self.follow_ages(self.list.refresh)

    # -- what happens -------------------------------------------------------------------------

    def _jobs_changed(self, change: JobsChanged) -> None:
        if not self.is_active:
            self._stale = True
            return
        self._headline()
        self._fold(self.size.height)
        self.list.redraw(change.job_ids)
        if change.order_stale and self._reorder is None:
            self._reorder_when_quiet()
        if self.list.job_id in change.job_ids or self.list.sweep is not None:
            self._show_preview()
        self._tick_while_running()
        self.update_footer()

    def _engine_changed(self, _: EngineState) -> None:
        if self.is_active:
            self.update_footer()

    def _reorder_when_quiet(self) -> None:
        """Sorts again, but not while keys are being pressed: rows must not jump away."""
        self._reorder = None
        wait = self.context.last_key + _QUIET - time.monotonic()
        if wait > 0:
            self._reorder = self.set_timer(wait, self._reorder_when_quiet)
            return
        self.list.reload()
        self._headline()
        self.update_footer()

    def go_to(self, job_id: str) -> None:
        """Puts the cursor on a job, which may be a new one, when the list is seen again."""
        self._wanted, self._stale = job_id, True

    def on_screen_resume(self) -> None:
        """Shows what has changed while another screen was on top."""
        super().on_screen_resume()
        if self._stale:
            self._stale = False
            self.list.reload()
            place = self.list.groups.position(self._wanted)
            if place is not None:
                self.list.settle(self._wanted, place)
            self._wanted = ""
            self._headline()
            self._fold(self.size.height)
            self._show_preview()
            self._tick_while_running()

    def _tick_while_running(self) -> None:
        """Redraws time and cost of running jobs once a second; without such jobs no timer runs."""
        if self._ticking is None and any(
            self.context.model.counts.get(state) for state in (JobStatus.RUNNING, JobStatus.QUEUED)
        ):
            self._ticking = self.set_timer(1.0, self._tick)

    def _tick(self) -> None:
        self._ticking = None
        if self.is_active:
            self.list.redraw_running()
            self.context.refresh_status()
        self._tick_while_running()

    def _headline(self) -> None:
        model = self.context.model
        counts = model.counts
        parts = [
            f"{counts[state]} {STATUS_WORDS[state]}"
            for state in (
                JobStatus.PENDING, JobStatus.UPLOADING, JobStatus.RUNNING, JobStatus.QUEUED
            )
            if counts.get(state)
        ]  # fmt: skip
        ended = sum(count for state, count in counts.items() if state.is_terminal)
        if ended or not parts:
            parts.append(f"{ended:,} finished")
        left = ["Jobs", " · ".join(parts)]
        if model.saved_filters and (known := self._filter_name()):
            left.append(f"‹{known}›")
        if model.marks:
            left.append(f"{len(model.marks)} marked")
        text = model.filter.text.strip()
        matches = f"/ {text} · {len(model.ids):,} found" if text else "/ filter"
        problem, meant = model.filter.problem, model.filter.advice
        if meant and len(problem) + len(meant) < self.size.width - _LEFT_OF_PROBLEM:
            problem += f" · {meant[:1].lower()}{meant[1:]}"
        right = (f"sort: {model.sort_words}", f"/ {problem}" if problem else matches)
        self.jobs_title.set(tuple(left), right, wrong=bool(problem))
        for line in self.query("#filter"):
            line.set_class(bool(problem), "-wrong")

    # -- preview ------------------------------------------------------------------------------

    @on(VirtualList.Moved)
    def _moved(self) -> None:
        if self._preview_wait is None:
            self._preview_wait = self.set_timer(_PREVIEW_DELAY, self._preview_due)
        else:
            self._preview_wait.reset()
        self.update_footer()

    def _preview_due(self) -> None:
        self._preview_wait = None
        self._show_preview()

    def _show_preview(self) -> None:
        if not self.preview.display:
            return
        sweep = self.list.sweep
        if sweep is not None:
            self.preview.show_sweep(sweep)
        else:
            self.preview.show(self.list.job_id)

    def log_region(self) -> Region:
        """Returns the region of the preview's log lines; empty while it is folded."""
        return self.preview.log_region() if self.preview.display else Region()

    def on_resize(self, event: events.Resize) -> None:
        """Folds the preview where the list needs the room."""
        super().on_resize(event)
        self._fold(event.size.height)

    def _fold(self, height: int) -> None:
        shown = height >= _PREVIEW_HEIGHT and not self.folded and self.context.model.total > 0
        lines = preview_height(height, self.context.model.total)
        scalar = self.preview.styles.height
        if self.preview.display != shown or scalar is None or scalar.value != lines:
            self.preview.display, self.preview.styles.height = shown, lines
            self.call_after_refresh(self._show_preview)  # the list comes first

    # -- what can be done ---------------------------------------------------------------------

    def command_job(self) -> str | None:
        """Returns the job under the cursor."""
        return self.list.job_id

    def why_not(self, action: Action) -> str:
        """Returns why an action cannot be done now; empty when it can."""
        name = action.name
        row = self.list.row
        sweep = self._sweep_for(action)
        if sweep is not None:
            return self._sweeps.why_not(name, sweep)
        if name in _NEEDS_JOB and row is None:
            return "There is no job here yet. Press n to start one."
        marks = self.context.model.marks
        if name in _NEEDS_ENGINE and not self.context.control:
            return self.context.engine.refusal
        if name == "cancel" and not marks and row is not None and row.status.is_terminal:
            return f"{row.name} is over already: {STATUS_WORDS[row.status]}."
        if name in ("rerun", "edit"):
            return self._why_not_again(name)
        if name == "delete" and marks:
            return f"{plural(len(marks), 'job')} marked: the commands (:) delete them, U unmarks."
        if name == "delete" and row is not None and row.status.is_active:
            return f"{row.name} is still {STATUS_WORDS[row.status]}. Cancel it first (c)."
        if name == "collect" and row is not None and row.status.is_active:
            return f"{row.name} has no files yet; it is {STATUS_WORDS[row.status]}."
        if name == "publish" and not marks and row is not None and not row.file_count:
            return f"{row.name} has no files on this machine; f fetches what there is."
        if name in ("filter", "sort", "reverse", "fold") and not self.context.model.total:
            return "There are no jobs yet. Press n to start one."
        if name == "fold" and self.size.height < _PREVIEW_HEIGHT:
            return f"The preview needs {_PREVIEW_HEIGHT} lines; here are {self.size.height}."
        if name == "filters" and not self.context.model.saved_filters:
            return "No filter has a name yet. Type one (/) and press ctrl+s."
        if name == "save_filter" and not self.filter_text.strip():
            return "There is no filter to save. / begins one."
        if name in ("unmark", "delete_marked") and not marks:
            return "Nothing is marked."
        return ""

    def _sweep_for(self, action: Action) -> Sweep | None:
        """The sweep that an action is about; None where it is about jobs."""
        sweep, name = self.list.sweep, action.name
        if sweep is None or action.group != "jobs" or name not in _NEEDS_JOB:
            return None
        return None if name in ABOUT_MARKS and self.context.model.marks else sweep

    def actions(self) -> tuple[Action, ...]:
        """Returns the actions; on the line of a sweep with the words for all of it."""
        actions = super().actions()
        if self.list.sweep is None:
            return actions
        labels = {**LABELS, "open": "fold"} if self.list.is_open else LABELS
        return tuple(
            action if self._sweep_for(action) is None or action.name not in labels
            else replace(action, label=labels[action.name])
            for action in actions
        )  # fmt: skip

    async def action_perform(self, action_id: str) -> None:
        """Does an action; on the line of a sweep on all of it."""
        action = None if action_id.startswith("move.") else by_id((*JOBS, *APP), action_id)
        sweep = None if action is None else self._sweep_for(action)
        if action is None or sweep is None:
            await super().action_perform(action_id)
            return
        self.context.last_key = time.monotonic()
        if not self.refuse(action):
            self._sweeps.do(action.name, sweep)
            self.update_footer()

    def _marks_changed(self) -> None:
        self.list.refresh()
        self._headline()
        self.update_footer()

    def _why_not_again(self, name: str) -> str:
        from tui.app.job import facts
        from tui.app.job.reasons import why_not_again

        job, context = self._job(), self.context
        if job is None:
            return "The job is gone."
        point = facts.point_to_go_on(job, context.reader, context.outputs)
        no_engine = "" if context.control else context.engine.refusal
        return why_not_again(name, job, no_engine, resumable=point is not None)

    def _job(self) -> JobRecord | None:
        return self.context.reader.job(self.list.job_id) if self.list.job_id else None

    def do_rerun(self) -> None:
        """Runs the job again as it ran, after a question, or goes on from a checkpoint."""
        from tui.app.job.again import ask_again

        job = self._job()
        if job is not None:
            ask_again(self.context, job)

    def do_edit(self) -> None:
        """Opens the form with the job's settings and the changes of its diagnosis."""
        from tui.app.job.again import edit_again

        job = self._job()
        if job is not None:
            edit_again(self.context, job)

    @on(VirtualList.Opened)
    def do_open(self) -> None:
        """Opens the page of the job under the cursor; with a warning, its metrics at that step.

        A sweep is unfolded or folded.
        """
        if self.list.sweep is not None:
            self.list.toggle(self.list.sweep["name"])
        if self.list.job_id:
            job = self._job()
            warning = None if job is None else shown_warning(job.warnings)
            at_step = None if warning is None else warning["step"]
            self.context.open_job(self.list.job_id, at_step=at_step)

    def do_compare(self) -> None:
        """Compares the marked jobs, or the one under the cursor and the one before it."""
        self.context.compare(self.list.job_id)

    def do_new(self) -> None:
        """Opens the form for a new job."""
        self.context.new_job()

    def do_sweep(self) -> None:
        """Opens the form for a sweep."""
        self.context.new_job(sweep=True)

    def do_mark(self) -> None:
        """Marks or unmarks the job and goes one line down."""
        job_id = self.list.job_id
        if job_id is None:
            return
        self.context.model.marks.symmetric_difference_update({job_id})
        self.list.refresh_line(self.list.index)
        self.list.move_to(self.list.index + 1)
        self._headline()
        self.update_footer()

    def do_unmark(self) -> None:
        """Removes all marks."""
        self.context.model.marks.clear()
        self._marks_changed()

    def do_sort(self) -> None:
        """Sorts by the next column."""
        here = SORTS.index(self.context.model.sort)
        self._sort(SORTS[(here + 1) % len(SORTS)], None)

    def do_reverse(self) -> None:
        """Reverses the order."""
        self._sort(self.context.model.sort, not self.context.model.descending)

    @on(JobList.SortWanted)
    def _heading(self, event: JobList.SortWanted) -> None:
        model = self.context.model
        self._sort(event.sort, not model.descending if event.sort == model.sort else None)

    def _sort(self, sort: str, descending: bool | None) -> None:
        job_id, before = self.list.job_id, self.list.index
        self.context.model.set_sort(sort, descending)
        self.list.settle(job_id, before)
        self._headline()

    def do_fold(self) -> None:
        """Hides or shows the preview."""
        self.folded = not self.folded
        self._fold(self.size.height)

    def do_columns(self) -> None:
        """Opens the sheet of the list's columns; the list changes with each choice."""
        from tui.app.jobs.columns_sheet import ColumnsSheet

        def choose(names: tuple[str, ...]) -> None:
            self.context.model.columns = names
            self.list.refresh()

        self.context.push_screen(ColumnsSheet(self.context.model.columns, choose))

    # -- filter -------------------------------------------------------------------------------

    async def do_filter(self) -> None:
        """Opens the filter line with the present filter."""
        from tui.app.jobs.filter_line import JobFilterLine

        model = self.context.model
        line = JobFilterLine(model.filter.text, has_saved=bool(model.saved_filters))
        line.set_class(bool(self.context.model.filter.problem), "-wrong")
        await self.mount(line, after=self.jobs_title)
        line.focus()

    def do_filters(self) -> None:
        """Lists the saved filters to choose from."""
        from tui.app.widgets.picker import Picker

        def picked(name: str | None) -> None:
            if name is not None:
                self.filter_by(self.context.model.saved_filters[name])

        saved = self.context.model.saved_filters
        choices = [(name, name, words) for name, words in saved.items()]
        self.context.push_screen(Picker("Saved filters", choices, self._filter_name()), picked)

    async def do_save_filter(self) -> None:
        """Asks for a name of the present filter."""
        from tui.app.widgets.input_line import PromptLine as Line

        for line in self.query("#filter, PromptLine"):
            await line.remove()
        label = f"Name of “{self.filter_text.strip()}”"
        await self.mount(Line(PURPOSE, label, self._filter_name()), after=self.jobs_title)

    async def on_prompt_line_answered(self, event: PromptLine.Answered) -> None:
        """Keeps the filter under the typed name; without one it is no longer kept."""
        event.stop()
        if event.purpose:
            model = self.context.model
            kept = named(model.saved_filters, self.filter_text, event.value)
            if kept is None:
                event.line.say("There is no room for another filter.")
                return
            model.saved_filters = kept
            self.context.save_view()
        await event.line.remove()
        self.list.focus()
        self._headline()

    def _filter_name(self) -> str:
        return name_of(self.context.model.saved_filters, self.filter_text)

    @property
    def filter_text(self) -> str:
        """The filter as typed."""
        return self.context.model.filter.text

    def filter_by(self, text: str) -> None:
        """Narrows the list as the text is typed."""
        job_id, before = self.list.job_id, self.list.index
        self.context.model.set_filter(text)
        self.list.settle(job_id, before)
        self._headline()
        self.update_footer()

    async def close_filter(self, line: FilterLine) -> None:
        """Goes back to the list; the filter stays."""
        await line.remove()
        if not self.query("PromptLine"):  # which asks for a name of the filter
            self.set_focus(self.list)

    def do_clear(self) -> None:
        """Clears the filter, else the marks."""
        if self.context.model.filter.text.strip():
            self.filter_by("")
        elif self.context.model.marks:
            self.do_unmark()

    # -- through the engine -------------------------------------------------------------------

    def _targets(self) -> list[str]:
        return self.context.model.marked_or(self.list.job_id)

    def do_cancel(self) -> None:
        """Asks, then cancels the marked jobs or the one under the cursor."""
        self._actions.cancel(self._targets())

    def do_delete(self) -> None:
        """Asks, then deletes the record of the job under the cursor."""
        if self.list.job_id:
            self._actions.delete([self.list.job_id])

    def do_delete_marked(self) -> None:
        """Asks, then deletes the records of the marked jobs."""
        self._actions.delete(self._targets())

    def do_collect(self) -> None:
        """Fetches the files of the jobs."""
        self._actions.collect(self._targets())

    def do_publish(self) -> None:
        """Asks what to publish and where to."""
        from tui.app.publishing.publish_form import publish_jobs

        publish_jobs(self.context, self._targets())

    def do_note(self) -> None:
        """Opens the sheet of what is written about the job under the cursor."""
        if self.list.job_id:
            edit_annotation(self.context, self.list.job_id)

    def do_warnings(self) -> None:
        """Opens the sheet of what is wrong with the run under the cursor."""
        if self.list.job_id:
            show_warnings(self.context, self.list.job_id)

    def do_pin(self) -> None:
        """Pins the jobs, or takes their pins away."""
        pin_jobs(self.context, self._targets())

    def do_sync(self) -> None:
        """Brings in jobs that were started elsewhere."""
        self._actions.sync()

    def do_web(self) -> None:
        """Copies the address of the job's page at Replicate and shows it."""
        if self.list.job_id:
            self._actions.web(self.list.job_id)

    def do_copy(self) -> None:
        """Copies the job's id."""
        if self.list.job_id:
            self.context.copy(self.list.job_id)

    def do_copy_command(self) -> None:
        """Asks what to copy of the job."""
        if self.list.job_id:
            ask_what_to_copy(self.context, self._actions.copies(self.list.job_id))
