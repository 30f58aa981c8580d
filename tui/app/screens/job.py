"""A job's own page: its head, and tabs that are made when they are first opened."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Any, ClassVar, Final

from textual import on
from textual.containers import Vertical
from textual.timer import Timer
from textual.widget import Widget

from tui.app import job_facts
from tui.app.actions import APP, MOVE, Action
from tui.app.desktop import desktop_opener, show_folder
from tui.app.job_reasons import PageState, why_not
from tui.app.messages import JobsChanged, UploadProgress
from tui.app.page_actions import CHART, JOB, LOG
from tui.app.screens.base import AppScreen
from tui.app.styles import style_sheet
from tui.app.widgets.file_list import FileList
from tui.app.widgets.job_head import JobHead
from tui.app.widgets.log_panel import LogPanel
from tui.app.widgets.metrics_panel import MetricsPanel
from tui.app.widgets.panel_title import PanelTitle
from tui.app.widgets.piece_list import Entry, PieceList, entry
from tui.app.widgets.tab_title import TabTitle, TabWords
from tui.app.widgets.virtual_list import VirtualList
from tui.engine.control_client import ControlClient, ControlError
from tui.formatting import plural, size
from tui.store.records import FileRecord, JobRecord, JobStatus
from tui.store.schema import StoreError

TABS: Final = ("Log", "Metrics", "Stages", "Config", "Files", "Events")
_TICK: Final = 1.0


class JobScreen(AppScreen):
    """One job.

    Args:
        job_id: which one.
    """

    CSS_PATH = style_sheet("job")
    ACTIONS: ClassVar = JOB
    MOVES: ClassVar = MOVE
    HERE: ClassVar = "jobs"

    def __init__(self, job_id: str) -> None:
        super().__init__()
        self.job_id = job_id
        self.job: JobRecord | None = None
        self.tab = "Log"
        self.compared: JobRecord | None = None
        self._upload: UploadProgress | None = None
        self._panels: dict[str, Widget] = {}
        self._words: dict[str, tuple[str, ...]] = {}
        self._ticking: Timer | None = None

    def body(self) -> Iterable[Widget]:
        """Head, tabs, and room for one of them."""
        self.read()
        self.title_line = PanelTitle()
        self.head = JobHead()
        names = ("Diagnosis", *TABS) if self._failed else TABS
        self.tabs = TabTitle(names)
        if self.job is not None:
            self.tab = names[0]
            self._panels[self.tab] = self._make(self.tab, self.job)
        self.room = Vertical(*self._panels.values(), id="job-room")
        return (self.title_line, self.head, self.tabs, self.room)

    @property
    def _failed(self) -> bool:
        return self.job is not None and self.job.status is JobStatus.FAILED

    def read(self) -> None:
        """Read the record again; on a store that cannot be read, keep what is known."""
        try:
            self.job = self.owner.reader.job(self.job_id)
        except StoreError as error:
            self.owner.tell(error.message, error.advice, "error")

    # -- life ---------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Fill the first tab and follow the job."""
        super().on_mount()
        self.owner.jobs_changed.subscribe(self, self._jobs_changed)
        self.owner.upload_progress.subscribe(self, self._uploading)
        self._tell_engine(self.job_id)
        if self.job is None:
            self.owner.tell("There is no such job any more.")
            self.owner.call_later(self._leave)
            return
        self._show_head()
        self._opened(self.tab)
        self._tick_while_active()

    def _leave(self) -> None:
        """Back to the list. Not awaited: a screen cannot wait for its own end."""
        if self.is_current:
            self.owner.pop_screen()

    def on_unmount(self) -> None:
        """The job needs no close watch any more."""
        self._tell_engine(None)

    def _tell_engine(self, job_id: str | None) -> None:
        control = self.owner.control
        if control is None:
            return

        async def tell(control: ControlClient) -> None:
            try:
                await control.focus(job_id)
            except ControlError as error:
                self.log.debug(error.message)  # the job is polled less often, nothing else

        self.owner.run_worker(tell(control), group="focus", exclusive=True)

    def _jobs_changed(self, change: JobsChanged) -> None:
        if self.job_id in change.job_ids:
            self._refresh_job()

    def on_screen_resume(self) -> None:
        """Catch up."""
        super().on_screen_resume()
        if self._panels:
            self._refresh_job()

    def _refresh_job(self) -> None:
        before = self.job
        self.read()
        if self.job is None:
            self.owner.tell("This job's record was deleted.")
            self.owner.pop_screen()
            return
        self._show_head()
        self._fill(self.tab)
        self._tick_while_active()
        self.update_footer()
        failed_now = before is not None and before.status is not JobStatus.FAILED and self._failed
        if failed_now and "Diagnosis" not in self.tabs.names:
            self.tabs.names = ("Diagnosis", *TABS)
            self.tabs.refresh()
            self.owner.tell("The job failed.", "The Diagnosis tab says why.", "error")

    def _uploading(self, progress: UploadProgress) -> None:
        if progress.job_id == self.job_id:
            self._upload = progress
            self._show_head()

    def _tick_while_active(self) -> None:
        """Time and money of an active job move once a second; otherwise nothing does."""
        active = self.job is not None and self.job.status.is_active
        if active and self._ticking is None:
            self._ticking = self.set_interval(_TICK, self._tick)
        elif not active and self._ticking is not None:
            self._ticking.stop()
            self._ticking = None

    def _tick(self) -> None:
        if self.is_active:
            self._show_head()
            if self.tab == "Stages":
                self._fill("Stages")

    def _show_head(self) -> None:
        job = self.job
        if job is None:
            return
        family = " ".join(part for part in (job.model_family, job.model_flavour) if part)
        self.title_line.set((job.name, family), (job.job_id,))
        self.head.set(job_facts.head(job, self.owner.clock(), self._upload))

    # -- tabs ---------------------------------------------------------------------------------

    async def open_tab(self, name: str) -> None:
        """Show a tab; it is made the first time."""
        if self.job is None:
            return
        for other, panel in self._panels.items():
            panel.display = other == name
        if name not in self._panels:
            self._panels[name] = self._make(name, self.job)
            await self.room.mount(self._panels[name])
        self._opened(name)

    def _opened(self, name: str) -> None:
        self.tab = name
        self.tabs.set(name, self._words.get(name, ()))
        self._fill(name)
        focus = getattr(self._panels[name], "focus_content", None) or self._panels[name].focus
        focus()
        self.update_footer()

    def _make(self, name: str, job: JobRecord) -> Widget:
        if name == "Log":
            return LogPanel(self.owner.home.log_file(job.job_id), job.name)
        if name == "Metrics":
            return MetricsPanel(job)
        if name == "Files":
            return FileList()
        empty = {
            "Stages": "No stage has begun yet.",
            "Events": "Nothing has happened yet.",
        }
        return PieceList(empty.get(name, ""))

    def _fill(self, name: str) -> None:
        """Bring a tab up to date, as far as it exists."""
        panel, job = self._panels.get(name), self.job
        if panel is None or job is None:
            return
        try:
            if isinstance(panel, LogPanel):
                panel.view.live(job.status.is_active)
            elif isinstance(panel, MetricsPanel):
                panel.update(job)
            elif isinstance(panel, FileList):
                self._fill_files(panel)
            elif isinstance(panel, PieceList):
                panel.set(self._entries(name, job))
                words = [f"with {self.compared.name}"] if name == "Config" and self.compared else []
                self._say(name, (*words, plural(panel.count, "line")))
        except StoreError as error:
            self.owner.tell(error.message, error.advice, "error")

    def _entries(self, name: str, job: JobRecord) -> list[Entry]:
        reader = self.owner.reader
        if name == "Stages":
            return job_facts.stage_entries(job, reader.stages(job.job_id), self.owner.clock())
        if name == "Events":
            return job_facts.event_entries(reader.events(job.job_id))
        if name == "Diagnosis":
            return job_facts.diagnosis_entries(job, max(40, self.size.width - 8))
        if self.compared is not None:
            return job_facts.diff_entries(job, self.compared)
        return job_facts.config_entries(job)

    def _fill_files(self, panel: FileList) -> None:
        files = self.owner.reader.files(self.job_id)
        if list(panel.files) != files:
            panel.set(files)
        total = sum(file.size for file in files)
        where = str(self.owner.outputs)
        self._say("Files", (where, f"{plural(len(files), 'file')} · {size(total)}"))

    def _say(self, name: str, words: tuple[str, ...]) -> None:
        self._words[name] = words
        if name == self.tab:
            self.tabs.set(name, words)

    @on(TabWords)
    def _tab_words(self, event: TabWords) -> None:
        for name, panel in self._panels.items():
            if panel is event.panel:
                self._say(name, event.words)
        self.update_footer()

    @on(TabTitle.Picked)
    async def _picked(self, event: TabTitle.Picked) -> None:
        await self.open_tab(event.name)

    @property
    def panel(self) -> Widget | None:
        """The open tab's widget."""
        return self._panels.get(self.tab)

    # -- what can be done ---------------------------------------------------------------------

    def actions(self) -> tuple[Action, ...]:
        """The page's actions with those of the open tab."""
        extra = {"Log": LOG, "Metrics": CHART}.get(self.tab, ())
        return self.owner.keymap.resolve((*extra, *self.ACTIONS, *APP))

    async def action_perform(self, action_id: str) -> None:
        """Actions of the log and the chart are done by those."""
        group = action_id.partition(".")[0]
        panel = self.panel
        if group == "log" and isinstance(panel, LogPanel):
            panel.view.action_perform(action_id)
        elif group == "chart" and isinstance(panel, MetricsPanel):
            panel.chart.action_perform(action_id)
        else:
            await super().action_perform(action_id)

    def command_job(self) -> str | None:
        """This job."""
        return self.job_id

    def why_not(self, action: Action) -> str:
        """Reasons by action."""
        job, name = self.job, action.name
        if action.group == "log":
            return self._no_hits(name)
        if action.group != "job":
            return super().why_not(action)
        if job is None:
            return "The job is gone."
        page = PageState(
            engine=self.owner.control is not None,
            tab=self.tab,
            comparing=self.compared is not None,
            comparable=name == "compare" and self._other() is not None,
            on_file=self._file is not None,
            on_line=self._entry is not None,
            desktop=desktop_opener() is not None,
        )
        return why_not(name, job, page)

    def _no_hits(self, name: str) -> str:
        panel = self.panel
        searching = isinstance(panel, LogPanel) and panel.view.document.query is not None
        if name in ("next", "previous", "only") and not searching:
            return "Search for something first (/)."
        return ""

    @property
    def _file(self) -> FileRecord | None:
        return self.panel.file if isinstance(self.panel, FileList) else None

    @property
    def _entry(self) -> Entry | None:
        panel = self.panel
        current = panel.current if isinstance(panel, PieceList) else None
        return current if current is not None and current.text.strip() else None

    async def do_next_tab(self) -> None:
        """The tab to the right."""
        await self._step_tab(1)

    async def do_previous_tab(self) -> None:
        """The tab to the left."""
        await self._step_tab(-1)

    async def _step_tab(self, step: int) -> None:
        names = self.tabs.names
        await self.open_tab(names[(names.index(self.tab) + step) % len(names)])

    def do_cancel(self) -> None:
        """Ask, then cancel."""
        self.owner.deeds.cancel([self.job_id])

    def do_collect(self) -> None:
        """Fetch files."""
        self.owner.deeds.collect([self.job_id])

    def do_web(self) -> None:
        """Show and copy the address."""
        self.owner.deeds.web(self.job_id)

    def do_edit(self) -> None:
        """The form with this job's settings, what failed changed."""
        self._open_form(changed=True)

    def do_rerun(self) -> None:
        """The form with exactly this job's settings."""
        self._open_form(changed=False)

    def _open_form(self, *, changed: bool) -> None:
        from tui.app.screens.new_job import NewJobScreen

        if self.job is not None:
            self.owner.push_screen(NewJobScreen(job_facts.draft_again(self.job, changed=changed)))

    def _other(self) -> JobRecord | None:
        """The job to compare with: a marked one, else the one before this in the list."""
        model = self.owner.model
        others = [one for one in model.ids if one in model.marks and one != self.job_id]
        if not others:
            place = model.position(self.job_id)
            others = list(model.ids[place + 1 : place + 2]) if place is not None else []
        return self.owner.reader.job(others[0]) if others else None

    def do_compare(self) -> None:
        """Begin or end comparing."""
        self.compared = None if self.compared else self._other()
        metrics = self._panels.get("Metrics")
        if isinstance(metrics, MetricsPanel):
            metrics.compare(self.compared)
        self._fill(self.tab)

    def do_copy(self) -> None:
        """Copy what the cursor is on."""
        panel: Any = self.panel
        text = self.job_id
        if isinstance(panel, FileList) and panel.file is not None:
            text = str(self.owner.outputs / panel.file.path)
        elif isinstance(panel, PieceList) and panel.current is not None:
            text = panel.current.copy or panel.current.text.strip() or text
        elif isinstance(panel, MetricsPanel):
            text = panel.copy_text() or text
        self.owner.copy(text)

    def do_copy_hash(self) -> None:
        """Copy a file's hash."""
        if self._file is not None:
            self.owner.copy(self._file.sha256)

    def do_copy_command(self) -> None:
        """Copy the command line that shows what the open tab shows."""
        verb = "logs" if self.tab == "Log" else "job"
        self.owner.copy(f"simpletuner-tui {verb} {self.job_id}")

    @on(VirtualList.Opened)
    async def do_line(self) -> None:
        """From a line of the diagnosis to the log; any other line in full, however long it is."""
        current = self._entry
        if current is None:
            return
        if current.offset is None:
            from tui.app.widgets.picker import Page

            width = max(40, self.size.width - 12)
            parts = textwrap.wrap((current.copy or current.text).strip(), width)
            self.owner.push_screen(Page(self.tab, [entry(part) for part in parts]))
            return
        await self.open_tab("Log")
        panel = self._panels["Log"]
        if isinstance(panel, LogPanel):
            panel.view.go_to(current.offset)

    def do_open(self) -> None:
        """Show the file's folder on the desktop."""
        if self._file is not None:
            folder = (self.owner.outputs / self._file.path).parent
            self.owner.tell(show_folder(folder) or f"Opening {folder}.")

    def do_back(self) -> None:
        """One step back inside the tab, then back to the list."""
        panel: Any = self.panel
        step_back = getattr(panel.view if isinstance(panel, LogPanel) else panel, "step_back", None)
        if step_back is None or not step_back():
            self.owner.pop_screen()
