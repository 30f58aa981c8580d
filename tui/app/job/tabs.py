"""The tabs of a job's page: each is made when it is first opened and filled while it is open."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widget import Widget

from tui.app.job import facts
from tui.app.job.file_list import FileList
from tui.app.job.log_panel import LogPanel
from tui.app.job.metrics_panel import MetricsPanel
from tui.app.job.stage_list import StageList, steps_of
from tui.app.job.tab_bar import TabBar, TabStatus
from tui.app.widgets.entry_list import Entry, EntryList
from tui.app.widgets.virtual_list import VirtualList
from tui.base.formatting import plural, size
from tui.store.records import FileRecord, JobRecord
from tui.store.schema import StoreError

if TYPE_CHECKING:
    from tui.app.context import AppContext
    from tui.app.pictures.panel import PicturesPanel

TABS: Final = ("Log", "Metrics", "Stages", "Config", "Files", "Events")
PICTURES: Final = "Pictures"
"""Comes after Metrics where a job has or draws any."""
DIAGNOSIS: Final = "Diagnosis"
"""Comes before the others where a job has failed."""
_EMPTY: Final = {"Stages": "No stage has begun yet.", "Events": "Nothing has happened yet."}


def with_pictures(names: Sequence[str]) -> tuple[str, ...]:
    """Returns the tabs with Pictures after Metrics."""
    place = list(names).index("Metrics") + 1
    return (*names[:place], PICTURES, *names[place:])


class JobTabs(Vertical):
    """Holds the tabs and shows the open one.

    Args:
        names: the tabs there are.
        job: the job; without one nothing is opened.
        first: the tab that is opened; by default the first of them.
    """

    DEFAULT_CSS = "JobTabs, JobTabs > Vertical { width: 100%; height: 1fr; }"

    class Changed(Message):
        """Another tab is open, or other actions are possible on it."""

    def __init__(self, names: Sequence[str], job: JobRecord | None, first: str = "") -> None:
        super().__init__()
        self.title = TabBar(names)
        self.job = job
        self.tab = first or names[0]
        self.panels: dict[str, Widget] = {}
        self._words: dict[str, tuple[str, ...]] = {}
        self._zoom: tuple[int, int] | None = None
        self._step: int | None = None
        """The step of the page, which tabs without steps hand on."""

    def compose(self) -> ComposeResult:
        """Yields the bar and the first tab, which belongs to the first frame."""
        if self.job is not None:
            self.panels[self.tab] = self._make(self.tab, self.job)
        yield self.title
        self.room = Vertical(*self.panels.values())
        yield self.room

    def begin(self) -> None:
        """Fills the first tab, once the page is mounted."""
        self._opened(self.tab)

    @property
    def context(self) -> AppContext:
        """The app, with its own type."""
        return cast("AppContext", self.app)

    # -- opening ------------------------------------------------------------------------------

    async def open(self, name: str, at_step: int | None = None) -> None:
        """Shows a tab, at the step where the one before stood; makes it the first time.

        Args:
            name: the tab.
            at_step: the step that the user asks for instead.
        """
        if self.job is None:
            return
        step_now = getattr(self.panel, "step_now", None)
        said = None if step_now is None else step_now()
        if said is not None or self.tab in ("Log", "Metrics"):  # which follow the run without one
            self._step = said
        step = None if name == self.tab else self._step
        if isinstance(self.panel, MetricsPanel):
            self._zoom = self.panel.steps_shown()
        for other, panel in self.panels.items():
            panel.display = other == name
        if name not in self.panels:
            self.panels[name] = self._make(name, self.job)
            await self.room.mount(self.panels[name])
        opened = self.panels[name]
        if isinstance(opened, LogPanel):
            opened.zoomed(self._zoom)
        self._opened(name)
        if at_step is not None:
            self.show_step(at_step, asked=True)
        elif step is not None:
            self.show_step(step)

    def show_step(self, step: int, *, asked: bool = False) -> None:
        """Goes to a training step on the open tab, where it has steps.

        Args:
            step: the step.
            asked: whether the user named it, so that following ends for it.
        """
        show = getattr(self.panel, "show_step", None)
        if show is not None:
            self._step = step
            show(step, asked=asked)
            self._say_stages()

    async def step(self, step: int) -> None:
        """Shows the tab so many places to the right."""
        names = self.title.names
        await self.open(names[(names.index(self.tab) + step) % len(names)])

    def add_diagnosis(self) -> bool:
        """Adds the Diagnosis tab; returns whether it was missing."""
        if DIAGNOSIS in self.title.names:
            return False
        self.title.names = (DIAGNOSIS, *self.title.names)
        self.title.refresh()
        return True

    def add_pictures(self) -> None:
        """Adds the Pictures tab, if it is missing."""
        if PICTURES not in self.title.names:
            self.title.names = with_pictures(self.title.names)
            self.title.refresh()

    def _opened(self, name: str) -> None:
        self.tab = name
        self.title.set(name, self._words.get(name, ()))
        self.fill()
        panel = self.panels[name]
        focus = getattr(panel, "focus_content", None) or partial(self.screen.set_focus, panel)
        focus()
        self.post_message(self.Changed())

    def _make(self, name: str, job: JobRecord) -> Widget:
        if name == "Log":
            return LogPanel(self.context.home.log_file(job.job_id), job.name)
        if name == "Metrics":
            return MetricsPanel(job)
        if name == "Files":
            return FileList(self.context.clock, "No file has arrived yet.")
        if name == PICTURES:
            from tui.app.pictures.panel import PicturesPanel  # reads pictures: not at the start

            context = self.context
            painted = not context.settings.ui.ascii
            return PicturesPanel(context.outputs, context.clock, painted=painted)
        if name == "Stages":
            return StageList(_EMPTY[name])
        return EntryList(_EMPTY.get(name, ""))

    # -- filling ------------------------------------------------------------------------------

    def show(self, job: JobRecord) -> None:
        """Shows another state of the job."""
        self.job = job
        self.fill()

    def fill(self) -> None:
        """Fills the open tab again."""
        panel, job = self.panel, self.job
        if panel is None or job is None:
            return
        try:
            if isinstance(panel, LogPanel):
                panel.view.live(job.status.is_active)
            elif isinstance(panel, MetricsPanel):
                panel.update(job)
            elif isinstance(panel, FileList):
                self._fill_files(panel, job)
            elif self.tab == PICTURES:
                cast("PicturesPanel", panel).set(job, self.context.reader.files(job.job_id))
            elif isinstance(panel, StageList):
                stages = self.context.reader.stages(job.job_id)
                entries = facts.stage_entries(job, stages, self.context.clock())
                panel.set_stages(entries, steps_of(job, stages))
                self._say_stages()
            elif isinstance(panel, EntryList):
                panel.set(self._entries(job))
                self._say(self.tab, (plural(panel.count, "line"),))
        except StoreError as error:
            self.context.tell(error.message, error.advice, "error")

    def _entries(self, job: JobRecord) -> list[Entry]:
        reader = self.context.reader
        if self.tab == "Events":
            return facts.event_entries(reader.events(job.job_id))
        if self.tab == DIAGNOSIS:
            return facts.diagnosis_entries(job, max(40, self.app.size.width - 8))
        return facts.config_entries(job)

    def _fill_files(self, panel: FileList, job: JobRecord) -> None:
        files = self.context.reader.files(job.job_id)
        missing = self.context.reader.fetches(job.job_id)
        if list(panel.files) != files or list(panel.missing) != missing:
            panel.set(files, missing)
        total = sum(file.size for file in files)
        where = str(self.context.outputs)
        away = (f"{len(missing)} not here",) if missing else ()
        self._say("Files", (where, f"{plural(len(files), 'file')} · {size(total)}", *away))

    # -- words about a tab --------------------------------------------------------------------

    def _say(self, name: str, words: tuple[str, ...]) -> None:
        self._words[name] = words
        if name == self.tab:
            self.title.set(name, words)

    @on(VirtualList.Moved)
    def _say_stages(self) -> None:
        """Shows the step of the page beside the stages."""
        if isinstance(self.panel, StageList):
            step = self.panel.step_now()
            words = () if step is None else (f"step {step:,}",)
            self._say(self.tab, (plural(self.panel.count, "line"), *words))

    @on(TabStatus)
    def _tab_words(self, event: TabStatus) -> None:
        for name, panel in self.panels.items():
            if panel is event.panel:
                self._say(name, event.words)
        self.post_message(self.Changed())

    @on(MetricsPanel.MarkOpened)
    async def _mark_opened(self, event: MetricsPanel.MarkOpened) -> None:
        """Shows the file of a checkpoint, the pictures of a step or the line of a warning."""
        await self.open(event.tab, event.step)
        if isinstance(self.panel, FileList):
            self.panel.go_to_checkpoint(event.step)

    @on(TabBar.Picked)
    async def _picked(self, event: TabBar.Picked) -> None:
        await self.open(event.name)

    # -- what is open -------------------------------------------------------------------------

    @property
    def panel(self) -> Widget | None:
        """The widget of the open tab."""
        return self.panels.get(self.tab)

    @property
    def file(self) -> FileRecord | None:
        """The file under the cursor."""
        return self.panel.file if isinstance(self.panel, FileList) else None

    @property
    def entry(self) -> Entry | None:
        """The text line under the cursor; None on an empty one."""
        panel = self.panel
        current = panel.current if isinstance(panel, EntryList) else None
        return current if current is not None and current.text.strip() else None

    def copy_text(self) -> str:
        """Returns what `y` copies: what the cursor is on; empty for nothing."""
        panel = self.panel
        if isinstance(panel, FileList) and panel.file is not None:
            return str(self.context.outputs / panel.file.path)
        if isinstance(panel, EntryList) and panel.current is not None:
            return panel.current.copy or panel.current.text.strip()
        if isinstance(panel, MetricsPanel):
            return panel.copy_text()
        return str(self.picture or "")

    @property
    def pictures(self) -> PicturesPanel | None:
        """The Pictures tab, where it is open."""
        return cast("PicturesPanel", self.panel) if self.tab == PICTURES else None

    @property
    def picture(self) -> Path | None:
        """The file of the picture under the cursor."""
        return self.pictures.file if self.pictures is not None else None

    def step_back(self) -> bool:
        """Undoes a selection or filter in the open tab; returns whether there was one."""
        panel = self.panel
        inner = panel.view if isinstance(panel, LogPanel) else panel
        step_back = getattr(inner, "step_back", None)
        return step_back is not None and bool(step_back())
