"""The page of a job: its status line and its tabs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Final

from textual import on
from textual.timer import Timer
from textual.widget import Widget

from tui.app.annotations.actions import edit_annotation, pin_jobs, show_warnings
from tui.app.annotations.edit import title_words
from tui.app.job import facts
from tui.app.job.log_panel import LogPanel
from tui.app.job.metrics_panel import MetricsPanel
from tui.app.job.reasons import PageState, why_not
from tui.app.job.tabs import DIAGNOSIS, PICTURES, TABS, JobTabs, with_pictures
from tui.app.jobs.actions import JobActions
from tui.app.keys.actions import APP, CHART, JOB, LOG, MOVE, Action, by_id
from tui.app.keys.actions import PICTURES as PICTURE_ACTIONS
from tui.app.pictures.source import has_pictures
from tui.app.shell.copy_list import ask_what_to_copy, scp_line
from tui.app.shell.messages import JobsChanged, UploadProgress
from tui.app.shell.screen import AppScreen
from tui.app.terminal.control import desktop_opener, show_folder, show_picture
from tui.app.terminal.styles import style_sheet
from tui.app.widgets.entry_list import entry
from tui.app.widgets.panel_title import PanelTitle, StatusLine
from tui.app.widgets.virtual_list import VirtualList
from tui.base.job_status import JobStatus
from tui.client.client import ControlClient, ControlError
from tui.store.records import JobRecord
from tui.store.resume_point import ResumePoint
from tui.store.schema import StoreError

_TAB_OF: Final = {"log": "Log", "chart": "Metrics", "pictures": PICTURES}
_OPENING: Final = {"Files": "checkpoint", PICTURES: "picture", "Log": "log line"}
"""What `enter` opens of a mark of the charts, by the tab that shows it."""
_TICK: Final = 1.0
_FETCH_PERIOD: Final = 0.25


class JobScreen(AppScreen):
    """Shows a job and follows it.

    Args:
        job_id: the job to show.
        at_step: a training step that its metrics are opened at.
    """

    CSS_PATH = style_sheet("job")
    ACTIONS: ClassVar = JOB
    MOVES: ClassVar = MOVE
    HERE: ClassVar = "jobs"
    HAS_STEPS: ClassVar = True

    def __init__(self, job_id: str, at_step: int | None = None) -> None:
        super().__init__()
        self._at_step = at_step
        self.job_id = job_id
        self.job: JobRecord | None = None
        self._upload: UploadProgress | None = None
        self._ticking: Timer | None = None
        self._fetching: Timer | None = None

    def body(self) -> Iterable[Widget]:
        """Makes title, status line and tabs."""
        self._actions = JobActions(self.context)
        self.read()
        self.title_line = PanelTitle()
        self.head = StatusLine()
        names = with_pictures(TABS) if has_pictures(self.job, self.context.reader) else TABS
        first = "" if self._at_step is None else "Metrics"
        self.tabs = JobTabs((DIAGNOSIS, *names) if self._failed else names, self.job, first)
        return (self.title_line, self.head, self.tabs)

    @property
    def _failed(self) -> bool:
        return self.job is not None and self.job.status is JobStatus.FAILED

    def read(self) -> None:
        """Reads the record again; where the store cannot be read, the old record stays."""
        try:
            self.job = self.context.reader.job(self.job_id)
        except StoreError as error:
            self.context.tell(error.message, error.advice, "error")

    # -- life ---------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Fills the first tab and follows the job."""
        super().on_mount()
        self.context.signals.jobs_changed.subscribe(self, self._jobs_changed)
        self.context.signals.upload_progress.subscribe(self, self._uploading)
        self.context.signals.fetch_changed.subscribe(self, self._fetch_changed)
        self._tell_engine(self.job_id)
        if self.job is None:
            self.context.tell("There is no such job any more.")
            self.context.call_later(self._leave)
            return
        self._show_head()
        self.tabs.begin()
        if self._at_step is not None:
            self.tabs.show_step(self._at_step, asked=True)
        self._tick_while_active()

    def _leave(self) -> None:
        """Goes back to the list. Not awaited: a screen cannot wait for its own end."""
        if self.is_current:
            self.context.pop_screen()

    def on_unmount(self) -> None:
        """Tells the engine that nobody looks at the job any more."""
        self._tell_engine(None)

    def _tell_engine(self, job_id: str | None) -> None:
        control = self.context.control
        if control is None:
            return

        async def tell(control: ControlClient) -> None:
            try:
                await control.focus(job_id)
            except ControlError as error:
                self.log.debug(error.message)  # the job is polled less often, nothing else

        self.context.run_worker(tell(control), group="focus", exclusive=True)

    def _jobs_changed(self, change: JobsChanged) -> None:
        if self.job_id in change.job_ids:
            self._refresh_job()

    def on_screen_resume(self) -> None:
        """Shows what has changed while another screen was on top."""
        super().on_screen_resume()
        if self.job is not None:
            self._refresh_job()

    def _refresh_job(self) -> None:
        before = self.job
        self.read()
        if self.job is None:
            self.context.tell("This job's record was deleted.")
            self.context.pop_screen()
            return
        self._show_head()
        arrived = before is None or before.file_count != self.job.file_count
        if arrived and has_pictures(self.job, self.context.reader):
            self.tabs.add_pictures()
        self.tabs.show(self.job)
        self._tick_while_active()
        self.update_footer()
        failed_now = before is not None and before.status is not JobStatus.FAILED and self._failed
        if failed_now and self.tabs.add_diagnosis():
            self.context.tell("The job failed.", "The Diagnosis tab says why.", "error")

    def _uploading(self, progress: UploadProgress) -> None:
        if progress.job_id == self.job_id:
            self._upload = progress
            self._show_head()

    def _fetch_changed(self, report: Mapping[str, Any]) -> None:
        """Fills the Files tab again while a file is fetched, a few times a second at most."""
        if report.get("job_id") == self.job_id and self.tabs.tab == "Files" and not self._fetching:
            self._fetching = self.set_timer(_FETCH_PERIOD, self._fetched)

    def _fetched(self) -> None:
        self._fetching = None
        if self.is_active and self.tabs.tab == "Files":
            self.tabs.fill()

    def _tick_while_active(self) -> None:
        """Redraws time and cost of an active job once a second; otherwise no timer runs."""
        active = self.job is not None and self.job.status.is_active
        if active and self._ticking is None:
            self._ticking = self.set_interval(_TICK, self._tick)
        elif not active and self._ticking is not None:
            self._ticking.stop()
            self._ticking = None

    def _tick(self) -> None:
        if self.is_active:
            self._show_head()
            if self.tabs.tab == "Stages":
                self.tabs.fill()

    def _show_head(self) -> None:
        job = self.job
        if job is None:
            return
        family = " ".join(part for part in (job.model_family, job.model_flavour) if part)
        # In the title, where the narrowest screen has room for it.
        stops_at = facts.stopping_limit(self.context.settings.spending)
        marks = (f"cancelled at {stops_at}",) if stops_at and job.status.is_active else ()
        written = title_words(self.context.reader.annotation(job.job_id))
        self.title_line.set((job.name, family), (*written, *marks, job.job_id))
        now = self.context.clock()
        contact = self.context.model.contacts.of(job, now)
        self.head.set(facts.head(job, now, self._upload, contact))

    # -- what can be done ---------------------------------------------------------------------

    @on(JobTabs.Changed)
    def _tabs_changed(self) -> None:
        self.update_footer()

    def actions(self) -> tuple[Action, ...]:
        """Returns the page's actions with those of the open tab."""
        extra = {"Log": LOG, "Metrics": CHART, PICTURES: PICTURE_ACTIONS}.get(self.tabs.tab, ())
        names = {action.name for action in extra}  # the tab's own take the page's place
        opens = self.tabs.panel.opens if isinstance(self.tabs.panel, MetricsPanel) else ""
        if opens:
            extra = tuple(replace(action, label=_OPENING[opens]) if action.name == "line"
                          else action for action in extra)  # fmt: skip
        page = (replace(action, label=self._outside_label) if action.name == "outside" else action
                for action in self.ACTIONS if action.name not in names)  # fmt: skip
        return self.context.keymap.resolve((*extra, *page, *APP))

    @property
    def _outside_label(self) -> str:
        if self.tabs.picture is not None:
            return "viewer"
        return "open folder" if self.tabs.file is not None else "web page"

    async def action_perform(self, action_id: str) -> None:
        """Passes actions of a tab on to it; from the palette, the tab is opened for them."""
        group = action_id.partition(".")[0]
        if group in _TAB_OF:
            action = by_id((*LOG, *CHART, *PICTURE_ACTIONS), action_id)
            if self.refuse(action):
                return
            if self.tabs.tab != _TAB_OF[group]:
                await self.tabs.open(_TAB_OF[group])
        panel = self.tabs.panel
        if group == "log" and isinstance(panel, LogPanel):
            panel.view.action_perform(action_id)
        elif group == "chart" and isinstance(panel, MetricsPanel):
            panel.chart.action_perform(action_id)
        elif group == "pictures" and self.tabs.pictures is not None:
            self.tabs.pictures.action_perform(action_id)
        else:
            await super().action_perform(action_id)

    def all_actions(self) -> tuple[Action, ...]:
        """Returns the actions of all tabs; doing one opens its tab."""
        closed = [
            action
            for actions in (LOG, CHART, PICTURE_ACTIONS)
            for action in actions
            if _TAB_OF[action.group] in self.tabs.title.names
            if _TAB_OF[action.group] != self.tabs.tab
        ]
        return (*super().all_actions(), *self.context.keymap.resolve(closed))

    async def go_to_step(self, step: int) -> None:
        """Goes to a training step: on the open tab, where it has steps, else in the log."""
        if not hasattr(self.tabs.panel, "show_step"):
            await self.tabs.open("Log")
        self.tabs.show_step(step, asked=True)

    def command_job(self) -> str | None:
        """Returns the job's id."""
        return self.job_id

    def why_not(self, action: Action) -> str:
        """Returns why an action cannot be done now; empty when it can."""
        job, name = self.job, action.name
        if action.group == "log":
            return self._no_hits(name)
        if action.group != "job":
            return super().why_not(action)
        if job is None:
            return "The job is gone."
        page = PageState(
            engine=self.context.control is not None,
            no_engine=self.context.engine.refusal,
            tab=self.tabs.tab,
            on_file=self.tabs.file is not None,
            on_picture=self.tabs.picture is not None,
            on_line=self.tabs.entry is not None,
            desktop=desktop_opener() is not None,
            files=name == "publish" and self._has_files(),
            resumable=name == "rerun" and self._resume_point() is not None,
        )
        return why_not(name, job, page)

    def _resume_point(self) -> ResumePoint | None:
        """Returns the checkpoint that a later job can go on from."""
        if self.job is None:
            return None
        return facts.point_to_go_on(self.job, self.context.reader, self.context.outputs)

    def _has_files(self) -> bool:
        row = self.context.reader.rows([self.job_id]).get(self.job_id)
        return row is not None and row.file_count > 0

    def _no_hits(self, name: str) -> str:
        panel = self.tabs.panel
        searching = isinstance(panel, LogPanel) and panel.view.document.query is not None
        if name == "only" and isinstance(panel, LogPanel) and panel.view.steps is not None:
            return ""
        if name in ("next", "previous", "only") and not searching:
            return "Search for something first (/)."
        return ""

    async def do_next_tab(self) -> None:
        """Opens the tab to the right."""
        await self.tabs.step(1)

    async def do_previous_tab(self) -> None:
        """Opens the tab to the left."""
        await self.tabs.step(-1)

    def do_cancel(self) -> None:
        """Asks, then cancels the job."""
        self._actions.cancel([self.job_id])

    def do_move(self) -> None:
        """Shows what other hardware would cost, and moves the job there after a question."""
        from tui.app.job.move import ask_where

        if self.job is not None:
            ask_where(self.context, self.job)

    def do_collect(self) -> None:
        """Fetches the job's files."""
        self._actions.collect([self.job_id])

    def do_publish(self) -> None:
        """Asks what to publish and where to; on the Files tab, the file under the cursor."""
        from tui.app.publishing.publish_form import publish_file, publish_jobs

        file = self.tabs.file
        if file is not None and self.job is not None:
            publish_file(self.context, self.job_id, file)
        else:
            publish_jobs(self.context, [self.job_id])

    def do_note(self) -> None:
        """Opens the sheet of what is written about the job."""
        edit_annotation(self.context, self.job_id)

    def do_warnings(self) -> None:
        """Opens the sheet of what is wrong with the run."""
        show_warnings(self.context, self.job_id)

    def do_pin(self) -> None:
        """Pins the job, or takes its pin away."""
        pin_jobs(self.context, [self.job_id])

    def do_outside(self) -> None:
        """Opens what is under the cursor outside the app; the job's page where nothing is."""
        if self.tabs.picture is not None or self.tabs.file is not None:
            self.do_open()
        else:
            self.do_web()

    def do_web(self) -> None:
        """Copies the address of the job's page at Replicate and shows it."""
        self._actions.web(self.job_id)

    def do_edit(self) -> None:
        """Opens the form with this job's settings and the changes of the diagnosis."""
        from tui.app.job.again import edit_again

        if self.job is not None:
            edit_again(self.context, self.job)

    def do_rerun(self) -> None:
        """Runs the job again as it ran, after a question, or goes on from a checkpoint."""
        from tui.app.job.again import ask_again

        if self.job is not None:
            ask_again(self.context, self.job)

    def do_compare(self) -> None:
        """Compares the job with the marked ones, or with the one before it; or two pictures."""
        if self.tabs.pictures is not None:
            self.tabs.pictures.compare()
            return
        self.context.compare(self.job_id)

    def do_copy(self) -> None:
        """Copies what the cursor is on, else the job's id."""
        self.context.copy(self.tabs.copy_text() or self.job_id)

    def do_copy_hash(self) -> None:
        """Copies the hash of the file under the cursor."""
        if self.tabs.file is not None:
            self.context.copy(self.tabs.file.sha256)

    def do_copy_command(self) -> None:
        """Asks what to copy of the job and of what the cursor is on."""
        verb = {"Log": "logs", "Metrics": "metrics"}.get(self.tabs.tab, "job")
        command = f"simpletuner-tui {verb} {self.job_id}"
        file = self.tabs.file
        path = str(self.tabs.picture or (self.context.outputs / file.path if file else ""))
        ask_what_to_copy(
            self.context,
            [
                *self._actions.copies(self.job_id, command),
                ("path", path),
                ("SHA-256", file.sha256 if file else ""),
                ("scp", scp_line(path) if path else ""),
            ],
        )

    @on(VirtualList.Opened)
    async def do_line(self) -> None:
        """Goes from a line of the diagnosis to the log; shows any other line in full."""
        current = self.tabs.entry
        if current is None:
            return
        if current.offset is None:
            from tui.app.widgets.picker import Page

            width = max(40, self.size.width - 12)
            parts = textwrap.wrap((current.copy or current.text).strip(), width)
            self.context.push_screen(Page(self.tabs.tab, [entry(part) for part in parts]))
            return
        await self.tabs.open("Log")
        panel = self.tabs.panel
        if isinstance(panel, LogPanel):
            panel.view.go_to(current.offset)

    def do_open(self) -> None:
        """Opens the file's folder on the desktop; a picture in its viewer."""
        if (picture := self.tabs.picture) is not None:
            self.context.tell(show_picture(picture) or f"Opening {picture.name}.")
            return
        if self.tabs.file is not None:
            folder = (self.context.outputs / self.tabs.file.path).parent
            self.context.tell(show_folder(folder) or f"Opening {folder}.")

    def do_back(self) -> None:
        """Goes one step back inside the tab, else to the list."""
        if not self.tabs.step_back():
            self.context.pop_screen()
